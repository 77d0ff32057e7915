"""Many readers of one object: one backend read of each byte, bounded memory, nobody hurt by who leaves or stalls."""

import asyncio
import random
from errno import EIO

import pytest

from gateway.cache import Demand, Want
from gateway.errors import BackendUnavailable
from gateway.model import BLOCK_SIZE, MIB, Span
from gateway.mounts.mount import CachePolicy
from tests.cache.hurrying import hurried, hurrying
from tests.cache.scene import CACHED, KEY, Scene, a_scene, ticks
from tests.cache.scripted import At, Step

UNPREDICTING = CachePolicy(is_cached=True, reads_ahead=False)


def refuse_all(scene: Scene) -> None:
    scene.files.fails = lambda step, _number: EIO if step in ("write", "create") else None


async def reader(scene: Scene, dice: random.Random, data: bytes) -> None:
    await ticks(dice.choice((0, 0, 3, 30, 200)))
    kind = dice.random()
    if kind < 0.2:
        await scene.cache.head(scene.mount, KEY, Demand.NORMAL, complete=False)
    elif kind < 0.4:
        assert await scene.get() == data
    else:
        start = dice.randrange(len(data))
        span = Span(start, min(len(data), start + dice.choice((1, 5000, MIB, 5 * MIB))))
        assert (await scene.answer(Want(span, info_first=dice.random() < 0.2)))[0] == data[span.start : span.stop]


async def play_herd(seed: int) -> None:
    dice = random.Random(seed)
    async with a_scene(CACHED if dice.random() < 0.5 else UNPREDICTING) as scene:
        data = await scene.has(dice.choice((1, MIB, 5 * MIB + 3, 20 * MIB - 1)))

        async def script(at: At) -> None:
            await ticks(dice.choice((0, 0, 1, 5)))

        scene.backend.script = script
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(reader(scene, dice, data))
        assert not scene.backend.sent_twice()
        await scene.rest()
        calls = scene.backend.calls.copy()
        assert await scene.get(Span(0, 1)) == data[:1]
        assert scene.backend.calls == calls


@pytest.mark.parametrize("seed", range(12))
def test_readers_in_any_order_cost_one_backend_read_of_each_byte(seed: int) -> None:
    hurried(lambda: play_herd(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 200))
def test_readers_in_any_order_cost_one_backend_read_of_each_byte_for_long(seed: int) -> None:
    hurried(lambda: play_herd(seed))


@pytest.mark.parametrize("is_refusing", [False, True])
@pytest.mark.parametrize("readers", [1, 4])
@hurrying
async def test_two_mib_of_memory_serve_large_objects(readers: int, is_refusing: bool) -> None:
    async with a_scene(memory_bytes=2 * MIB) as scene:
        data = await scene.has(40 * MIB)
        if is_refusing:
            refuse_all(scene)
        most = 0

        async def script(_at: At) -> None:
            nonlocal most
            most = max(most, scene.cache.memory.used_bytes)

        scene.backend.script = script
        starts = [number * 10 * MIB for number in range(readers)]
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(scene.get(Span(start, 40 * MIB))) for start in starts]
        assert [read.result() == data[start:] for read, start in zip(reads, starts, strict=True)] == [True] * readers
        assert 0 < most <= 2 * MIB
        if readers == 1 and not is_refusing:
            assert not scene.backend.sent_twice()


@hurrying
async def test_many_objects_at_once_share_two_mib() -> None:
    async with a_scene(memory_bytes=2 * MIB) as scene:
        keys = [KEY + b"%d" % number for number in range(6)]
        bodies = [await scene.has(6 * MIB, key=type(KEY)(key), seed=at) for at, key in enumerate(keys)]
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(scene.get(key=type(KEY)(key))) for key in keys]
        assert [read.result() for read in reads] == bodies


@hurrying
async def test_a_store_that_refuses_everything_costs_few_bytes_more() -> None:
    async with a_scene(memory_bytes=8 * MIB) as scene:
        refuse_all(scene)
        data = await scene.has(64 * MIB)
        await scene.cache.head(scene.mount, KEY, Demand.NORMAL, complete=False)
        scene.backend.calls.clear()
        assert await scene.get() == data
        assert scene.backend.bytes_sent <= 1.25 * len(data)
        assert scene.backend.calls[Step.READ] <= 16


