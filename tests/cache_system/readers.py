"""Many clients at once: signed GETs over bare connections, their bytes compared as they come."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tests.cache_system.scene import Scene, Thing, range_header
from tests.real.wire import Wire

READ_SIZE = 1024 * 1024
HEAD_MAX = 64 * 1024
SILENCE_MAX_S = 60


@dataclass(slots=True)
class Taken:
    """What a client got: the head, how many bytes, and whether all of them were the expected ones.

    `complete`: as many as the head promised; else the connection ended before. `code` is that of an error document.
    """

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    matches: bool = True
    complete: bool = False
    code: str = ""

    @property
    def right(self) -> bool:
        """A whole answer with the right bytes."""
        return self.status in (200, 206) and self.complete and self.matches


class Reader:
    """One GET in progress; an async context manager that hangs up at its end.

    `expected` are the bytes that should come; empty: they are only counted.
    """

    def __init__(self, wire: Wire, head: bytes, expected: bytes | memoryview = b"") -> None:
        self.taken = Taken()
        self._port = int(wire.host.rpartition(":")[2])
        self._head = head
        self._expected = memoryview(expected)
        self._promised = 0

    async def __aenter__(self) -> "Reader":
        self._input, self._output = await asyncio.open_connection("127.0.0.1", self._port, limit=HEAD_MAX)
        self._output.write(self._head)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._output.transport.abort()

    async def send(self, data: bytes) -> None:
        """Sends a stretch of the request's body; a node that has hung up is found out when its answer is awaited."""
        self._output.write(data)
        with suppress(ConnectionError):
            await self._output.drain()

    async def begin(self) -> None:
        """Receives the head. Raises `asyncio.IncompleteReadError` when the node hangs up before."""
        async with asyncio.timeout(SILENCE_MAX_S):
            first, *lines = (await self._input.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        self.taken.status = int(first.split(" ")[1])
        pairs = (line.partition(":") for line in lines)
        self.taken.headers = {name.lower(): value.strip() for name, _, value in pairs}
        self._promised = int(self.taken.headers["content-length"])

    async def take(self, size: int | None = None) -> None:
        """Receives `size` more bytes of the body, or all that is left; returns early when the node hangs up."""
        taken = self.taken
        upto = self._promised if size is None else min(self._promised, taken.size + size)
        while taken.size < upto:
            async with asyncio.timeout(SILENCE_MAX_S):
                try:
                    piece = await self._input.read(min(READ_SIZE, upto - taken.size))
                except ConnectionError:
                    return
            if not piece:
                return
            if taken.status >= 300:
                taken.code = piece.partition(b"<Code>")[2].partition(b"<")[0].decode()
            elif self._expected:
                taken.matches &= self._expected[taken.size : taken.size + len(piece)] == piece
            taken.size += len(piece)
        taken.complete = taken.size == self._promised


def reader(scene: Scene, thing: Thing, start: int = 0, stop: int | None = None, version: int = 1) -> Reader:
    """A GET of [start, stop) that expects the bytes of this version."""
    return Reader(scene.wire, _head(scene, thing, start, stop), thing.content(version, start, stop))


async def read(wire: Wire, head: bytes, expected: bytes | memoryview) -> Taken:
    """One whole GET."""
    async with Reader(wire, head, expected) as one:
        await one.begin()
        await one.take()
        return one.taken


async def read_spans(scene: Scene, thing: Thing, spans: Iterable[tuple[int, int]], version: int = 1) -> list[Taken]:
    """All these ranges of one object at once, each by a client of its own."""
    content = memoryview(thing.content(version))
    wire = scene.wire
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(read(wire, _head(scene, thing, start, stop), content[start:stop]))
            for start, stop in spans
        ]
    return [task.result() for task in running]


async def read_things(scene: Scene, things: Iterable[Thing], clients: int) -> list[Taken]:
    """Each object once, whole, by so many clients that share them."""
    left, found, wire = iter(things), list[Taken](), scene.wire

    async def client() -> None:
        for thing in left:
            found.append(await read(wire, _head(scene, thing, 0, None), thing.content()))

    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client())
    return found


def _head(scene: Scene, thing: Thing, start: int, stop: int | None) -> bytes:
    return scene.wire.head("GET", thing.target, range_header(start, stop))
