"""Bodies on their way to a store: received or read, judged, and handed on in pieces of bounded size."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import TypeVar

from gateway.backends.base import Body, Reading
from gateway.errors import LengthMissing, MessageTooLong, RequestInvalid
from gateway.handlers.call import CHUNK_COST, Call, Incoming
from gateway.handlers.service import Service
from gateway.model import MIB, PIECE_SIZE_MAX, Algorithm, Checksum
from gateway.s3 import payload, xml
from gateway.s3.checksums import digest_of
from gateway.s3.payload import Plan, Receiver, Verdict

T = TypeVar("T")

UPLOAD_MEMORY = 2 * MIB
"""What one upload may hold: a stretch as received, and the same decoded."""
UNSIZED_MAX = 8 * MIB
"""A body whose size nobody told is held whole up to here; stores must know the size beforehand."""
HASHED_INLINE_MAX = 64 * 1024
"""Below this, changing threads costs more than hashing."""


class Upload:
    """A body of known size that streams from the socket. Implements `backends.base.Body`.

    The verdict falls at the end of `pieces`, before it ends.
    """

    def __init__(self, incoming: Incoming, receiver: Receiver, size: int, hashers: Executor) -> None:
        self._incoming = incoming
        self._receiver = receiver
        self.size = size
        self._hashers = hashers
        self.checksum: Checksum | None = None

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        async for stretch in _stretches(self._incoming):
            for piece in cut(await judge(self._receiver, stretch, self._hashers)):
                yield piece
        self.checksum = self._receiver.end().checksum


class Held:
    """A body that is in memory as a whole, its verdict already good. Implements `backends.base.Body`."""

    def __init__(self, data: bytes, checksum: Checksum | None) -> None:
        self.size = len(data)
        self.checksum = checksum
        self._data = data

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        for piece in cut(self._data):
            yield piece


class Passing:
    """The bytes of an open read as the body of a write. Implements `backends.base.Body`.

    With `compute` it also has their checksum in the end.
    """

    def __init__(self, reading: Reading, size: int, hashers: Executor, compute: Algorithm | None) -> None:
        self._reading = reading
        self.size = size
        self._hashers = hashers
        self._algorithm = compute
        self.checksum: Checksum | None = None

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        digest = None if self._algorithm is None else digest_of(self._algorithm)
        async for piece in self._reading.pieces():
            if digest is not None and len(piece) < HASHED_INLINE_MAX:
                digest.update(piece)
            elif digest is not None:
                await asyncio.get_running_loop().run_in_executor(self._hashers, digest.update, piece)
            yield piece
        if digest is not None and self._algorithm is not None:
            self.checksum = Checksum(self._algorithm, digest.digest())


@asynccontextmanager
async def receive(
    service: Service, call: Call, *, size_max: int, compute: Algorithm | None = None
) -> AsyncIterator[Body]:
    """The body of an upload. Its memory is reserved until the block is left.

    `compute` is the algorithm of a checksum that is wanted although the client may send none; one of
    another algorithm is then refused. Raises what the header fields already tell to be wrong before
    anything is read, and SlowDown.
    """
    plan = payload.plan(call.head, call.proof, length_required=True, size_max=size_max)
    _check_algorithm(plan, compute)
    receiver = Receiver(plan, compute=compute)
    wanted = UNSIZED_MAX if plan.size is None else min(UPLOAD_MEMORY, plan.size)
    async with service.memory(wanted):
        if plan.size is not None:
            yield Upload(call.incoming, receiver, plan.size, service.hashers)
            return
        try:
            data, verdict = await _collect(service, call, receiver, UNSIZED_MAX)
        except MessageTooLong as error:
            raise LengthMissing from error
        yield Held(data, verdict.checksum)


async def read_document(service: Service, call: Call, *, checksum_of_body: bool = True) -> tuple[bytes, Verdict]:
    """The whole body of a request that carries a document, and the verdict on it. Raises MessageTooLong."""
    plan = payload.plan(call.head, call.proof, length_required=False, size_max=None, checksum_of_body=checksum_of_body)
    if plan.size is not None and plan.size > xml.SIZE_MAX:
        raise MessageTooLong(MaxMessageLengthBytes=xml.SIZE_MAX)
    async with service.memory(xml.SIZE_MAX if plan.size is None else plan.size):
        return await _collect(service, call, Receiver(plan), xml.SIZE_MAX)


async def understood(service: Service, document: bytes, parse: Callable[[bytes], T]) -> T:
    """What `parse` makes of a document; a large one is read in a thread, so that other answers go on."""
    if len(document) < HASHED_INLINE_MAX:
        return parse(document)
    return await asyncio.get_running_loop().run_in_executor(service.hashers, parse, document)


async def judge(receiver: Receiver, stretch: list[bytes], hashers: Executor) -> bytes | memoryview:
    """What a stretch of a raw body decodes to; hashing of much leaves the loop for a thread."""
    if sum(map(len, stretch)) < HASHED_INLINE_MAX:
        return _decoded(receiver, stretch)
    return await asyncio.get_running_loop().run_in_executor(hashers, _decoded, receiver, stretch)


def cut(data: bytes | memoryview) -> list[bytes | memoryview]:
    """The bytes in pieces that may travel between two parts of the gateway; none for nothing."""
    if len(data) <= PIECE_SIZE_MAX:
        return [data] if data else []
    view = memoryview(data)
    return [view[at : at + PIECE_SIZE_MAX] for at in range(0, len(view), PIECE_SIZE_MAX)]


def _check_algorithm(plan: Plan, compute: Algorithm | None) -> None:
    sent = plan.trailer if plan.checksum is None else plan.checksum.algorithm
    if compute is not None and sent not in (None, compute):
        raise RequestInvalid(
            f"Checksum Type mismatch occurred, expected checksum Type: {compute.value.lower()}, "
            f"actual checksum Type: {sent.value.lower()}"
        )


async def _collect(service: Service, call: Call, receiver: Receiver, size_max: int) -> tuple[bytes, Verdict]:
    whole = bytearray()
    async for stretch in _stretches(call.incoming):
        whole += await judge(receiver, stretch, service.hashers)
        if len(whole) > size_max:
            raise MessageTooLong(MaxMessageLengthBytes=size_max)
    return bytes(whole), receiver.end()


async def _stretches(incoming: Incoming) -> AsyncIterator[list[bytes]]:
    """The raw body in stretches of about a piece: few enough changes of thread, little enough memory."""
    stretch: list[bytes] = []
    held = 0
    while (chunk := await incoming.chunk()) is not None:
        cost = len(chunk) + CHUNK_COST
        if held + cost > PIECE_SIZE_MAX and stretch:
            yield stretch
            stretch, held = [], 0
        stretch.append(chunk)
        held += cost
    if stretch:
        yield stretch


def _decoded(receiver: Receiver, stretch: list[bytes]) -> bytes | memoryview:
    pieces = [piece for chunk in stretch for piece in receiver.feed(chunk)]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
