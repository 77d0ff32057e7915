"""What people tell the cache to forget or to ask again, while it works."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from gateway.backends.base import ListQuery
from gateway.cache import Demand
from gateway.cache.misses import MissReason
from gateway.cache.pins import Pinned
from gateway.cache.words import Source
from gateway.errors import ObjectMissing
from gateway.model import MIB, Key, Span
from gateway.store.gate import Mode
from gateway.store.values import Admission, Outcome, Terms
from tests.cache.hurrying import hurrying
from tests.cache.scene import CACHED, KEY, Scene, a_scene
from tests.cache.scripted import At, Step
from tests.contract.bodies import Sent

SIZES = pytest.mark.parametrize("size", [5000, 3 * MIB + 7])
OTHER = Key(b"other")


@SIZES
@hurrying
async def test_what_was_evicted_is_read_at_the_backend_again_and_the_rest_is_not(size: int) -> None:
    async with a_scene() as scene:
        data, other = await scene.has(size), await scene.has(size, OTHER, seed=1)
        await scene.get()
        await scene.get(key=OTHER)
        await scene.rest()
        await scene.cache.evict(scene.mount, KEY)
        sent = scene.backend.sent.total()
        data_again, source, _ = await scene.answer()
        assert (data_again, source) == (data, Source.FILL)
        assert scene.backend.sent.total() == sent + size
        await scene.rest()
        assert (await scene.answer())[1] is Source.HIT
        other_again, source, _ = await scene.answer(key=OTHER)
        assert (other_again, source) == (other, Source.HIT)


@SIZES
@hurrying
async def test_what_was_invalidated_is_asked_for_once_and_not_read_again(size: int) -> None:
    async with a_scene(replace(CACHED, freshness_s=float("inf"))) as scene:
        data = await scene.has(size)
        await scene.get()
        await scene.rest()
        await scene.cache.invalidate(scene.mount, b"")
        sent = scene.backend.sent.total()
        scene.clock.advance(1)
        assert (await scene.answer())[:2] == (data, Source.REVALIDATED)
        assert (await scene.answer())[:2] == (data, Source.HIT)
        assert scene.backend.sent.total() == sent


@hurrying
async def test_a_change_that_nobody_told_of_is_seen_after_an_invalidation() -> None:
    async with a_scene(replace(CACHED, freshness_s=float("inf"))) as scene:
        old = await scene.has(5000)
        await scene.get()
        new = await scene.has(5000, seed=1)
        assert await scene.get() == old
        await scene.cache.invalidate(scene.mount, KEY)
        assert await scene.get() == new


@pytest.mark.parametrize("order", ["evict", "invalidate"])
@pytest.mark.parametrize("step", [Step.STAT, Step.STATTED])
@hurrying
async def test_an_answer_that_was_on_its_way_is_not_what_later_readers_go_by(order: str, step: Step) -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        await scene.has(5000)
        gate = Gate(step)
        scene.backend.script = gate
        asking = tasks.create_task(scene.cache.head(scene.mount, KEY, Demand.NORMAL, complete=False))
        await gate.reached.wait()
        await ordered(scene, order)
        new = await scene.has(6000, seed=1)
        reading = tasks.create_task(scene.answer())
        gate.opened.set()
        await asking
        assert (await reading)[:2] == (new, Source.FILL)
        assert (await scene.answer())[0] == new


@pytest.mark.parametrize("order", ["evict", "invalidate"])
@SIZES
@hurrying
async def test_a_first_read_that_was_on_its_way_is_not_what_later_readers_go_by(order: str, size: int) -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        old = await scene.has(size)
        gate = Gate(Step.PIECE)
        scene.backend.script = gate
        first = tasks.create_task(scene.answer())
        await gate.reached.wait()
        await ordered(scene, order)
        new = await scene.has(size, seed=1)
        second = tasks.create_task(scene.answer())
        gate.opened.set()
        assert (await first)[0] in (old, new), "who began before may see either, whole"
        assert (await second)[0] == new
        await scene.rest()
        assert (await scene.answer())[0] == new


@hurrying
async def test_an_object_that_was_missing_is_asked_for_after_an_invalidation() -> None:
    async with a_scene() as scene:
        with pytest.raises(ObjectMissing):
            await scene.get()
        data = await scene.has(5000)
        with pytest.raises(ObjectMissing):
            await scene.get()
        await scene.cache.invalidate(scene.mount, b"")
        assert await scene.get() == data


@hurrying
async def test_a_draft_of_before_fills_nothing_after_an_eviction() -> None:
    async with a_scene() as scene:
        data = b"x" * (2 * MIB)
        await scene.put(data)
        await scene.rest()
        assert (await scene.answer())[1] is Source.HIT
        await scene.cache.evict(scene.mount, b"")
        assert (await scene.answer())[:2] == (data, Source.FILL)


@hurrying
async def test_a_write_during_an_eviction_is_what_is_read_after_it() -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        gate = Gate(Step.WRITE)
        scene.backend.script = gate
        writing = tasks.create_task(scene.put(b"new"))
        await gate.reached.wait()
        await scene.cache.evict(scene.mount, b"")
        gate.opened.set()
        await writing
        assert await scene.get() == b"new"


@hurrying
async def test_listings_of_before_confirm_nothing_after_an_invalidation() -> None:
    async with a_scene(replace(CACHED, freshness_s=float("inf"))) as scene, asyncio.TaskGroup() as tasks:
        old = await scene.has(5000)
        assert await scene.get() == old
        scene.clock.advance(10)
        gate = Gate(Step.LISTED)
        scene.backend.script = gate
        listing = tasks.create_task(scene.cache.list(scene.mount, ListQuery()))
        await gate.reached.wait()
        await scene.cache.invalidate(scene.mount, b"")
        new = await scene.has(5000, seed=1)
        gate.opened.set()
        await listing
        assert await scene.get(Span(0, 10)) == new[:10]


class Gate:
    """Holds the first call that comes to a step, until it is opened."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def __call__(self, at: At) -> None:
        if at.step is self.step and not self.reached.is_set():
            self.reached.set()
            await self.opened.wait()


