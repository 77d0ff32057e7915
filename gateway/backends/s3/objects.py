"""Objects of a bucket, one by one: their infos, contents, tags, and their end."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

from gateway.backends.base import Body, Conditional, WriteSpec
from gateway.backends.bodies import gathered
from gateway.backends.checks import check_condition
from gateway.backends.http import Patience, Upload
from gateway.backends.s3 import documents
from gateway.backends.s3.headers import (
    checksum_headers,
    condition_headers,
    etag_of,
    etag_of_version,
    info_of,
    size_of,
    stored_headers,
    version_of,
)
from gateway.backends.s3.reading import CHECKSUMS_WANTED
from gateway.backends.s3.refusals import Refusal, error_of
from gateway.backends.s3.wire import Ask, Headers, Wire
from gateway.clock import Clock
from gateway.errors import (
    BackendBroken,
    ConditionFailed,
    GatewayError,
    ObjectMissing,
)
from gateway.model import PIECE_SIZE_MAX, UNCONDITIONAL, Condition, ETag, Info, Key, Tags, Version


class Objects:
    """What concerns one object, but for reading its bytes."""

    def __init__(self, wire: Wire, clock: Clock, silence_s: float) -> None:
        self._wire = wire
        self._clock = clock
        self._silence_s = silence_s

    async def stat(self, path: str, etag: ETag | None = None) -> Info:
        """The info of what lies at an encoded path; `ConditionFailed` if it has not the `etag` asked for."""
        headers = dict(CHECKSUMS_WANTED) if etag is None else {**CHECKSUMS_WANTED, "if-match": f'"{etag}"'}
        response = await self._wire.send(Ask("HEAD", path, (), headers))
        response.close()
        return info_of(response.headers, size_of(response.headers))

    async def write(self, path: str, body: Body, spec: WriteSpec) -> Info:
        """Makes the object. The store must be known to honour the condition."""
        payload = await self.payload(body)
        headers = stored_headers(spec) | condition_or_failure(spec.condition)
        if isinstance(payload, bytes):
            headers |= checksum_headers(body.checksum)
        try:
            told = (await self._wire.fetch(Ask("PUT", path, (), headers, payload))).headers
        except ObjectMissing as error:
            # A version that is to be replaced, where nothing is.
            raise ConditionFailed from error
        return await self.written(path, etag_of(told), body.size, spec, self.date(told))

    async def payload(self, body: Body) -> bytes | Upload:
        """The body as it is sent: a small one whole, after the verdict on it, so that it may be sent again."""
        return await gathered(body) if body.size <= PIECE_SIZE_MAX else Upload(body, self._silence_s)

    async def written(self, path: str, etag: ETag, size: int, spec: WriteSpec, date_s: int) -> Info:
        """The info of what was made at `date_s`, also if somebody else has put something over it since."""
        try:
            info = await self.stat(path, etag)
        except (ConditionFailed, ObjectMissing):
            return Info(version_of(etag, size), size, date_s, etag, spec.content, spec.metadata, write_id=spec.write_id)
        if info.size != size:
            raise BackendBroken("The store behind this bucket kept another number of bytes than it was given.")
        return info

    async def delete(self, path: str, pin: Version | None, conditional: Conditional) -> None:
        """`conditional` is how the store honours a pin; where it does not, the version is compared first."""
        headers: Headers = {}
        etag = None if pin is None or conditional is not Conditional.NATIVE else etag_of_version(pin)
        if etag is not None:
            headers["if-match"] = f'"{etag}"'
        elif pin is not None and not await self._is_there(path, pin):
            return
        try:
            await self._wire.fetch(Ask("DELETE", path, (), headers))
        except ObjectMissing:
            return
        except ConditionFailed:
            # Stores differ in what they say where nothing is.
            if pin is not None and await self._is_there(path, pin):
                raise

    async def delete_batch(self, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        """Per key its error or None. Keys that no XML document can carry take a request each."""
        outcomes: dict[int, GatewayError] = {}
        together: dict[str, int] = {}
        for at, key in enumerate(keys):
            try:
                path = self._wire.place.path(key)
                name = (self._wire.place.prefix + key).decode()
                if documents.is_xml_text(name):
                    together[name] = at
                else:
                    await self.delete(path, None, Conditional.NO)
            except GatewayError as error:
                outcomes[at] = error
        for record in await self._deleted(list(together)) if together else ():
            failure = error_of(Refusal(0, record.get("Code", "")))
            if record.get("Key") in together and not isinstance(failure, ObjectMissing):
                outcomes[together[record["Key"]]] = failure
        return [outcomes.get(at) for at in range(len(keys))]

    async def tags(self, path: str) -> Tags:
        """The object's tags."""
        answer = await self._wire.fetch(Ask("GET", path, (("tagging", ""),)))
        # Ceph's gateway (seen in 16.2) sends nothing at all where there are none.
        return documents.tags_of(answer.body) if answer.body else ()

    async def set_tags(self, path: str, tags: Tags) -> None:
        """Replaces all tags."""
        body = documents.tagging(tags)
        await self._wire.fetch(Ask("PUT", path, (("tagging", ""),), proven(body), body))

    async def compare(self, path: str, condition: Condition) -> None:
        """Raises `ConditionFailed` where a condition does not hold now."""
        if condition == UNCONDITIONAL:
            return
        try:
            current = (await self.stat(path)).version
        except ObjectMissing:
            current = None
        check_condition(current, condition)

    def date(self, headers: Mapping[str, str]) -> int:
        """When the store gave an answer, by its own clock if it says."""
        try:
            return int(parsedate_to_datetime(headers.get("Date", "")).timestamp())
        except ValueError:
            return int(self._clock.now_s())

    async def _deleted(self, names: Sequence[str]) -> Sequence[Mapping[str, str]]:
        body = documents.deletion(names)
        ask = Ask("POST", self._wire.place.list_path, (("delete", ""),), proven(body), body, Patience.LONG)
        return documents.delete_errors_of((await self._wire.fetch(ask)).body)

    async def _is_there(self, path: str, pin: Version) -> bool:
        """False where nothing is; `ConditionFailed` where another version is."""
        try:
            info = await self.stat(path)
        except ObjectMissing:
            return False
        if info.version != pin:
            raise ConditionFailed
        return True


def condition_or_failure(condition: Condition) -> Headers:
    """The condition of a write as headers; `ConditionFailed` for a version that no object here can have."""
    headers = condition_headers(condition)
    if headers is None:
        raise ConditionFailed
    return headers


def proven(body: bytes) -> Headers:
    """What a store wants beside a document: its type and its MD5."""
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    return {"content-type": "application/xml", "content-md5": base64.b64encode(digest).decode()}
