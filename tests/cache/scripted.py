"""A backend that a test can hold, fail and watch at every step, and whose objects change when the test says so."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum, auto

from gateway.backends.base import (
    Body,
    Capabilities,
    Completion,
    ListPage,
    ListQuery,
    Part,
    PartPage,
    Reading,
    UploadId,
    UploadPage,
    UploadQuery,
    WriteSpec,
)
from gateway.backends.memory import MemoryBackend
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.model import BLOCK_SIZE, Info, Key, Span, Tags, Version

PIECE_SIZE = BLOCK_SIZE // 4
PLAIN = WriteSpec()


class Step(Enum):
    """Where a call may be held or failed: before the store hears of it, when it has answered, before each piece."""

    STAT = auto()
    STATTED = auto()
    READ = auto()
    OPENED = auto()
    PIECE = auto()
    LIST = auto()
    LISTED = auto()
    WRITE = auto()
    WRITTEN = auto()


@dataclass(frozen=True, slots=True)
class At:
    """A step of a call about `key`; `offset` is that of the piece in the object."""

    step: Step
    key: Key
    offset: int = 0


Script = Callable[[At], Awaitable[None]]
"""Awaited at every step; what it raises the call raises."""


async def _undisturbed(_at: At) -> None:
    pass


@dataclass(frozen=True, slots=True)
class _Watched:
    info: Info
    _backend: "ScriptedBackend"
    _key: Key
    _start: int
    _reading: Reading

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        at = self._start
        async for large in self._reading.pieces():
            view = memoryview(large)
            for start in range(0, len(view), PIECE_SIZE):
                piece = view[start : start + PIECE_SIZE]
                await self._backend.script(At(Step.PIECE, self._key, at))
                self._backend.sent[self._key, self.info.version, at // BLOCK_SIZE] += len(piece)
                yield piece
                at += len(piece)


class ScriptedBackend:
    """Objects in memory. With `names_contents` equal bytes have equal versions, as they have at S3."""

    def __init__(self, clock: Clock, *, names_contents: bool = False) -> None:
        self.script: Script = _undisturbed
        self.calls: Counter[Step] = Counter()
        self.sent: Counter[tuple[Key, Version, int]] = Counter()
        """Bytes of each block that were read here."""
        self.open_reads = 0
        self.history: dict[Key, list[Version | None]] = {}
        """What each key has been, in order; None: nothing."""
        self.contents: dict[Version, bytes] = {}
        """The bytes of every version there has been."""
        self._store = MemoryBackend(clock)
        self._names_contents = names_contents

    @property
    def capabilities(self) -> Capabilities:
        return self._store.capabilities

    def sent_twice(self) -> dict[tuple[Key, Version, int], int]:
        """Blocks of which more was read than there is in a block."""
        return {name: size for name, size in self.sent.items() if size > BLOCK_SIZE}

    @property
    def bytes_sent(self) -> int:
        return self.sent.total()

    def _named(self, info: Info) -> Info:
        return replace(info, version=Version(f"{info.etag}/{info.size}".encode())) if self._names_contents else info

    async def _pinned(self, key: Key, pin: Version | None) -> Version | None:
        """The version's name at the store below; what is another version stays one."""
        if pin is None or not self._names_contents:
            return pin
        current = await self._store.stat(key)
        return current.version if self._named(current).version == pin else pin

    async def _step(self, step: Step, key: Key) -> None:
        self.calls[step] += 1
        await self.script(At(step, key))

    async def put_behind(self, key: Key, body: Body, spec: WriteSpec = PLAIN) -> Info:
        """Somebody else writes."""
        info = self._named(await self._store.write(key, body, spec))
        await self._is_now(key, info.version)
        return info

    async def delete_behind(self, key: Key, pin: Version | None = None) -> None:
        """Somebody else deletes."""
        await self._store.delete(key, await self._pinned(key, pin))
        await self._is_now(key, None)

    async def _is_now(self, key: Key, version: Version | None) -> None:
        # The store below answers without a pause, so nobody comes between the commit and this note of it.
        self.history.setdefault(key, [None]).append(version)
        if version is not None:
            async with self._store.read(key, None, None) as reading:
                self.contents[version] = b"".join([bytes(piece) async for piece in reading.pieces()])

    async def stat(self, key: Key) -> Info:
        await self._step(Step.STAT, key)
        info = self._named(await self._store.stat(key))
        await self._step(Step.STATTED, key)
        return info

    @asynccontextmanager
    async def read(self, key: Key, span: Span | None, pin: Version | None) -> AsyncIterator[Reading]:
        await self._step(Step.READ, key)
        async with self._store.read(key, span, await self._pinned(key, pin)) as reading:
            await self._step(Step.OPENED, key)
            self.open_reads += 1
            try:
                yield _Watched(self._named(reading.info), self, key, 0 if span is None else span.start, reading)
            finally:
                self.open_reads -= 1

    async def list(self, query: ListQuery) -> ListPage:
        await self._step(Step.LIST, Key(query.prefix))
        page = await self._store.list(query)
        entries = page.entries
        if self._names_contents:
            entries = tuple(replace(e, version=Version(f"{e.etag}/{e.size}".encode())) for e in entries)
        await self._step(Step.LISTED, Key(query.prefix))
        return replace(page, entries=entries)

    async def write(self, key: Key, body: Body, spec: WriteSpec) -> Info:
        await self._step(Step.WRITE, key)
        info = await self.put_behind(key, body, spec)
        await self._step(Step.WRITTEN, key)
        return info

    async def copy(self, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        await self._step(Step.WRITE, key)
        below = await self._pinned(source, pin)
        assert below is not None
        info = self._named(await self._store.copy(source, below, key, spec))
        await self._is_now(key, info.version)
        await self._step(Step.WRITTEN, key)
        return info

    async def delete(self, key: Key, pin: Version | None) -> None:
        await self._step(Step.WRITE, key)
        await self.delete_behind(key, pin)
        await self._step(Step.WRITTEN, key)

    async def delete_batch(self, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        outcomes: list[GatewayError | None] = []
        for key in keys:
            await self.delete(key, None)
            outcomes.append(None)
        return outcomes

    async def begin_upload(self, key: Key, spec: WriteSpec) -> UploadId:
        return await self._store.begin_upload(key, spec)

    async def write_part(self, upload: UploadId, number: int, body: Body) -> Part:
        await self._step(Step.WRITE, upload.key)
        part = await self._store.write_part(upload, number, body)
        await self._step(Step.WRITTEN, upload.key)
        return part

    async def copy_part(self, upload: UploadId, number: int, source: Key, span: Span, pin: Version) -> Part:
        return await self._store.copy_part(upload, number, source, span, pin)

    async def list_parts(self, upload: UploadId, after: int, limit: int) -> PartPage:
        return await self._store.list_parts(upload, after, limit)

    async def complete_upload(self, upload: UploadId, parts: Sequence[Part], completion: Completion) -> Info:
        await self._step(Step.WRITE, upload.key)
        info = self._named(await self._store.complete_upload(upload, parts, completion))
        await self._is_now(upload.key, info.version)
        await self._step(Step.WRITTEN, upload.key)
        return info

    async def abort_upload(self, upload: UploadId) -> None:
        await self._store.abort_upload(upload)

    async def list_uploads(self, query: UploadQuery) -> UploadPage:
        return await self._store.list_uploads(query)

    async def tags(self, key: Key) -> Tags:
        return await self._store.tags(key)

    async def set_tags(self, key: Key, tags: Tags) -> None:
        await self._store.set_tags(key, tags)

    async def probe(self) -> Capabilities:
        return await self._store.probe()

    async def close(self) -> None:
        await self._store.close()