@hurrying
async def test_who_rides_along_with_a_far_range_does_not_drive_a_fill_that_its_reader_left() -> None:
    async with a_scene(UNPREDICTING) as scene, asyncio.TaskGroup() as tasks:
        await scene.has(100 * MIB)
        opened = asyncio.Event()

        async def script(at: At) -> None:
            await ticks(1)
            if at.step is Step.OPENED:
                await opened.wait()

        scene.backend.script = script
        whole = tasks.create_task(scene.get())
        await ticks(5)
        async with scene.opened_while(opened, Want(Span(95 * MIB, 99 * MIB))) as view:
            pieces = view.pieces(Span(95 * MIB, 99 * MIB), whole=False)
            await anext(pieces)
            whole.cancel()
            await asyncio.sleep(60)
            assert scene.backend.bytes_sent <= 12 * MIB


@hurrying
async def test_a_reader_that_leaves_ends_its_fill_soon() -> None:
    async with a_scene(UNPREDICTING) as scene:
        await scene.has(100 * MIB)
        async with scene.opened() as view:
            await anext(view.pieces(Span(0, 100 * MIB), whole=True))
        await scene.rest()
        assert scene.backend.bytes_sent <= 3 * MIB


@hurrying
async def test_a_reader_that_stands_still_keeps_neither_a_connection_nor_much_memory() -> None:
    for is_refusing in (False, True):
        async with a_scene(UNPREDICTING) as scene:
            data = await scene.has(100 * MIB)
            if is_refusing:
                refuse_all(scene)
            async with scene.opened() as view:
                pieces = view.pieces(Span(0, 100 * MIB), whole=True)
                read = bytearray(await anext(pieces))
                await asyncio.sleep(60)
                assert scene.backend.open_reads == 0
                assert scene.cache.memory.used_bytes <= 10 * MIB
                async for piece in pieces:
                    read += piece
            assert read == data


@hurrying
async def test_a_fill_ahead_that_fails_is_read_again_by_who_wants_it() -> None:
    async with a_scene() as scene:
        data = await scene.has(64 * MIB)
        await scene.get(Span(0, 1))
        failing = True

        async def script(at: At) -> None:
            if failing and at.step is Step.PIECE and at.offset > 20 * MIB:
                raise BackendUnavailable

        scene.backend.script = script
        assert await scene.get(Span(0, 2 * MIB)) == data[: 2 * MIB]
        await ticks(3)
        reading = scene.get(Span(20 * MIB, 30 * MIB))
        await scene.rest()
        failing = False
        assert await reading == data[20 * MIB : 30 * MIB]


@hurrying
async def test_who_waits_for_a_fill_ahead_when_it_fails_fetches_for_itself() -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        data = await scene.has(64 * MIB)
        reached, go, failed = asyncio.Event(), asyncio.Event(), False

        async def script(at: At) -> None:
            nonlocal failed
            if at.step is Step.PIECE and at.offset == 10 * MIB and not failed:
                reached.set()
                await go.wait()
                failed = True
                raise BackendUnavailable

        scene.backend.script = script
        await scene.get(Span(0, 2 * MIB))
        await reached.wait()
        reading = tasks.create_task(scene.get(Span(10 * MIB, 11 * MIB)))
        await ticks(20)
        go.set()
        assert await reading == data[10 * MIB : 11 * MIB]


@hurrying
async def test_serial_ranges_of_a_64_mib_object_wait_for_the_backend_once() -> None:
    async with a_scene() as scene:
        data = await scene.has(64 * MIB)
        for start in range(0, 64 * MIB, 8 * MIB):
            bytes_read, word, _ = await scene.answer(Want(Span(start, start + 8 * MIB)))
            assert bytes_read == data[start : start + 8 * MIB]
            assert (word.value == "fill") == (start == 0)
            await scene.rest()
        assert not scene.backend.sent_twice()


@hurrying
async def test_a_random_range_of_one_mib_fills_at_most_two_blocks() -> None:
    async with a_scene() as scene:
        await scene.has(100 * MIB)
        await scene.get(Span(50 * MIB + 5, 51 * MIB + 5))
        await scene.rest()
        assert scene.backend.bytes_sent == 2 * BLOCK_SIZE


@pytest.mark.parametrize("steps", [*range(40), 60, 90, 150])
@hurrying
async def test_a_reader_cancelled_at_any_await_leaves_nothing_behind(steps: int) -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        data = await scene.has(3 * MIB)
        leaver = tasks.create_task(scene.get())
        stayer = tasks.create_task(scene.get(Span(MIB, 2 * MIB)))
        await ticks(steps)
        leaver.cancel()
        assert await stayer == data[MIB : 2 * MIB]
        await scene.rest()
        assert await scene.get() == data
        assert not scene.backend.sent_twice()
