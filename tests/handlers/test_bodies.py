"""Bodies on their way in: bounded pieces, the verdict before the commit, and clients that leave."""

import asyncio
import tracemalloc
import zlib
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.backends.base import Body as BackendBody
from gateway.backends.base import WriteSpec
from gateway.backends.memory import MemoryBackend
from gateway.model import MIB, PIECE_SIZE_MAX, ETag, Info, Key, Version
from tests.handlers.node import Body, Node

TRAILED = {"x-amz-trailer": "x-amz-checksum-crc32"}


class Discarding(MemoryBackend):
    """Counts what it is given and keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    async def write(self, key: Key, body: BackendBody, spec: WriteSpec) -> Info:
        async for piece in body.pieces():
            self.sizes.append(len(piece))
        return Info(Version(b"v"), sum(self.sizes), 0, ETag("e"))


class Endless:
    """A client that sends `size` bytes in pieces of 64 KiB, made as they are asked for."""

    def __init__(self, size: int) -> None:
        self._left = size

    async def chunk(self) -> bytes | None:
        piece = bytes(min(self._left, 65536))
        self._left -= len(piece)
        return piece or None


class Stalled:
    """A client that sends something and then nothing for ever."""

    def __init__(self, first: bytes) -> None:
        self._first = first
        self.waiting = asyncio.Event()

    async def chunk(self) -> bytes | None:
        if self._first:
            first, self._first = self._first, b""
            return first
        self.waiting.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody wakes this up")


def framed(data: bytes, chunk_size: int, checksum: int) -> bytes:
    """aws-chunked without signatures, with a trailing CRC32."""
    chunks = [data[at : at + chunk_size] for at in range(0, len(data), chunk_size)]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    value = b64encode(checksum.to_bytes(4, "big"))
    return body + b"0\r\nx-amz-checksum-crc32:" + value + b"\r\n\r\n"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300_000), st.integers(8192, 100_000), st.integers(1, 200_000), st.booleans())
def test_a_framed_body_is_stored_unframed_however_it_is_cut(
    node: Node, data: bytes, chunk_size: int, cut: int, flipped: bool
) -> None:
    crc = zlib.crc32(data) ^ flipped
    body = framed(data, chunk_size, crc)
    headers = {**TRAILED, "x-amz-decoded-content-length": str(len(data)), "content-length": str(len(body))}
    node.request("DELETE", "/demo/k")
    reply = node.request(
        "PUT",
        "/demo/k",
        Body([body[at : at + cut] for at in range(0, len(body), cut)]),
        headers,
        payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    )
    if flipped:
        assert reply.code == "BadDigest"
        assert node.request("GET", "/demo/k").code == "NoSuchKey"
    else:
        assert reply.fields["x-amz-checksum-crc32"] == b64encode(crc.to_bytes(4, "big")).decode()
        assert node.request("GET", "/demo/k").body == data


def test_a_large_body_passes_in_bounded_pieces_and_memory(tmp_path: Path) -> None:
    size = 200 * MIB
    stores: list[Discarding] = []

    def store() -> Discarding:
        stores.append(Discarding())
        return stores[-1]

    with Node(tmp_path, store=store) as node:
        tracemalloc.start()
        answer = node.run(node.begun_stream("/demo/k", Endless(size), size))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer.status == 200
    sizes = next(store.sizes for store in stores if store.sizes)
    assert sum(sizes) == size
    assert max(sizes) <= PIECE_SIZE_MAX
    assert peak < 8 * MIB


def test_a_piece_larger_than_may_travel_is_cut(tmp_path: Path) -> None:
    stores: list[Discarding] = []

    def store() -> Discarding:
        stores.append(Discarding())
        return stores[-1]

    with Node(tmp_path, store=store) as node:
        node.request("PUT", "/demo/k", b"x" * (3 * MIB + 5))
    sizes = next(store.sizes for store in stores if store.sizes)
    assert sizes == [MIB, MIB, MIB, 5]


@pytest.mark.parametrize("sent", [10, 3 * MIB])
def test_a_write_that_is_cancelled_leaves_the_old_object_and_gives_its_memory_back(node: Node, sent: int) -> None:
    node.request("PUT", "/demo/k", b"old")

    async def scenario() -> None:
        client = Stalled(b"x" * sent)
        async with asyncio.TaskGroup() as tasks:
            put = tasks.create_task(node.begun_stream("/demo/k", client, 4 * MIB))
            await client.waiting.wait()
            assert node.service.budget.used_bytes > 0
            put.cancel()

    node.run(scenario())
    assert node.service.budget.used_bytes == 0
    assert node.request("GET", "/demo/k").body == b"old"


def test_memory_is_lent_until_the_answer_is_sent(node: Node) -> None:
    node.request("PUT", "/demo/k", b"x" * (3 * MIB))

    async def scenario() -> None:
        answer = await node.begun("GET", "/demo/k", {})
        assert answer.held is not None
        assert node.service.budget.used_bytes > 0
        await answer.held.aclose()
        assert node.service.budget.used_bytes == 0

    node.run(scenario())


def test_uploads_beyond_the_memory_wait_for_others(node: Node) -> None:
    async def scenario() -> list[int]:
        async with asyncio.TaskGroup() as tasks:
            puts = [
                tasks.create_task(
                    node.answered("PUT", f"/demo/k{at}", Body([b"x" * MIB] * 3), {"content-length": str(3 * MIB)})
                )
                for at in range(40)
            ]
        return [put.result().status for put in puts]

    assert node.run(scenario()) == [200] * 40