async def ordered(scene: Scene, order: str) -> None:
    if order == "evict":
        await scene.cache.evict(scene.mount, b"")
    else:
        await scene.cache.invalidate(scene.mount, b"")


@hurrying
async def test_a_bucket_made_anew_knows_nothing_of_the_one_before() -> None:
    async with a_scene(replace(CACHED, freshness_s=float("inf"))) as scene:
        await scene.has(5000)
        await scene.get()
        await scene.cache.forget_bucket(scene.mount)
        await scene.backend.delete_behind(KEY)
        with pytest.raises(ObjectMissing):
            await scene.get()


@SIZES
@hurrying
async def test_bytes_live_as_long_as_their_mount_says_and_no_longer(size: int) -> None:
    async with a_scene(replace(CACHED, freshness_s=float("inf"), terms=Terms(life_s=60))) as scene:
        data = await scene.has(size)
        await scene.get()
        await scene.rest()
        scene.clock.advance(59)
        assert (await scene.answer())[:2] == (data, Source.HIT)
        scene.clock.advance(1)
        assert (await scene.answer())[:2] == (data, Source.FILL)
        await scene.rest()
        assert (await scene.answer())[:2] == (data, Source.HIT)


@SIZES
@hurrying
async def test_what_was_written_here_lives_as_long_as_its_mount_says(size: int) -> None:
    async with a_scene(replace(CACHED, freshness_s=float("inf"), terms=Terms(life_s=60))) as scene:
        data = b"x" * size
        await scene.put(data)
        await scene.rest()
        scene.clock.advance(59)
        assert (await scene.answer())[:2] == (data, Source.HIT)
        scene.clock.advance(62)
        assert (await scene.answer())[:2] == (data, Source.FILL)


