"""Pinned blocks stay until their time has come, are never more than may be, and are found pinned again."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.store.segments import Kind
from gateway.store.shard import Shard
from gateway.store.values import Admission, Outcome, Pool, Terms
from tests.contract.stores import asynchronous
from tests.store.lives import PER_SEGMENT, SIZE, is_there, keep, keep_all, pin, place, there, where
from tests.store.small import BUCKET, GEOMETRY, SEGMENT_SIZE, SEGMENTS, Small, body, name

CHURN = Terms(admission=Admission.CHURN)
LARGE = replace(GEOMETRY, capacity_bytes=3 * SEGMENTS * SEGMENT_SIZE)
MANY = 6 * SEGMENTS * PER_SEGMENT


def only(small: Small) -> Shard:
    [shard] = small.store.shards
    return shard


def pinned_bytes(small: Small) -> int:
    return small.store.usage().pools[Pool.PINNED]


@asynchronous
async def test_what_is_pinned_outlives_any_churn_unread_and_lies_in_the_pinned_log(tmp_path: Path) -> None:
    async with Small(tmp_path, geometry=LARGE) as small:
        keys = await keep_all(small, "k", 2 * PER_SEGMENT)
        chosen = keys[::3]
        assert all(pin(small, key) for key in chosen)
        assert pinned_bytes(small) == len(chosen) * SIZE
        await keep_all(small, "cold", MANY, CHURN)
        await small.rest()
        assert [key for key in keys if place(small, key) is not None] == chosen
        assert {where(small, key).log for key in chosen} == {Kind.PINNED}
        assert pinned_bytes(small) == len(chosen) * SIZE
        await keep_all(small, "colder", MANY, CHURN)
        assert await there(small, chosen) == chosen
        assert {where(small, key).pinned_until_s for key in chosen} == {0}


@asynchronous
async def test_a_segment_of_pinned_blocks_becomes_pinned_as_it_is(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        keys = await keep_all(small, "k", PER_SEGMENT)
        assert all(pin(small, key) for key in keys)
        segment = where(small, keys[0]).segment
        await keep_all(small, "cold", MANY, CHURN)
        assert {(where(small, key).segment, where(small, key).log) for key in keys} == {(segment, Kind.PINNED)}
        assert small.store.usage().moved_bytes_total == 0
        assert await there(small, keys) == keys


@asynchronous
async def test_what_is_kept_pinned_goes_to_the_pinned_log_at_once(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        until_s = int(small.clock.now_s()) + 100
        assert await keep(small, "k", Terms(admission=Admission.HOLD, life_s=10, pinned_until_s=until_s))
        assert where(small, "k").log is Kind.PINNED
        assert where(small, "k").pinned_until_s == until_s
        assert pinned_bytes(small) == SIZE
        small.clock.advance(50)
        assert await is_there(small, "k"), "its life waits for the end of the pin"


@asynchronous
async def test_no_more_is_pinned_than_may_be(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        bound = small.store.usage().capacity_bytes * 50 // 100
        keys = await keep_all(small, "k", 4 * PER_SEGMENT)
        tried = [(key, pin(small, key)) for key in keys if place(small, key) is not None]
        pinned = [key for key, done in tried if done]
        assert pinned_bytes(small) == len(pinned) * SIZE <= bound
        left = bound - pinned_bytes(small)
        assert all(done for _, done in tried) == (left >= SIZE)
        while await keep(small, f"fill{pinned_bytes(small)}", Terms(pinned_until_s=0)):
            if pinned_bytes(small) + SIZE > bound:
                break
        assert bound - SIZE < pinned_bytes(small) <= bound
        assert await keep(small, "too much", Terms(Admission.CHURN, pinned_until_s=0)) is Outcome.KEPT
        assert where(small, "too much").pinned_until_s is None
        assert not pin(small, "too much")
        for number in range(MANY):
            await keep(small, f"cold{number}", CHURN)
            assert small.store.usage().used_bytes <= small.store.usage().capacity_bytes
        assert await there(small, pinned) == pinned
        assert [key for key in pinned if place(small, key) is None] == []


@asynchronous
async def test_no_more_is_pinned_than_may_be_when_many_come_at_once(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        async with asyncio.TaskGroup() as tasks:
            for number in range(2 * SEGMENTS * PER_SEGMENT):
                tasks.create_task(keep(small, f"k{number}", Terms(Admission.CHURN, pinned_until_s=0)))
        bound = small.store.usage().capacity_bytes * 50 // 100
        assert 0 < pinned_bytes(small) <= bound


@asynchronous
async def test_a_pin_that_ends_gives_the_block_its_own_life_back(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        now_s = int(small.clock.now_s())
        await keep(small, "short", Terms(life_s=50))
        await keep(small, "long", Terms(life_s=5000))
        await keep(small, "endless")
        for key in ("short", "long", "endless"):
            assert pin(small, key, now_s + 100)
        small.clock.advance(99)
        assert await there(small, ["short", "long", "endless"]) == ["short", "long", "endless"]
        small.clock.advance(1)
        for key in ("short", "long", "endless"):
            place(small, key)
        await small.rest()
        assert not await is_there(small, "short")
        assert (where(small, "long").pinned_until_s, where(small, "long").expires_s) == (None, now_s + 5000)
        assert (where(small, "endless").pinned_until_s, where(small, "endless").expires_s) == (None, 0)
        assert await there(small, ["long", "endless"]) == ["long", "endless"]
        assert pinned_bytes(small) == 0


@asynchronous
async def test_what_was_pinned_once_is_evicted_like_any_other(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        keys = await keep_all(small, "k", PER_SEGMENT)
        assert all(pin(small, key, int(small.clock.now_s()) + 100) for key in keys)
        await keep_all(small, "cold", MANY, CHURN)
        assert {where(small, key).log for key in keys} == {Kind.PINNED}
        small.clock.advance(100)
        await keep_all(small, "colder", MANY, CHURN)
        for key in keys:
            place(small, key)
        await small.rest()
        await keep_all(small, "coldest", MANY, CHURN)
        await small.rest()
        assert [key for key in keys if place(small, key) is not None] == []
        assert pinned_bytes(small) == 0


@asynchronous
async def test_pins_that_end_unnoticed_are_found_within_a_minute_for_each_pinned_segment(tmp_path: Path) -> None:
    async with Small(tmp_path, geometry=LARGE) as small:
        keys = [f"k{number}" for number in range(2 * PER_SEGMENT)]
        for key in keys:
            assert await keep(small, key, Terms(pinned_until_s=int(small.clock.now_s()) + 100))
        await only(small).writer.drain()
        await small.rest()
        small.clock.advance(100)
        assert pinned_bytes(small) == len(keys) * SIZE
        for _ in range(2):
            small.clock.advance(60)
            await small.rest()
        await small.rest()
        assert pinned_bytes(small) == 0
        await keep_all(small, "cold", MANY, CHURN)
        await small.rest()
        assert [key for key in keys if place(small, key) is not None] == []


@asynchronous
async def test_unpinning_ends_a_pin_at_once(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await keep(small, "k")
        found = place(small, "k")
        assert found is not None
        assert not small.store.unpin(found)
        assert pin(small, "k")
        assert small.store.unpin(found)
        assert not small.store.unpin(found)
        await small.rest()
        assert where(small, "k").pinned_until_s is None
        assert pinned_bytes(small) == 0
        assert await is_there(small, "k")
        await small.store.forget(BUCKET, name("k"))
        assert not small.store.pin(found, 0)
        assert not small.store.unpin(found)


@asynchronous
async def test_a_pinned_block_that_is_kept_again_or_confirmed_stays_pinned_and_a_new_version_is_not(
    tmp_path: Path,
) -> None:
    async with Small(tmp_path) as small:
        await keep(small, "k")
        assert pin(small, "k")
        assert await keep(small, "k")
        assert where(small, "k").pinned_until_s == 0
        await small.store.install(BUCKET, name("k"), small.known("k", 1, SIZE))
        assert where(small, "k").pinned_until_s == 0
        assert pinned_bytes(small) == SIZE
        assert await small.keep("k", 2, SIZE)
        assert await small.read(small.content("k", 2, SIZE)) == body("k", 2, 0, SIZE)
        assert pinned_bytes(small) == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
@asynchronous
async def test_pins_outlive_a_stop_and_a_kill(tmp_path: Path, end: str) -> None:
    small = Small(tmp_path)
    await small.open()
    keys = await keep_all(small, "k", PER_SEGMENT)
    assert all(pin(small, key) for key in keys[:3])
    await (small.stop() if end == "stop" else small.kill())
    async with small:
        assert pinned_bytes(small) == 3 * SIZE
        await keep_all(small, "cold", MANY, CHURN)
        assert [key for key in keys if place(small, key) is not None] == keys[:3]
        assert await there(small, keys[:3]) == keys[:3]
        assert pinned_bytes(small) == 3 * SIZE


@asynchronous
async def test_pinned_segments_that_are_mostly_garbage_are_written_anew(tmp_path: Path) -> None:
    async with Small(tmp_path, geometry=LARGE) as small:
        keys = [f"k{number}" for number in range(3 * PER_SEGMENT)]
        for key in keys:
            assert await keep(small, key, Terms(pinned_until_s=0))
        stays = keys[::3]
        for key in keys:
            if key not in stays:
                await small.store.forget(BUCKET, name(key))
        assert pinned_bytes(small) == len(stays) * SIZE
        await keep_all(small, "cold", MANY, CHURN)
        await small.rest()
        assert await there(small, stays) == stays
        assert len({where(small, key).segment for key in stays}) <= 2


@asynchronous
async def test_a_smaller_store_drops_what_is_pinned_last(tmp_path: Path) -> None:
    small = Small(tmp_path, geometry=LARGE)
    async with small:
        keys = await keep_all(small, "k", PER_SEGMENT)
        assert all(pin(small, key) for key in keys)
        await keep_all(small, "cold", MANY, CHURN)
    small.geometry = replace(GEOMETRY, capacity_bytes=4 * SEGMENT_SIZE)
    async with small:
        assert small.files.segment_bytes <= 4 * SEGMENT_SIZE
        assert await there(small, keys) == keys
