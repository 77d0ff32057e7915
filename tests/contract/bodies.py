"""Bodies that do what clients do: send all, break off, stall."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from gateway.backends.base import Backend, WriteSpec
from gateway.errors import BodyIncomplete
from gateway.model import PIECE_SIZE_MAX, Checksum, Info, Key, Span, Version


@dataclass
class Sent:
    """A body that arrives whole."""

    data: bytes
    checksum: Checksum | None = None
    piece_size: int = PIECE_SIZE_MAX

    @property
    def size(self) -> int:
        return len(self.data)

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        # One buffer for all pieces: a piece is valid until the next one is asked for.
        buffer = bytearray(self.piece_size)
        for start in range(0, len(self.data), self.piece_size):
            piece = self.data[start : start + self.piece_size]
            buffer[: len(piece)] = piece
            yield memoryview(buffer)[: len(piece)]
        buffer[:] = b"#" * len(buffer)


@dataclass
class Broken(Sent):
    """A body whose verdict is bad, after `good` pieces."""

    good: int = 0

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        sent = 0
        async for piece in super().pieces():
            if sent == self.good:
                break
            yield piece
            sent += 1
        raise BodyIncomplete


@dataclass
class Stalled(Sent):
    """A body whose client falls silent after the first piece."""

    stalled: asyncio.Event = field(default_factory=asyncio.Event)

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        async for piece in super().pieces():
            yield piece
            self.stalled.set()
            await asyncio.Event().wait()


async def put(backend: Backend, key: bytes, data: bytes = b"content", spec: WriteSpec | None = None) -> Info:
    return await backend.write(Key(key), Sent(data), spec or WriteSpec())


async def get(backend: Backend, key: bytes, span: Span | None = None, pin: Version | None = None) -> bytes:
    async with backend.read(Key(key), span, pin) as reading:
        return b"".join([bytes(piece) async for piece in reading.pieces()])
