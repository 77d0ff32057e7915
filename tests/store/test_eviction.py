"""What an eviction keeps of a segment, what it spares whole, and what becomes of both when something fails."""

import asyncio
import errno
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.kv import KvFailed
from gateway.store.entries import State
from gateway.store.gate import Gate, Mode
from gateway.store.segments import Kind
from gateway.store.shard import Shard
from gateway.store.table import Segment
from gateway.store.upkeep import MEASURE_EVERY_S
from gateway.store.values import Admission, Outcome, Terms
from tests.contract.stores import asynchronous
from tests.store.lives import PER_SEGMENT, SIZE, is_there, keep, keep_all, place, there, where
from tests.store.small import BUCKET, GEOMETRY, SEGMENT_SIZE, SEGMENTS, Small, body, info_of

CHURN = Terms(admission=Admission.CHURN)
LARGE = replace(GEOMETRY, capacity_bytes=3 * SEGMENTS * SEGMENT_SIZE)


def only(small: Small) -> Shard:
    [shard] = small.store.shards
    return shard


def segment_of(small: Small, key: str) -> Segment:
    segment = only(small).table.get(where(small, key).segment)
    assert segment is not None
    return segment


async def full(small: Small) -> None:
    """Kept so much that segments are evicted, and nothing of it was read."""
    await keep_all(small, "first", 4 * SEGMENTS * PER_SEGMENT, CHURN)
    await small.rest()


@asynchronous
async def test_what_was_read_outlives_what_was_not(tmp_path: Path) -> None:
    async with Small(tmp_path, geometry=LARGE) as small:
        keys = await keep_all(small, "k", 2 * PER_SEGMENT)
        hot = keys[::4]
        assert await there(small, hot) == hot
        await keep_all(small, "cold", 3 * SEGMENTS * PER_SEGMENT, CHURN)
        await small.rest()
        assert [key for key in keys if place(small, key) is not None] == hot
        assert {where(small, key).log for key in hot} == {Kind.MAIN}
        assert {where(small, key).hits for key in hot} == {0}
        assert await there(small, hot) == hot
        usage = small.store.usage()
        assert usage.moved_bytes_total == len(hot) * SIZE
        assert sum(usage.pools.values()) == usage.live_bytes


@asynchronous
async def test_what_is_moved_keeps_its_number_and_is_moved_once_for_each_hit(tmp_path: Path) -> None:
    async with Small(tmp_path, geometry=LARGE) as small:
        await keep_all(small, "k", PER_SEGMENT)
        assert await there(small, ["k1", "k1", "k1"]) == ["k1"] * 3
        await full(small)
        assert where(small, "k1").log is Kind.MAIN
        before = where(small, "k1")
        assert await there(small, ["k1"] * 2) == ["k1"] * 2
        assert await only(small).eviction.evict(await sealed(small, "k1"))
        after = where(small, "k1")
        assert (after.segment != before.segment, after.log, after.hits) == (True, Kind.MAIN, 1)
        assert await is_there(small, "k1")


async def sealed(small: Small, key: str) -> Segment:
    """The segment of a block, with nothing more to be written to it."""
    shard = only(small)
    await shard.writer.drain()
    await small.rest()
    return segment_of(small, key)


