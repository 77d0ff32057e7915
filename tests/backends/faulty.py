"""A store in memory that fails by script, for what stands around stores."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.backends.base import Body, Completion, ListPage, ListQuery, Part, Reading, UploadId, WriteSpec
from gateway.backends.memory import MemoryBackend
from gateway.errors import GatewayError
from gateway.model import Info, Key, Span, Version

T = TypeVar("T")


@dataclass(frozen=True)
class Fails:
    """The request fails, `after_s` seconds later, and has done nothing."""

    error: GatewayError
    after_s: float = 0.0


@dataclass(frozen=True)
class Loses:
    """The store does what it is asked to do, and its answer is lost."""

    error: GatewayError


@dataclass(frozen=True)
class Breaks:
    """A stream fails after `count` bytes, `after_s` seconds later."""

    count: int
    error: GatewayError
    after_s: float = 0.0


Fault = Fails | Loses | Breaks


@dataclass
class Seen:
    """A request that arrived: what it was, and when."""

    operation: str
    at_s: float
    span: Span | None = None
    pin: Version | None = None


@dataclass
class _Broken:
    info: Info
    pieces_before: list[bytes]
    fault: Breaks

    async def pieces(self) -> AsyncIterator[bytes]:
        for piece in self.pieces_before:
            yield piece
        await asyncio.sleep(self.fault.after_s)
        raise self.fault.error


@dataclass
class Script:
    """What happens to the requests, in the order in which they come; None and beyond the end: nothing."""

    faults: deque[Fault | None] = field(default_factory=deque)
    seen: list[Seen] = field(default_factory=list)
    always: Fault | None = None
    """What happens to every request that no fault of its own waits for."""
    lasts_s: float = 0.0
    """How long the store takes for each."""
    in_progress: int = 0
    in_progress_max: int = 0

    async def begin(self, seen: Seen) -> Fault | None:
        self.seen.append(seen)
        fault = self.faults.popleft() if self.faults else self.always
        self.in_progress += 1
        self.in_progress_max = max(self.in_progress_max, self.in_progress)
        try:
            await asyncio.sleep(self.lasts_s)
            if isinstance(fault, Fails):
                await asyncio.sleep(fault.after_s)
                raise fault.error
        finally:
            self.in_progress -= 1
        return fault


class FaultyBackend(MemoryBackend):
    """The reference store behind a script."""

    def __init__(self, *faults: Fault | None) -> None:
        super().__init__()
        self.script = Script(deque(faults))

    async def stat(self, key: Key) -> Info:
        await self._begin("stat")
        return await super().stat(key)

    @asynccontextmanager
    async def read(self, key: Key, span: Span | None, pin: Version | None) -> AsyncIterator[Reading]:
        fault = await self.script.begin(Seen("read", asyncio.get_running_loop().time(), span, pin))
        async with super().read(key, span, pin) as reading:
            if not isinstance(fault, Breaks):
                yield reading
                return
            data = b"".join([bytes(piece) async for piece in reading.pieces()])[: fault.count]
            yield _Broken(reading.info, [data] if data else [], fault)

    async def list(self, query: ListQuery) -> ListPage:
        await self._begin("list")
        return await super().list(query)

    async def write(self, key: Key, body: Body, spec: WriteSpec) -> Info:
        fault = await self._begin("write")
        info = await super().write(key, body, spec)
        return self._answered(info, fault)

    async def delete(self, key: Key, pin: Version | None) -> None:
        fault = await self._begin("delete")
        await super().delete(key, pin)
        self._answered(None, fault)

    async def complete_upload(self, upload: UploadId, parts: Sequence[Part], completion: Completion) -> Info:
        fault = await self._begin("complete_upload")
        return self._answered(await super().complete_upload(upload, parts, completion), fault)

    async def abort_upload(self, upload: UploadId) -> None:
        fault = await self._begin("abort_upload")
        await super().abort_upload(upload)
        self._answered(None, fault)

    async def _begin(self, operation: str) -> Fault | None:
        return await self.script.begin(Seen(operation, asyncio.get_running_loop().time()))

    def _answered(self, answer: T, fault: Fault | None) -> T:
        if isinstance(fault, Loses):
            raise fault.error
        return answer
