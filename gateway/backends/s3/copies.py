"""Copies inside an S3 store: whole objects and parts of uploads, the source pinned."""

from gateway.backends.base import Part, UploadId, WriteSpec
from gateway.backends.checks import check_copy_span
from gateway.backends.http import Patience
from gateway.backends.s3 import documents
from gateway.backends.s3.headers import etag_of_version, size_of_version, stored_headers
from gateway.backends.s3.objects import Objects, condition_or_failure
from gateway.backends.s3.uploads import part_ask
from gateway.backends.s3.wire import Ask, Headers, Wire
from gateway.errors import ConditionFailed, VersionChanged
from gateway.model import UNCONDITIONAL, ETag, Info, Span, Version


class Copies:
    """CopyObject and UploadPartCopy. Paths are encoded ones."""

    def __init__(self, wire: Wire, objects: Objects) -> None:
        self._wire = wire
        self._objects = objects

    async def copy(self, source: str, pin: Version, path: str, spec: WriteSpec) -> Info:
        """The condition is compared before, and sent as well: not every store that knows it in PUT heeds it here."""
        headers = await self._source_headers(source, pin)
        headers |= {"x-amz-metadata-directive": "REPLACE", "x-amz-tagging-directive": "REPLACE"}
        headers |= stored_headers(spec) | condition_or_failure(spec.condition)
        await self._objects.compare(path, spec.condition)
        ask = Ask("PUT", path, (), headers, b"", Patience.LONG)
        try:
            answer = await self._wire.fetch(ask)
        except ConditionFailed:
            if spec.condition != UNCONDITIONAL and (await self._objects.stat(source)).version == pin:
                raise
            raise VersionChanged from None
        etag = ETag(documents.named(documents.fields_of(answer.body, "CopyObjectResult"), "ETag").strip('"'))
        if spec.tags:
            # Ceph's gateway (seen in 16.2) drops those that come with the copy.
            await self._objects.set_tags(path, spec.tags)
        return await self._objects.written(path, etag, size_of_version(pin), spec, self._objects.date(answer.headers))

    async def copy_part(self, upload: UploadId, number: int, source: tuple[str, Span, Version]) -> Part:
        """`source` is the path, the span and the pin of what is copied."""
        path, span, pin = source
        headers = await self._source_headers(path, pin)
        check_copy_span(span, size_of_version(pin))
        headers["x-amz-copy-source-range"] = f"bytes={span.start}-{span.stop - 1}"
        ask = part_ask(self._wire.place, upload, number, headers, b"")
        try:
            answer = await self._wire.fetch(ask)
        except ConditionFailed as error:
            raise VersionChanged from error
        told = documents.fields_of(answer.body, "CopyPartResult")
        etag = ETag(documents.named(told, "ETag").strip('"'))
        return Part(number, etag, span.size, self._objects.date(answer.headers))

    async def _source_headers(self, path: str, pin: Version) -> Headers:
        etag = etag_of_version(pin)
        if etag is None:
            raise VersionChanged
        try:
            # The copy says it too, but Ceph's gateway (seen in 16.2) and others do not heed it there.
            await self._objects.stat(path, etag)
        except ConditionFailed as error:
            raise VersionChanged from error
        place = self._wire.place
        return {
            "x-amz-copy-source": f"/{place.bucket}{path.removeprefix(place.root)}",
            "x-amz-copy-source-if-match": f'"{etag}"',
        }
