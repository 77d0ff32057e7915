"""Multipart uploads, one to one those of the store."""

from collections.abc import Sequence

from gateway.backends.base import (
    RESERVED,
    Body,
    Completion,
    Part,
    PartPage,
    UploadId,
    UploadPage,
    UploadQuery,
    WriteSpec,
)
from gateway.backends.etags import is_joined, joined_etag
from gateway.backends.http import Patience, Upload
from gateway.backends.s3 import documents
from gateway.backends.s3.headers import etag_of, stored_headers
from gateway.backends.s3.objects import Objects, condition_or_failure
from gateway.backends.s3.place import S3Place, text_of
from gateway.backends.s3.wire import Answer, Ask, Headers, Query, Wire
from gateway.backends.uploads import chosen, page_of_uploads
from gateway.errors import ConditionFailed, ObjectMissing, UploadMissing
from gateway.model import UNCONDITIONAL, Condition, ETag, Info, Key

PAGE = 1000


class Uploads:
    """The open uploads of a bucket. All their state is the store's."""

    def __init__(self, wire: Wire, objects: Objects) -> None:
        self._wire = wire
        self._objects = objects

    async def begin(self, path: str, key: Key, spec: WriteSpec) -> UploadId:
        """The checksums that its parts may carry are not told to the store."""
        answer = await self._wire.fetch(Ask("POST", path, (("uploads", ""),), stored_headers(spec), b""))
        told = documents.fields_of(answer.body, "InitiateMultipartUploadResult")
        return UploadId(key, documents.named(told, "UploadId"), self._objects.date(answer.headers))

    async def write_part(self, upload: UploadId, number: int, body: Body) -> Part:
        """Sends one part."""
        payload = await self._objects.payload(body)
        headers = (await self._fetch(part_ask(self._wire.place, upload, number, {}, payload))).headers
        return Part(number, etag_of(headers), body.size, self._objects.date(headers), body.checksum)

    async def parts(self, upload: UploadId, after: int, limit: int) -> PartPage:
        """What the store tells of content headers and the like is nothing, so `spec` says the checksum only."""
        # One more than asked for: not every store tells whether more follow.
        query = [("max-parts", str(min(limit + 1, PAGE))), ("part-number-marker", str(after))]
        answer = await self._fetch(Ask("GET", *_target(self._wire.place, upload, query), patience=Patience.LIST))
        found, checksum, truncated = documents.parts_of(answer.body)
        rest = tuple(part for part in found if part.number > after)
        return PartPage(rest[:limit], truncated or len(rest) > limit, WriteSpec(checksum=checksum))

    async def complete(
        self, upload: UploadId, parts: Sequence[Part], completion: Completion, *, compared: bool
    ) -> Info:
        """`compared`: the store does not heed conditions here, so the versions are compared before."""
        path = self._wire.place.own_path(upload.key)
        try:
            # Here and not at the store, so that every one is told what is wrong with the list in the same way.
            matched = chosen(parts, await self._all_parts(upload), completion.size)
            if compared:
                await self._objects.compare(path, completion.condition)
            etag, date_s = await self._join(upload, matched, UNCONDITIONAL if compared else completion.condition)
        except (UploadMissing, ConditionFailed):
            # The answer to an earlier success may have been lost; the object tells.
            if await self._is_open(upload):
                raise
            return await self._joined(path, parts)
        return await self._objects.written(path, etag, sum(part.size for part in matched), WriteSpec(), date_s)

    async def abort(self, upload: UploadId) -> None:
        """Drops the upload and its parts."""
        await self._fetch(Ask("DELETE", *_target(self._wire.place, upload, [])))

    async def page(self, query: UploadQuery) -> UploadPage:
        """One page, put together here: stores differ in which markers and delimiters they heed."""
        found: list[UploadId] = []
        markers: tuple[bytes, str] | None = None
        if query.key_marker:
            after = query.upload_marker.native if query.upload_marker is not None else ""
            markers = (self._wire.place.prefix + query.key_marker, after)
        while True:
            listed, markers = await self._listed(query.prefix, markers)
            found += listed
            page = page_of_uploads(found, query)
            if page.truncated or markers is None:
                return page

    async def _fetch(self, ask: Ask) -> Answer:
        try:
            return await self._wire.fetch(ask)
        except ObjectMissing as error:
            # So Ceph's gateway (seen in 16.2) calls an upload that is not there.
            raise UploadMissing from error

    async def _listed(
        self, prefix: bytes, markers: tuple[bytes, str] | None
    ) -> tuple[list[UploadId], tuple[bytes, str] | None]:
        place = self._wire.place
        query = [
            ("uploads", ""),
            ("encoding-type", "url"),
            ("max-uploads", str(PAGE)),
            ("prefix", text_of(place.prefix + prefix)),
        ]
        if markers is not None:
            key, native = markers
            query += [("key-marker", text_of(key)), *([("upload-id-marker", native)] if native else [])]
        answer = await self._wire.fetch(Ask("GET", place.list_path, query, patience=Patience.LIST))
        listed, following = documents.uploads_of(answer.body)
        cut = len(place.prefix)
        uploads = [UploadId(Key(each.key[cut:]), each.native, each.started_s) for each in listed]
        return [upload for upload in uploads if not upload.key.startswith(RESERVED)], following

    async def _all_parts(self, upload: UploadId) -> dict[int, Part]:
        page = await self.parts(upload, 0, PAGE)
        found = {part.number: part for part in page.parts}
        while page.truncated and page.parts:
            page = await self.parts(upload, page.parts[-1].number, PAGE)
            found |= {part.number: part for part in page.parts}
        return found

    async def _join(self, upload: UploadId, parts: Sequence[Part], condition: Condition) -> tuple[ETag, int]:
        """The ETag of the object made, and when."""
        body = documents.completion(parts)
        headers = {"content-type": "application/xml", **condition_or_failure(condition)}
        target = _target(self._wire.place, upload, [])
        try:
            answer = await self._wire.fetch(Ask("POST", *target, headers, body, Patience.LONG))
        except ObjectMissing as error:
            raise ConditionFailed from error
        told = documents.fields_of(answer.body, "CompleteMultipartUpload").get("ETag", "").strip('"')
        # Ceph's gateway (seen in 16.2) tells no ETag here.
        return ETag(told) if told else joined_etag(parts), self._objects.date(answer.headers)

    async def _is_open(self, upload: UploadId) -> bool:
        try:
            await self.parts(upload, 0, 1)
        except UploadMissing:
            return False
        return True

    async def _joined(self, path: str, parts: Sequence[Part]) -> Info:
        try:
            info = await self._objects.stat(path)
        except ObjectMissing:
            raise UploadMissing from None
        if not is_joined(info.etag, parts):
            raise UploadMissing
        return info


def part_ask(place: S3Place, upload: UploadId, number: int, headers: Headers, body: bytes | Upload) -> Ask:
    """The request that makes a part."""
    return Ask("PUT", *_target(place, upload, [("partNumber", str(number))]), headers, body)


def _target(place: S3Place, upload: UploadId, query: list[tuple[str, str]]) -> tuple[str, Query]:
    """Path and query of a request about one upload; `UploadMissing` for an id that no store gives."""
    if not upload.native:
        raise UploadMissing
    return place.own_path(upload.key), [*query, ("uploadId", upload.native)]