@asynchronous
async def test_a_segment_whose_blocks_are_nearly_all_read_is_spared_and_not_copied(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        hot = await keep_all(small, "hot", PER_SEGMENT)
        segment = await sealed(small, hot[0])
        for _ in range(2):
            assert await there(small, hot) == hot
        position = segment.entry.log_position
        assert await only(small).eviction.treat(segment)
        assert (segment.entry.kind, segment.entry.state) == (Kind.MAIN, State.SYNCED)
        assert segment.entry.log_position > position
        assert small.store.usage().moved_bytes_total == 0
        assert {(where(small, key).segment, where(small, key).hits) for key in hot} == {(segment.id, 1)}


@asynchronous
async def test_what_was_let_go_and_comes_back_is_written_to_main(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await full(small)
        gone = "first100"
        while place(small, gone) is not None:
            await keep(small, f"more{small.files.operations}", CHURN)
        assert await keep(small, gone, CHURN)
        assert where(small, gone).log is Kind.MAIN
        assert await keep(small, "never seen", CHURN)
        assert where(small, "never seen").log is Kind.SMALL


@asynchronous
async def test_drafts_lie_in_small_and_their_reads_keep_none_of_them(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        draft = small.store.draft(BUCKET, small.content("d", 1, 1).key, bytes(16))
        for number in range(PER_SEGMENT):
            assert await small.store.keep(draft, number, body("d", 1, number, SIZE))
        for number in range(PER_SEGMENT):
            assert await small.read(draft, number) == body("d", 1, number, SIZE)
        await full(small)
        assert small.store.places(draft, 0, PER_SEGMENT) == [None] * PER_SEGMENT
        assert small.store.usage().moved_bytes_total == 0


@asynchronous
async def test_what_has_expired_is_neither_found_nor_moved(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        assert await keep(small, "short", Terms(life_s=60))
        assert await keep(small, "long", Terms(life_s=6000))
        assert where(small, "short").expires_s == small.clock.now_s() + 60
        assert await there(small, ["short", "long"]) == ["short", "long"]
        small.clock.advance(60)
        assert not await is_there(small, "short")
        assert await is_there(small, "long")
        assert small.store.known(BUCKET, small.content("short", 1, SIZE).key) is not None, "its info is still known"
        segment = await sealed(small, "long")
        assert await only(small).eviction.evict(segment)
        assert where(small, "long").expires_s == small.clock.now_s() + 5940
        assert small.store.usage().moved_bytes_total == SIZE


@asynchronous
async def test_a_block_is_readable_at_every_moment_of_its_move(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await keep_all(small, "k", PER_SEGMENT)
        assert await there(small, ["k0", "k2", "k2"])
        segment = await sealed(small, "k0")
        async with asyncio.TaskGroup() as tasks:
            evicting = tasks.create_task(only(small).eviction.evict(segment))
            rounds = 0
            while not evicting.done():
                assert await there(small, ["k0", "k2"]) == ["k0", "k2"]
                rounds += 1
        assert evicting.result()
        assert rounds > 2
        assert where(small, "k0").segment != segment.id
        assert [key for key in ("k1", "k3", "k4") if place(small, key) is not None] == []


@asynchronous
async def test_a_full_store_has_room_for_what_it_moves_and_never_takes_more_than_it_may(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        hot: list[str] = []
        for number in range(60 * PER_SEGMENT):
            assert await keep(small, f"k{number}", CHURN) in (Outcome.KEPT, Outcome.NO_ROOM)
            if number % 3 == 0:
                hot = [*hot[-6:], f"k{number}"]
            await there(small, hot)
            assert small.store.usage().used_bytes <= small.store.usage().capacity_bytes
        await small.rest()
        assert len(await there(small, hot)) >= 5
        assert small.files.most_bytes <= SEGMENTS * SEGMENT_SIZE + 64 * 1024
        assert small.store.usage().moved_bytes_total > 0


@pytest.mark.parametrize("stalls", range(1, 6))
@asynchronous
async def test_an_index_that_stalls_during_an_eviction_loses_nothing_and_the_next_one_ends_it(
    tmp_path: Path, stalls: int
) -> None:
    async with Small(tmp_path) as small:
        keys = await keep_all(small, "k", PER_SEGMENT)
        assert await there(small, ["k0", "k3"])
        segment = await sealed(small, "k0")
        [kv] = small.maps_open
        kv.stalls = stalls
        await only(small).eviction.evict(segment)
        kv.stalls = 0
        assert await there(small, ["k0", "k3"]) == ["k0", "k3"]
        if segment.doomed:
            return
        assert segment.entry.state in (State.SEALED, State.SYNCED)
        assert await only(small).eviction.evict(segment)
        assert await there(small, ["k0", "k3"]) == ["k0", "k3"]
        assert len([key for key in keys if place(small, key) is not None]) == 2


@asynchronous
async def test_a_disk_without_room_for_what_is_moved_loses_nothing(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        keys = await keep_all(small, "k", PER_SEGMENT)
        assert await there(small, ["k0", "k3"])
        segment = await sealed(small, "k0")
        small.files.fails = lambda step, _number: errno.ENOSPC if step == "write" else None
        assert not await only(small).eviction.evict(segment)
        small.files.fails = lambda _step, _number: None
        assert [key for key in keys if place(small, key) is not None] == keys
        assert await only(small).eviction.evict(segment)
        assert await there(small, ["k0", "k3"]) == ["k0", "k3"]


@pytest.mark.parametrize("operation", range(1, 9))
@asynchronous
async def test_a_kill_during_an_eviction_leaves_every_hot_block_once(tmp_path: Path, operation: int) -> None:
    small = Small(tmp_path)
    await small.open()
    await keep_all(small, "k", PER_SEGMENT)
    assert await there(small, ["k0", "k3"])
    segment = await sealed(small, "k0")
    at, [kv] = small.files.operations + operation, small.maps_open

    def fails(_step: str, number: int) -> int | None:
        if number < at:
            return None
        kv.failing, small.files.dead = KvFailed("killed"), True
        return errno.EIO

    small.files.fails = fails
    await only(small).eviction.evict(segment)
    small.files.fails = lambda _step, _number: None
    await small.kill()
    async with small:
        assert await there(small, ["k0", "k3"]) == ["k0", "k3"]
        await small.rest()
        assert small.files.segment_bytes == small.store.usage().segments * SEGMENT_SIZE, "no orphans"
        assert await only(small).eviction.evict(await sealed(small, "k0"))
        assert await there(small, ["k0", "k3"]) == ["k0", "k3"]


@asynchronous
async def test_a_damaged_block_is_not_moved_and_is_counted(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await keep_all(small, "k", PER_SEGMENT)
        assert await there(small, ["k0", "k3"])
        segment, bad = await sealed(small, "k0"), place(small, "k3")
        assert bad is not None
        content = bytearray(segment.path.read_bytes())
        content[bad.data_offset + 5] ^= 1
        segment.path.write_bytes(content)
        assert await only(small).eviction.evict(segment)
        assert await is_there(small, "k0")
        assert not await is_there(small, "k3")
        assert small.store.usage().damaged_total == 1


@asynchronous
async def test_a_newer_version_that_comes_during_an_eviction_is_not_undone(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await keep_all(small, "k", PER_SEGMENT)
        assert await there(small, ["k0", "k3"])
        segment = await sealed(small, "k0")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(only(small).eviction.evict(segment))
            await asyncio.sleep(0)
            await small.store.forget(BUCKET, small.content("k0", 1, SIZE).key)
            tasks.create_task(small.keep("k3", 2, SIZE))
        assert place(small, "k0") is None
        assert small.store.known(BUCKET, small.content("k3", 1, SIZE).key) == small.known("k3", 2, SIZE)
        assert await small.read(small.content("k3", 2, SIZE)) == body("k3", 2, 0, SIZE)
        assert info_of("k3", 1, SIZE) != info_of("k3", 2, SIZE)


@asynchronous
async def test_a_mount_that_holds_fills_the_store_and_then_leaves_it_as_it_is(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        hold, count = Terms(admission=Admission.HOLD), 6 * SEGMENTS * PER_SEGMENT
        outcomes = [await keep(small, f"k{number}", hold) for number in range(count)]
        assert all(outcomes[: 2 * PER_SEGMENT])
        refused = outcomes.count(Outcome.NOT_ADMITTED)
        assert refused > count / 2
        assert small.store.usage().refused_total == refused
        assert await keep(small, "of another mount", CHURN)


@asynchronous
async def test_a_store_that_holds_what_it_has_takes_more_when_it_may_hold_more(tmp_path: Path) -> None:
    async with Small(tmp_path, geometry=LARGE) as small:
        await full(small)
        shard, hold = only(small), Terms(admission=Admission.HOLD)
        free, small.files.free = small.files.free, 0
        small.clock.advance(MEASURE_EVERY_S)
        await small.rest()
        while small.store.usage().segments > SEGMENTS:
            small.clock.advance(MEASURE_EVERY_S)
            await small.rest()
        assert shard.ground.policy.gate.is_full
        small.files.free = free
        small.clock.advance(MEASURE_EVERY_S)
        await small.rest()
        outcomes = [await keep(small, f"k{number}", hold) for number in range(SEGMENTS * PER_SEGMENT)]
        assert all(outcomes)
        for number in range(4 * SEGMENTS * PER_SEGMENT):
            await keep(small, f"more{number}", hold)
            small.clock.advance(MEASURE_EVERY_S / 100)
        await small.rest()
        assert shard.ground.policy.gate.is_full
        assert small.store.usage().refused_total > SEGMENTS * PER_SEGMENT


@asynchronous
async def test_the_mode_of_the_gate_outlives_a_stop(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        await keep(small, "k")
        only(small).ground.policy.gate.mode = Mode.HOLD
    async with small:
        assert only(small).ground.policy.gate.mode is Mode.HOLD


@asynchronous
async def test_only_reads_of_automatic_mounts_are_told_to_the_gate(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        told: list[tuple[int, bool]] = []
        gate = only(small).ground.policy.gate
        only(small).table.gate = Counting(gate, told)
        assert await keep(small, "auto")
        assert await keep(small, "churn", CHURN)
        for key in ("auto", "churn"):
            assert await is_there(small, key)
            found = place(small, key)
            assert found is not None
            assert small.store.read_now(found, 0, 10) is not None
        assert told == [(SIZE, True)] * 2


class Counting(Gate):
    """A gate that writes down what it is told."""

    def __init__(self, gate: Gate, told: list[tuple[int, bool]]) -> None:
        super().__init__(1, gate.mode)
        self._told = told

    def read(self, h: int, size: int, *, hit: bool) -> None:
        self._told.append((size, hit))
        super().read(h, size, hit=hit)


@asynchronous
async def test_pieces_of_one_object_are_told_apart_by_ghost_and_gate(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        large = small.store.content(BUCKET, small.content("l", 1, 1).key, info_of("l", 1, 100).version, 1 << 30)
        for number in range(4):
            assert await small.store.keep(large, number, body("l", 1, number, SIZE))
        assert await small.read(large, 2) == body("l", 1, 2, SIZE)
        [at] = small.store.places(large, 2, 1)
        assert at is not None
        segment = only(small).table.get(at.segment)
        assert segment is not None
        await only(small).writer.drain()
        await small.rest()
        assert await only(small).eviction.evict(segment)
        left = small.store.places(large, 0, 4)
        assert [number for number, one in enumerate(left) if one is not None] == [2]
        assert await small.store.keep(large, 1, body("l", 1, 1, SIZE), terms=CHURN)
        assert await small.store.keep(large, 9, body("l", 1, 9, SIZE), terms=CHURN)
        logs = [small.store.describe(one) for one in small.store.places(large, 1, 9) if one is not None]
        assert [one.log for one in logs if one is not None] == [Kind.MAIN, Kind.MAIN, Kind.SMALL]
