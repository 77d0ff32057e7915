"""The reference implementation: objects in this process's memory, every promise of the protocol kept."""

import hashlib
import secrets
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from gateway.backends.base import (
    Body,
    Capabilities,
    Completion,
    Conditional,
    Entry,
    ListPage,
    ListQuery,
    Part,
    PartPage,
    Pin,
    Reading,
    UploadId,
    UploadPage,
    UploadQuery,
    WriteSpec,
    runs_of,
)
from gateway.backends.bodies import gathered
from gateway.backends.checks import check_condition, check_copy_span, check_part_size, check_pin, check_sizes, cut_span
from gateway.backends.etags import is_joined, joined_etag
from gateway.backends.keys import check_reserved, check_size
from gateway.backends.listing import entry_of, page_of
from gateway.backends.uploads import check_number, chosen, page_of_parts, page_of_uploads
from gateway.clock import Clock, SystemClock
from gateway.errors import ConditionFailed, GatewayError, KeyUnusable, ObjectMissing, UploadMissing
from gateway.model import PIECE_SIZE_MAX, Checksum, Condition, ETag, Info, Key, Span, Tags, Version

_CAPABILITIES = Capabilities(
    pin=Pin.HANDLE,
    conditional_create=Conditional.NATIVE,
    conditional_replace=Conditional.NATIVE,
    conditional_complete=Conditional.NATIVE,
    conditional_delete=Conditional.NATIVE,
    server_copy_max=50_000 * 1024**3,
    tags=True,
)


@dataclass(frozen=True, slots=True)
class _Stored:
    info: Info
    data: bytes
    tags: Tags
    upload: str | None
    """The upload that made this content, if one did."""


@dataclass(slots=True)
class _Upload:
    spec: WriteSpec
    parts: dict[int, Part] = field(default_factory=dict)
    data: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _MemoryReading:
    info: Info
    data: memoryview

    async def pieces(self) -> AsyncIterator[memoryview]:
        for start in range(0, len(self.data), PIECE_SIZE_MAX):
            yield self.data[start : start + PIECE_SIZE_MAX]