@hurrying
async def test_a_pin_outlives_the_life_that_the_mount_gives() -> None:
    async with a_scene(replace(CACHED, freshness_s=float("inf"), terms=Terms(life_s=60))) as scene:
        data = await scene.has(3 * MIB)
        await scene.get()
        await scene.rest()
        assert await scene.cache.pin(scene.mount, KEY, 0) == Pinned(blocks=3, done=3)
        scene.clock.advance(1000)
        assert (await scene.answer())[:2] == (data, Source.HIT)
        assert await scene.cache.unpin(scene.mount, KEY) == Pinned(blocks=3, done=3)
        await scene.rest()
        found = [source for _, source, _ in [await scene.answer(), await scene.answer()]]
        assert found[-1] is Source.HIT


@hurrying
async def test_an_object_too_large_for_the_store_is_told_as_such() -> None:
    async with a_scene() as scene:
        await scene.has(3 * MIB)
        scene.cache.store._sizes = replace(scene.cache.store._sizes, object_max=2 * MIB)
        await scene.get()
        await scene.rest()
        told = await scene.cache.explain(scene.mount, KEY)
        assert told.last_refusal is not None
        assert told.last_refusal.outcome is Outcome.TOO_LARGE
        assert (told.blocks, told.runs) == (3, ())
        await scene.get()
        await scene.rest()
        told = await scene.cache.explain(scene.mount, KEY)
        assert told.last_miss is not None
        assert told.last_miss.reason is MissReason.NOT_KEPT


@hurrying
async def test_a_gate_that_holds_what_is_here_is_told_as_the_reason() -> None:
    terms = Terms(Admission.HOLD)
    async with a_scene(replace(CACHED, terms=terms), capacity_bytes=24 * MIB) as scene:
        reasons: set[Outcome] = set()
        for number in range(60):
            key = Key(b"k%d" % number)
            await scene.has(MIB, key, seed=number)
            await scene.get(key=key)
            await scene.rest()
            refusal = (await scene.cache.explain(scene.mount, key)).last_refusal
            reasons |= set() if refusal is None else {refusal.outcome}
        assert Outcome.NOT_ADMITTED in reasons


@hurrying
async def test_an_explanation_tells_all_blocks_once_and_joins_those_that_are_alike() -> None:
    async with a_scene() as scene:
        blocks = 70
        await scene.has(blocks * MIB)
        await scene.get()
        await scene.rest()
        runs = (await scene.cache.explain(scene.mount, KEY)).runs
        assert [number for run in runs for number in range(run.first, run.stop)] == list(range(blocks))
        assert all(
            earlier.where.segment != later.where.segment or earlier.where.hits != later.where.hits
            for earlier, later in itertools.pairwise(runs)
        )


@hurrying
async def test_an_explanation_never_joins_blocks_of_two_disks() -> None:
    around_64 = Span(63 * MIB, 65 * MIB)
    async with a_scene(disks=2) as scene:
        data = await scene.has(65 * MIB)
        # Which disk has the first 64 blocks and which the next is drawn for each object.
        for number in range(20):
            key = Key(b"k%d" % number)
            await scene.backend.put_behind(key, Sent(data))
            await scene.get(around_64, key)
            await scene.rest()
            told = await scene.cache.explain(scene.mount, key)
            assert {gating.disk for gating in told.gatings} == {0, 1}
            disk_of = {block: run.disk for run in told.runs for block in range(run.first, run.stop)}
            if disk_of[63] != disk_of[64]:
                return
        raise AssertionError("no object has blocks on both disks")


@hurrying
async def test_an_explanation_tells_what_the_gate_does_for_this_mount() -> None:
    async with a_scene(replace(CACHED, terms=Terms(Admission.HOLD))) as scene:
        [gating] = (await scene.cache.explain(scene.mount, KEY)).gatings
        assert (gating.mode, gating.is_full) == (Mode.HOLD, False)
        scene.with_policy(replace(CACHED, is_cached=False))
        assert not (await scene.cache.explain(scene.mount, KEY)).gatings


@hurrying
async def test_a_read_after_an_eviction_does_not_count_as_the_first() -> None:
    async with a_scene() as scene:
        await scene.has(5000)
        for reason in (MissReason.NEVER_SEEN, MissReason.GONE):
            await scene.get()
            await scene.rest()
            miss = (await scene.cache.explain(scene.mount, KEY)).last_miss
            assert miss is not None
            assert miss.reason is reason
            await scene.cache.evict(scene.mount, KEY)
