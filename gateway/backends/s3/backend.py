"""The backend `s3`: what the protocol asks, in requests to the store."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from gateway.backends.base import (
    Body,
    Capabilities,
    Completion,
    Conditional,
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
)
from gateway.backends.checks import check_part_size, check_sizes
from gateway.backends.s3.copies import Copies
from gateway.backends.s3.listings import Listings
from gateway.backends.s3.names import Names
from gateway.backends.s3.objects import Objects
from gateway.backends.s3.probing import probed
from gateway.backends.s3.reading import OpenedRead
from gateway.backends.s3.uploads import Uploads
from gateway.backends.s3.wire import Wire
from gateway.backends.uploads import check_number
from gateway.clock import Clock, SystemClock
from gateway.config.places import S3Options
from gateway.errors import GatewayError, KeyUnusable, Unsupported
from gateway.model import UNCONDITIONAL, Condition, IfAbsent, Info, Key, Span, Tags, Version

COPY_SIZE_MAX = 5 * 1024**3
"""Bytes of one copy inside the store ("Amazon S3 API Reference", CopyObject)."""

_BELIEVED = Capabilities(
    pin=Pin.REQUEST,
    conditional_create=Conditional.NO,
    conditional_replace=Conditional.NO,
    conditional_complete=Conditional.NO,
    conditional_delete=Conditional.NO,
    server_copy_max=COPY_SIZE_MAX,
    tags=True,
    checksums=False,
)
"""Before the probe: a store that ignores a condition must not be given one."""


class S3Backend:
    """A bucket of an S3 store. Nothing is asked of it before the first call, so it may be down when a node starts.

    What it does with conditions is probed when the first one is to be held.
    """

    def __init__(self, uri: str, options: S3Options, clock: Clock | None = None) -> None:
        """Blocks where libraries or certificates must be loaded. Raises `BackendUnavailable` for a bad `ca_file`."""
        clock = clock or SystemClock()
        self._wire = Wire(uri, options, clock)
        self._objects = Objects(self._wire, clock, float(options.silence_timeout))
        self._copies = Copies(self._wire, self._objects)
        self._uploads = Uploads(self._wire, self._objects)
        self._listings = Listings(self._wire)
        self._names = Names(self._wire, self._objects, self._listings)
        self._probed: Capabilities | None = None
        self._probing = asyncio.Lock()

    @property
    def capabilities(self) -> Capabilities:
        """As probed; until `probe` has succeeded no condition is promised."""
        known = self._probed or _BELIEVED
        return known if self._listings.is_ordered else replace(known, ordered_list=False, start_after=False)

    async def stat(self, key: Key) -> Info:
        return await self._objects.stat(await self._path_to_read(key))

    def read(self, key: Key, span: Span | None, pin: Version | None) -> AbstractAsyncContextManager[Reading]:
        opened = OpenedRead(self._wire, key, span, pin)
        return self._read_delicate(key, opened) if self._names.is_delicate(key) else opened

    async def list(self, query: ListQuery) -> ListPage:
        if not await self._names.may_begin_with(query.prefix):
            return ListPage((), (), None)
        return await self._listings.page(query)

    async def write(self, key: Key, body: Body, spec: WriteSpec) -> Info:
        path = await self._path(key)
        check_sizes(body.size, spec, self.capabilities)
        await self._require(spec.condition)
        return await self._objects.write(path, body, spec)

    async def delete(self, key: Key, pin: Version | None) -> None:
        path = await self._path(key)
        conditional = Conditional.NO if pin is None else (await self.probe()).conditional_delete
        await self._objects.delete(path, pin, conditional)

    async def delete_batch(self, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        allowed = [await self._names.allows(key) for key in keys]
        outcomes = iter(
            await self._objects.delete_batch([key for key, good in zip(keys, allowed, strict=True) if good])
        )
        return [next(outcomes) if good else KeyUnusable() for good in allowed]

    async def copy(self, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        path, source_path = await self._path(key), await self._path_to_read(source)
        await self._require(spec.condition)
        return await self._copies.copy(source_path, pin, path, spec)

    async def begin_upload(self, key: Key, spec: WriteSpec) -> UploadId:
        path = await self._path(key)
        check_sizes(0, spec, self.capabilities)
        return await self._uploads.begin(path, key, spec)

    async def write_part(self, upload: UploadId, number: int, body: Body) -> Part:
        check_number(number)
        check_part_size(body.size, self.capabilities)
        return await self._uploads.write_part(upload, number, body)

    async def copy_part(self, upload: UploadId, number: int, source: Key, span: Span, pin: Version) -> Part:
        check_number(number)
        return await self._copies.copy_part(upload, number, (await self._path_to_read(source), span, pin))

    async def list_parts(self, upload: UploadId, after: int, limit: int) -> PartPage:
        return await self._uploads.parts(upload, after, limit)

    async def complete_upload(self, upload: UploadId, parts: Sequence[Part], completion: Completion) -> Info:
        conditional = completion.condition != UNCONDITIONAL and (await self.probe()).conditional_complete
        return await self._uploads.complete(upload, parts, completion, compared=conditional is Conditional.CHECKED)

    async def abort_upload(self, upload: UploadId) -> None:
        await self._uploads.abort(upload)

    async def list_uploads(self, query: UploadQuery) -> UploadPage:
        return await self._uploads.page(query)

    async def tags(self, key: Key) -> Tags:
        return await self._objects.tags(await self._path_to_read(key))

    async def set_tags(self, key: Key, tags: Tags) -> None:
        await self._objects.set_tags(await self._path(key), tags)

    async def probe(self) -> Capabilities:
        """Asked of the store once; what it answered is kept."""
        if self._probed is None:
            async with self._probing:
                if self._probed is None:
                    self._probed = await probed(_BELIEVED, self._wire, self._objects, self._uploads)
        return self.capabilities

    async def close(self) -> None:
        await self._wire.close()

    async def _path(self, key: Key) -> str:
        """The encoded path of a key under which something is to be changed."""
        path = self._wire.place.path(key)
        if not await self._names.allows(key):
            raise KeyUnusable
        return path

    async def _path_to_read(self, key: Key) -> str:
        path = self._wire.place.path(key)
        await self._names.check_read(key)
        return path

    @asynccontextmanager
    async def _read_delicate(self, key: Key, opened: OpenedRead) -> AsyncIterator[Reading]:
        await self._path_to_read(key)
        async with opened as reading:
            yield reading

    async def _require(self, condition: Condition) -> None:
        if condition == UNCONDITIONAL:
            return
        known = await self.probe()
        kind = known.conditional_create if isinstance(condition, IfAbsent) else known.conditional_replace
        if kind is Conditional.NO:
            raise Unsupported("The store behind this bucket cannot hold conditions of writes.")