class MemoryBackend:
    """Objects in this process's memory, gone with it. Changes happen in stretches without `await`."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._objects: dict[Key, _Stored] = {}
        self._keys: list[Key] = []
        self._uploads: dict[UploadId, _Upload] = {}

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def stat(self, key: Key) -> Info:
        return self._stored(key).info

    @asynccontextmanager
    async def read(self, key: Key, span: Span | None, pin: Version | None) -> AsyncIterator[Reading]:
        stored = self._stored(key)
        check_pin(stored.info.version, pin)
        cut = cut_span(span, stored.info.size)
        yield _MemoryReading(stored.info, memoryview(stored.data)[cut.start : cut.stop])

    async def list(self, query: ListQuery) -> ListPage:
        return page_of(self, query)

    def first(self, start: bytes) -> bytes | None:
        """The smallest key from `start` on (`KeySource`)."""
        place = bisect_left(self._keys, start)
        return self._keys[place] if place < len(self._keys) else None

    def entry(self, key: Key) -> Entry | None:
        """The entry of a key (`KeySource`)."""
        return entry_of(key, self._objects[key].info)

    async def write(self, key: Key, body: Body, spec: WriteSpec) -> Info:
        _check_key(key)
        check_sizes(body.size, spec, _CAPABILITIES)
        data = await gathered(body)
        info = replace(self._info(spec, _md5(data), data), checksum=body.checksum)
        return self._put(key, spec.condition, _Stored(info, data, spec.tags, None))

    async def copy(self, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        _check_key(key)
        stored = self._stored(source)
        check_pin(stored.info.version, pin)
        check_sizes(stored.info.size, spec, _CAPABILITIES)
        info = self._info(spec, stored.info.etag, stored.data)
        info = replace(info, checksum=stored.info.checksum, parts=stored.info.parts)
        return self._put(key, spec.condition, _Stored(info, stored.data, spec.tags, None))

    async def delete(self, key: Key, pin: Version | None) -> None:
        _check_key(key)
        stored = self._objects.get(key)
        if stored is None:
            return
        if pin is not None and stored.info.version != pin:
            raise ConditionFailed
        del self._objects[key]
        del self._keys[bisect_left(self._keys, key)]

    async def delete_batch(self, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        outcomes: list[GatewayError | None] = []
        for key in keys:
            try:
                await self.delete(key, None)
            except GatewayError as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
        return outcomes

    async def begin_upload(self, key: Key, spec: WriteSpec) -> UploadId:
        _check_key(key)
        check_sizes(0, spec, _CAPABILITIES)
        upload = UploadId(key, secrets.token_hex(16), int(self._clock.now_s()))
        self._uploads[upload] = _Upload(spec)
        return upload

    async def write_part(self, upload: UploadId, number: int, body: Body) -> Part:
        check_number(number)
        self._upload(upload)
        check_part_size(body.size, _CAPABILITIES)
        data = await gathered(body)
        return self._put_part(upload, number, data, body.checksum)

    async def copy_part(self, upload: UploadId, number: int, source: Key, span: Span, pin: Version) -> Part:
        check_number(number)
        stored = self._stored(source)
        check_pin(stored.info.version, pin)
        check_copy_span(span, stored.info.size)
        return self._put_part(upload, number, stored.data[span.start : span.stop], None)

    async def list_parts(self, upload: UploadId, after: int, limit: int) -> PartPage:
        state = self._upload(upload)
        return page_of_parts(state.parts.values(), state.spec, after, limit)

    async def complete_upload(self, upload: UploadId, parts: Sequence[Part], completion: Completion) -> Info:
        state = self._uploads.get(upload)
        if state is None:
            stored = self._objects.get(upload.key)
            if stored is None or stored.upload != upload.native or not is_joined(stored.info.etag, parts):
                raise UploadMissing
            return stored.info
        matched = chosen(parts, state.parts, completion.size)
        data = b"".join(state.data[part.number] for part in matched)
        info = replace(
            self._info(state.spec, joined_etag(matched), data),
            checksum=completion.checksum,
            parts=runs_of([part.size for part in matched]),
        )
        self._put(upload.key, completion.condition, _Stored(info, data, state.spec.tags, upload.native))
        del self._uploads[upload]
        return info

    async def abort_upload(self, upload: UploadId) -> None:
        self._upload(upload)
        del self._uploads[upload]

    async def list_uploads(self, query: UploadQuery) -> UploadPage:
        return page_of_uploads(self._uploads, query)

    async def tags(self, key: Key) -> Tags:
        return self._stored(key).tags

    async def set_tags(self, key: Key, tags: Tags) -> None:
        self._objects[key] = replace(self._stored(key), tags=tags)

    async def probe(self) -> Capabilities:
        return _CAPABILITIES

    async def close(self) -> None:
        """Nothing is held open."""

    def _info(self, spec: WriteSpec, etag: ETag, data: bytes) -> Info:
        return Info(
            version=Version(secrets.token_bytes(16)),
            size=len(data),
            modified_s=int(self._clock.now_s()),
            etag=etag,
            content=spec.content,
            metadata=spec.metadata,
            write_id=spec.write_id,
        )

    def _put(self, key: Key, condition: Condition, stored: _Stored) -> Info:
        current = self._objects.get(key)
        check_condition(None if current is None else current.info.version, condition)
        if current is None:
            insort(self._keys, key)
        self._objects[key] = stored
        return stored.info

    def _put_part(self, upload: UploadId, number: int, data: bytes, checksum: Checksum | None) -> Part:
        state = self._upload(upload)
        part = Part(number, _md5(data), len(data), int(self._clock.now_s()), checksum)
        state.parts[number] = part
        state.data[number] = data
        return part

    def _stored(self, key: Key) -> _Stored:
        _check_key(key)
        stored = self._objects.get(key)
        if stored is None:
            raise ObjectMissing
        return stored

    def _upload(self, upload: UploadId) -> _Upload:
        state = self._uploads.get(upload)
        if state is None:
            raise UploadMissing
        return state


def _check_key(key: Key) -> None:
    check_size(key)
    check_reserved(key)
    if not key or 0 in key:
        raise KeyUnusable


def _md5(data: bytes) -> ETag:
    return ETag(hashlib.md5(data, usedforsecurity=False).hexdigest())
