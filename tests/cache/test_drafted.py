"""What is written here is read back without the backend, as far as it was kept."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from gateway.backends.base import Completion, Part, WriteSpec
from gateway.cache import Demand
from gateway.errors import BackendUnavailable
from gateway.model import BLOCK_SIZE, MIB, Info, Span
from tests.cache.hurrying import hurrying
from tests.cache.scene import KEY, Scene, a_scene, content, ticks
from tests.cache.scripted import At, Step
from tests.contract.bodies import Broken, Sent

PART = 5 * MIB


async def upload(scene: Scene, bodies: Sequence[tuple[int, bytes]], named: Sequence[int]) -> Info:
    """Sends parts in this order, of which the last under a number counts, and completes with those named."""
    upload = await scene.backend.begin_upload(KEY, WriteSpec())
    parts: dict[int, Part] = {}
    for number, data in bodies:
        parts[number] = await scene.cache.write_part(scene.mount, upload, number, Sent(data))
    chosen = [parts[number] for number in named]
    sizes = {part.number: part.size for part in chosen}
    return await scene.cache.complete_upload(scene.mount, upload, chosen, Completion(), sizes)


@pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE, BLOCK_SIZE + 1, 5 * MIB + 7])
@hurrying
async def test_a_put_is_read_back_without_the_backend(size: int) -> None:
    async with a_scene() as scene:
        data = content(size)
        await scene.put(data)
        calls = scene.backend.calls.copy()
        assert await scene.get() == data
        assert (await scene.cache.head(scene.mount, KEY, Demand.NORMAL, complete=True)).info.size == size
        assert scene.backend.calls == calls


@pytest.mark.parametrize("seed", range(4))
@hurrying
async def test_an_upload_in_parts_of_any_size_sent_in_any_order_is_read_back_without_the_backend(seed: int) -> None:
    dice = random.Random(seed)
    async with a_scene() as scene:
        numbers = sorted(dice.sample(range(1, 100), 4))
        bodies = [(n, content(PART + dice.randrange(2 * MIB), seed=n)) for n in numbers]
        bodies[-1] = (numbers[-1], content(dice.choice((1, MIB, 2 * MIB + 1))))
        repeated = [(n, content(PART + dice.randrange(MIB), seed=n + 1000)) for n in numbers[:2]]
        dice.shuffle(sent := [*repeated, *bodies])
        latest = dict(sent)
        named = numbers if dice.random() < 0.5 else [numbers[0], numbers[2], numbers[3]]
        await upload(scene, sent, named)
        whole = b"".join(latest[number] for number in named)
        assert await scene.get(Span(PART - 5, PART + MIB)) == whole[PART - 5 : PART + MIB]
        assert await scene.get() == whole
        assert not scene.backend.calls[Step.READ]


@hurrying
async def test_an_upload_that_ends_small_is_read_back_without_the_backend() -> None:
    async with a_scene() as scene:
        data = content(BLOCK_SIZE // 2)
        await upload(scene, [(1, data)], [1])
        assert await scene.get() == data
        assert not scene.backend.calls[Step.READ]


@hurrying
async def test_lost_pieces_of_a_draft_are_read_at_the_backend_in_few_reads() -> None:
    async with a_scene() as scene:
        data = content(32 * MIB)
        refused_from = 3

        def fails(step: str, _number: int) -> int | None:
            return 5 if step in ("write", "create") and scene.files.operations > refused_from else None

        scene.files.fails = fails
        await scene.put(data)
        scene.files.fails = lambda _step, _number: None
        scene.clock.advance(60)
        assert await scene.get() == data
        assert not scene.backend.sent_twice()
        assert scene.backend.calls[Step.READ] <= 6


@pytest.mark.parametrize("size", [5000, 3 * MIB])
@pytest.mark.parametrize("steps", [*range(0, 24, 2), 40, 80])
@hurrying
async def test_a_write_cancelled_at_any_await_leaves_the_old_or_the_new(size: int, steps: int) -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        old, new = content(size), content(size, seed=1)
        await scene.put(old)
        writing = tasks.create_task(scene.put(new))
        await ticks(steps)
        writing.cancel()
        await asyncio.wait([writing])
        current = scene.backend.history[KEY][-1]
        assert current is not None
        assert await scene.get() == scene.backend.contents[current]


@hurrying
async def test_a_body_or_a_backend_that_fails_in_the_middle_leaves_no_memory_lent() -> None:
    async with a_scene() as scene:
        old = content(4 * MIB)
        await scene.put(old)

        async def fails(at: At) -> None:
            if at.step is Step.WRITTEN:
                raise BackendUnavailable

        with pytest.raises(Exception, match="number of bytes"):
            await scene.cache.write(scene.mount, KEY, Broken(content(4 * MIB, seed=1), good=2), WriteSpec())
        await scene.rest()
        calls = scene.backend.calls.copy()
        assert await scene.get() == old
        assert scene.backend.calls == calls
        scene.backend.script = fails
        with pytest.raises(BackendUnavailable):
            await scene.put(content(4 * MIB, seed=2))


@hurrying
async def test_a_backend_that_breaks_off_in_the_middle_of_a_body_leaves_no_memory_lent() -> None:
    async with a_scene() as scene:

        class BreaksOff(Sent):
            """Nobody takes more than the first piece of it."""

        body = BreaksOff(content(4 * MIB))
        drafted = scene.cache._writes._drafted(scene.mount, KEY, body, b"0" * 16)
        async for _ in drafted.pieces():
            break


@hurrying
async def test_blocks_filled_ahead_count_as_read_also_when_they_are_read_on_their_way() -> None:
    async with a_scene() as scene:
        data = await scene.has(32 * MIB)

        async def slowly(_at: At) -> None:
            await ticks(20)

        scene.backend.script = slowly
        assert await scene.get(Span(0, 2 * MIB)) == data[: 2 * MIB]
        assert await scene.get(Span(2 * MIB, 32 * MIB)) == data[2 * MIB :]
        assert not scene.cache._places.prefetched._unread
