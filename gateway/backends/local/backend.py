"""The backend `local`: what the protocol asks, as few hops into threads as it takes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

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
    UploadId,
    UploadPage,
    UploadQuery,
    WriteSpec,
    runs_of,
)
from gateway.backends.bodies import gathered
from gateway.backends.checks import check_copy_span, check_part_size, check_sizes
from gateway.backends.etags import is_joined, joined_etag, opaque_etag
from gateway.backends.keys import EscapedNaming, ExactNaming
from gateway.backends.listing import page_of, roller
from gateway.backends.local.folders import Folders
from gateway.backends.local.notes import Notes
from gateway.backends.local.objects import NewContent, Objects, OpenFile
from gateway.backends.local.probing import probed
from gateway.backends.local.reading import LocalReading, open_reading
from gateway.backends.local.root import Root
from gateway.backends.local.temps import Temp, sweep
from gateway.backends.local.threads import Threads
from gateway.backends.local.tree import LocalTree, Windows
from gateway.backends.local.uploads import Uploads
from gateway.backends.uploads import check_number, chosen, page_of_uploads
from gateway.backends.walk import Walk
from gateway.clock import Clock, SystemClock
from gateway.config.places import LocalOptions
from gateway.errors import BackendUnavailable, ConditionFailed, GatewayError, ObjectMissing, UploadMissing
from gateway.model import PIECE_SIZE_MAX, ETag, Info, Key, Span, Tags, Version

T = TypeVar("T")

COPY_STRETCH = 256 * 1024 * 1024
"""Bytes copied in one hop: a cancelled caller waits no longer than that takes."""

_CAPABILITIES = Capabilities(
    pin=Pin.HANDLE,
    conditional_create=Conditional.NATIVE,
    conditional_replace=Conditional.CHECKED,
    conditional_complete=Conditional.CHECKED,
    conditional_delete=Conditional.CHECKED,
    server_copy_max=50_000 * 1024**3,
    tags=True,
)


class LocalBackend:
    """Objects as files below a directory, which is made if it is missing."""

    def __init__(self, path: str, options: LocalOptions, clock: Clock | None = None) -> None:
        """Raises `BackendUnavailable` where the directory cannot be opened or made."""
        self._clock = clock or SystemClock()
        self._threads = Threads(options.threads)
        try:
            self._root = Root(path)
            sweep(self._root)
        except OSError as error:
            raise BackendUnavailable(f"The directory cannot be opened: {error.strerror}.") from error
        naming = EscapedNaming() if options.keys == "escape" else ExactNaming()
        notes = Notes(self._root)
        folders = Folders(self._root, naming, notes)
        self._objects = Objects(self._root, naming, notes, folders)
        self._tree = LocalTree(self._root, naming, folders, self._objects, Windows())
        self._uploads = Uploads(self._root)

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def stat(self, key: Key) -> Info:
        return (await self._threads.run(partial(self._objects.look, key))).info

    @asynccontextmanager
    async def read(self, key: Key, span: Span | None, pin: Version | None) -> AsyncIterator[LocalReading]:
        reading = await self._threads.run(
            lambda: open_reading(self._threads, self._objects.open(key, span, pin)), LocalReading.close
        )
        try:
            yield reading
        finally:
            if not reading.is_closed:
                self._threads.later(reading.close)

    async def list(self, query: ListQuery) -> ListPage:
        return await self._threads.run(partial(self._page, query))

    async def write(self, key: Key, body: Body, spec: WriteSpec) -> Info:
        check_sizes(body.size, spec, _CAPABILITIES)
        self._objects.check_target(key, body.size)
        async with self._temp() as temp:
            return await self._write(
                temp, body, lambda: self._objects.commit(key, temp, NewContent(spec, temp.etag, body.checksum))
            )

    async def copy(self, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        async with self._opened(source, None, pin) as file, self._temp() as temp:
            check_sizes(file.info.size, spec, _CAPABILITIES)
            self._objects.check_target(key, file.info.size)
            for start in range(0, file.info.size, COPY_STRETCH):
                stop = min(start + COPY_STRETCH, file.info.size)
                await self._threads.settle(partial(file.append_to, temp, start, stop))
            await self._threads.run(file.verify)
            new = NewContent(spec, _known_etag(file.info), file.info.checksum, file.info.parts)
            return await self._threads.settle(partial(self._objects.commit, key, temp, new), temp.abandon)

    async def delete(self, key: Key, pin: Version | None) -> None:
        await self._threads.settle(partial(self._objects.delete, key, pin))

    async def delete_batch(self, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        return [await self._deleted(key) for key in keys]

    async def begin_upload(self, key: Key, spec: WriteSpec) -> UploadId:
        check_sizes(0, spec, _CAPABILITIES)
        self._objects.check_target(key, 0)
        return await self._threads.settle(partial(self._uploads.begin, key, spec, int(self._clock.now_s())))

    async def write_part(self, upload: UploadId, number: int, body: Body) -> Part:
        check_number(number)
        check_part_size(body.size, _CAPABILITIES)
        await self._threads.run(partial(self._uploads.record, upload))
        async with self._temp() as temp:
            return await self._write(temp, body, lambda: self._uploads.put_part(upload, number, temp, body.checksum))

    async def copy_part(self, upload: UploadId, number: int, source: Key, span: Span, pin: Version) -> Part:
        check_number(number)
        check_part_size(span.size, _CAPABILITIES)
        await self._threads.run(partial(self._uploads.record, upload))
        async with self._opened(source, span, pin) as file, self._temp() as temp:
            check_copy_span(span, file.info.size)
            for start in range(span.start, span.stop, COPY_STRETCH):
                stop = min(start + COPY_STRETCH, span.stop)
                await self._threads.settle(partial(_read_into, temp, file, start, stop))
            return await self._threads.settle(partial(self._uploads.put_part, upload, number, temp, None), temp.abandon)

    async def list_parts(self, upload: UploadId, after: int, limit: int) -> PartPage:
        return await self._threads.run(partial(self._uploads.page, upload, after, limit))

    async def complete_upload(self, upload: UploadId, parts: Sequence[Part], completion: Completion) -> Info:
        try:
            return await self._complete(upload, parts, completion)
        except (UploadMissing, ConditionFailed):
            # The answer of an earlier success may have been lost; the object tells.
            info = await self._threads.run(partial(self._completed, upload, parts))
            if info is None:
                raise
            return info

    async def abort_upload(self, upload: UploadId) -> None:
        await self._threads.settle(partial(self._uploads.remove, upload))

    async def list_uploads(self, query: UploadQuery) -> UploadPage:
        return page_of_uploads(await self._threads.run(self._uploads.all), query)

    async def tags(self, key: Key) -> Tags:
        return await self._threads.run(partial(self._objects.tags, key))

    async def set_tags(self, key: Key, tags: Tags) -> None:
        await self._threads.settle(partial(self._objects.set_tags, key, tags))

    async def probe(self) -> Capabilities:
        return await self._threads.settle(partial(probed, self._root, _CAPABILITIES))

    async def close(self) -> None:
        await self._threads.close()
        self._root.close()

    def _page(self, query: ListQuery) -> ListPage:
        page = page_of(Walk(self._tree, query.prefix, roller(query)), query)
        if not page.entries and not page.prefixes:
            # A root that is gone looks like an empty one.
            self._root.check()
        return page

    @asynccontextmanager
    async def _temp(self) -> AsyncIterator[Temp]:
        temp = Temp(self._root)
        try:
            yield temp
        finally:
            if temp.is_open:
                await self._threads.release(temp.close)

    @asynccontextmanager
    async def _opened(self, key: Key, span: Span | None, pin: Version) -> AsyncIterator[OpenFile]:
        file = await self._threads.run(partial(self._objects.open, key, span, pin), OpenFile.close)
        try:
            yield file
        finally:
            self._threads.later(file.close)

    async def _write(self, temp: Temp, body: Body, finish: Callable[[], T]) -> T:
        """Fills `temp` and calls `finish` once the verdict on the body is good; a small body takes one hop."""
        if body.size <= PIECE_SIZE_MAX:
            data = await gathered(body)
            return await self._threads.settle(lambda: _append_and(temp, data, finish), temp.abandon)
        async for piece in body.pieces():
            # Hashing takes about as long as writing, and neither needs the interpreter.
            await self._threads.together(partial(temp.write, piece), partial(temp.hash, piece))
        return await self._threads.settle(finish, temp.abandon)

    async def _complete(self, upload: UploadId, parts: Sequence[Part], completion: Completion) -> Info:
        record, present = await self._threads.run(lambda: (self._uploads.record(upload), self._uploads.parts(upload)))
        matched = chosen(parts, present, completion.size)
        self._objects.check_target(upload.key, sum(part.size for part in matched))
        async with self._temp() as temp:
            for part in matched:
                await self._threads.settle(partial(self._uploads.append_part, upload, part, temp))
            spec = WriteSpec(record.content, record.metadata, record.tags, completion.condition)
            runs = runs_of([part.size for part in matched])
            new = NewContent(spec, joined_etag(matched), completion.checksum, runs, upload.native)
            info = await self._threads.settle(partial(self._objects.commit, upload.key, temp, new), temp.abandon)
        await self._threads.settle(partial(self._uploads.discard, upload))
        return info

    def _completed(self, upload: UploadId, parts: Sequence[Part]) -> Info | None:
        try:
            record = self._objects.look(upload.key)
        except ObjectMissing:
            return None
        if record.upload != upload.native or not is_joined(record.info.etag, parts):
            return None
        self._uploads.discard(upload)
        return record.info

    async def _deleted(self, key: Key) -> GatewayError | None:
        try:
            await self.delete(key, None)
        except GatewayError as error:
            return error
        return None


def _append_and(temp: Temp, data: bytes, finish: Callable[[], T]) -> T:
    try:
        temp.append(data)
        return finish()
    finally:
        temp.close()


def _read_into(temp: Temp, file: OpenFile, start: int, stop: int) -> None:
    while start < stop:
        piece = file.read(start)
        temp.append(piece)
        start += len(piece)


def _known_etag(info: Info) -> ETag | None:
    return None if info.etag == opaque_etag(info.version) else info.etag
