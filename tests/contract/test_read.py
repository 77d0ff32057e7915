"""Reading: whole objects and spans, pins, streams that are closed, stalled or overtaken by a write."""

import asyncio
import random
import tracemalloc
from contextlib import AsyncExitStack, suppress

import pytest

from gateway.backends.base import Backend, ListQuery, WriteSpec
from gateway.errors import GatewayError, ObjectMissing, SpanOutside, VersionChanged
from gateway.model import MIB, ContentHeaders, Key, Span, Version
from tests.contract.bodies import get, put
from tests.contract.stores import Store, asynchronous

DATA = random.Random(1).randbytes(3 * MIB + 17)


@pytest.mark.parametrize(
    "span",
    [
        Span(0, len(DATA)),
        Span(5, 6),
        Span(MIB - 1, 2 * MIB + 1),
        Span(MIB, 2 * MIB),
        Span(2 * MIB, len(DATA)),
        Span(len(DATA) - 1, len(DATA)),
        Span(7, len(DATA) + 1),
        Span(0, 10**15),
    ],
)
@asynchronous
async def test_a_span_yields_exactly_its_bytes(store: Store, span: Span) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", DATA)
        assert await get(backend, b"object", span) == DATA[span.start : span.stop]


@asynchronous
async def test_the_whole_object_comes_without_a_span(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", DATA)
        assert await get(backend, b"object") == DATA


@asynchronous
async def test_pieces_are_at_most_one_mebibyte(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", DATA)
        async with backend.read(Key(b"object"), None, None) as reading:
            sizes = [len(piece) async for piece in reading.pieces()]
        assert sum(sizes) == len(DATA)
        assert 0 < min(sizes) <= max(sizes) <= MIB


@asynchronous
async def test_an_empty_object_has_no_bytes(store: Store) -> None:
    async with store.opened() as backend:
        info = await put(backend, b"empty", b"")
        assert info.size == 0
        assert await get(backend, b"empty") == b""


@pytest.mark.parametrize("start", [7, 8, 10**15])
@asynchronous
async def test_a_span_that_starts_at_or_past_the_end_is_outside(store: Store, start: int) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", b"content")
        with pytest.raises(SpanOutside) as failure:
            await get(backend, b"object", Span(start, start + 1))
        assert failure.value.size == 7


@asynchronous
async def test_any_span_of_an_empty_object_is_outside(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"empty", b"")
        with pytest.raises(SpanOutside):
            await get(backend, b"empty", Span(0, 1))


@pytest.mark.parametrize("key", [b"absent", b"absent/deep/down", b"there/below", b"the"])
@asynchronous
async def test_a_missing_object_is_missing_to_stat_and_read(store: Store, key: bytes) -> None:
    async with store.opened() as backend:
        await put(backend, b"there")
        with pytest.raises(ObjectMissing):
            await backend.stat(Key(key))
        with pytest.raises(ObjectMissing):
            await get(backend, key)


@asynchronous
async def test_a_directory_is_no_object(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"folder/object")
        for key in (b"folder", b"folder/"):
            with pytest.raises(ObjectMissing):
                await backend.stat(Key(key))
            with pytest.raises(ObjectMissing):
                await get(backend, key)


@asynchronous
async def test_a_pinned_read_of_the_same_version_holds(store: Store) -> None:
    async with store.opened() as backend:
        info = await put(backend, b"object", DATA)
        assert await get(backend, b"object", Span(9, 99), info.version) == DATA[9:99]


@pytest.mark.parametrize("later", [b"CONTENT", b"longer content"])
@asynchronous
async def test_a_pinned_read_of_an_overwritten_object_hands_out_no_byte(store: Store, later: bytes) -> None:
    async with store.opened() as backend:
        info = await put(backend, b"object", b"content")
        await put(backend, b"object", later)
        with pytest.raises(VersionChanged):
            await get(backend, b"object", None, info.version)
        with pytest.raises(VersionChanged):
            await get(backend, b"object", Span(0, 1), Version(b"never was"))


@asynchronous
async def test_a_stream_overtaken_by_a_write_never_mixes_versions(store: Store) -> None:
    async with store.opened() as backend:
        old, new = b"o" * (4 * MIB), b"n" * (4 * MIB)
        await put(backend, b"object", old)
        received = bytearray()
        failure: GatewayError | None = None
        try:
            async with backend.read(Key(b"object"), None, None) as reading:
                async for piece in reading.pieces():
                    if not received:
                        await put(backend, b"object", new)
                    received += piece
        except GatewayError as error:
            failure = error
        assert set(received) == {ord("o")}
        assert failure is not None or len(received) == len(old)
        assert await get(backend, b"object") == new


@asynchronous
async def test_an_open_stream_survives_the_deletion_or_fails(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", DATA)
        received = bytearray()
        failure: GatewayError | None = None
        try:
            async with backend.read(Key(b"object"), None, None) as reading:
                async for piece in reading.pieces():
                    if not received:
                        await backend.delete(Key(b"object"), None)
                    received += piece
        except GatewayError as error:
            failure = error
        assert received == DATA or (failure is not None and DATA.startswith(received))


@asynchronous
async def test_read_stat_and_list_tell_the_same(store: Store) -> None:
    async with store.opened() as backend:
        content = ContentHeaders("text/plain", cache_control="no-store")
        written = await put(backend, b"object", b"content", WriteSpec(content, (("name", "value"),)))
        async with backend.read(Key(b"object"), Span(1, 3), None) as reading:
            assert reading.info == written
        assert await backend.stat(Key(b"object")) == written
        (entry,) = (await backend.list(ListQuery())).entries
        assert (entry.key, entry.version, entry.size, entry.modified_s, entry.etag) == (
            b"object",
            written.version,
            written.size,
            written.modified_s,
            written.etag,
        )


@asynchronous
async def test_encoded_bytes_arrive_as_they_were_stored(store: Store) -> None:
    async with store.opened() as backend:
        stored = bytes.fromhex("1f8b0800000000000003") + b"not really gzip"
        await put(backend, b"object", stored, WriteSpec(ContentHeaders(content_encoding="gzip")))
        assert await get(backend, b"object") == stored
        assert (await backend.stat(Key(b"object"))).content.content_encoding == "gzip"


@pytest.mark.slow
@asynchronous
async def test_many_readers_hold_little_memory_and_a_stalled_one_stops_nobody(store: Store) -> None:
    data = b"r" * (8 * MIB)
    async with store.opened() as backend, AsyncExitStack() as stalled:
        await put(backend, b"object", data)
        tracemalloc.start()
        try:
            reading = await stalled.enter_async_context(backend.read(Key(b"object"), None, None))
            await anext(reading.pieces())
            async with asyncio.TaskGroup() as readers:
                tasks = [readers.create_task(_count(backend)) for _ in range(63)]
            assert [task.result() for task in tasks] == [len(data)] * 63
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 64 * 2 * MIB


async def _count(backend: Backend) -> int:
    async with backend.read(Key(b"object"), None, None) as reading:
        return sum([len(piece) async for piece in reading.pieces()])


@asynchronous
async def test_streams_closed_early_leave_the_backend_working(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", DATA)
        for _ in range(100):
            async with backend.read(Key(b"object"), None, None) as reading:
                await anext(reading.pieces())
        assert await get(backend, b"object") == DATA


@asynchronous
async def test_a_cancelled_read_leaves_the_backend_working(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", DATA)
        for turns in range(30):
            task = asyncio.get_running_loop().create_task(get(backend, b"object"))
            for _ in range(turns % 6):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        assert await get(backend, b"object") == DATA
