"""What was damaged where it lies is found before anybody asks for it, and the index holds nothing without use."""

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store import entries, scrub, sweep
from gateway.store.entries import Spot, State
from gateway.store.scrub import Scrub
from gateway.store.shard import Shard
from gateway.store.sweep import Placeless
from gateway.store.table import Segment
from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, Small, body, info_of, name, until

SIZE = 9_000


def only(small: Small) -> tuple[Shard, Scrub]:
    [shard] = small.store.shards
    return shard, shard.scrub


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


def segment_of(small: Small, key: str) -> Segment:
    [place] = small.store.places(small.content(key, 1, SIZE), 0, 1)
    assert place is not None
    segment = small.store.shards[0].table.get(place.segment)
    assert segment is not None
    return segment


def offset_of(small: Small, key: str) -> int:
    [place] = small.store.places(small.content(key, 1, SIZE), 0, 1)
    assert place is not None
    return place.data_offset


async def _at_rest(_scrub: Scrub) -> None:
    await asyncio.Event().wait()


async def with_sealed(small: Small) -> list[str]:
    """Keeps blocks until a segment of them lies on the disk for good; their keys."""
    keys = [f"k{number}" for number in range(20)]
    for key in keys:
        assert await small.keep(key, 1, SIZE)
    await small.rest()
    return [key for key in keys if segment_of(small, key).entry.state is State.SYNCED]


@asynchronous
async def test_a_damaged_record_is_found_and_the_others_stay(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        keys = await with_sealed(small)
        assert len(keys) > 4
        flip(segment_of(small, keys[1]).path, offset_of(small, keys[1]) + 100)
        _, scrubbing = only(small)
        await scrubbing.once()
        assert scrubbing.bad_records == 1
        assert small.store.usage().damaged_total == 1
        found = [await small.read(small.content(key, 1, SIZE)) is not None for key in keys]
        assert found == [key != keys[1] for key in keys]
        assert scrubbing.scrubbed_s == int(small.clock.now_s())


@pytest.mark.parametrize("what", ["records", "header", "footer"])
@asynchronous
async def test_a_segment_that_is_damaged_as_such_is_dropped(tmp_path: Path, what: str) -> None:
    async with Small(tmp_path) as small:
        keys = await with_sealed(small)
        segment = segment_of(small, keys[0])
        its = [key for key in keys if segment_of(small, key) is segment]
        assert len(its) > scrub.BAD_RECORDS_MAX
        if what == "records":
            for key in its[: scrub.BAD_RECORDS_MAX + 1]:
                flip(segment.path, offset_of(small, key) + 100)
        else:
            flip(segment.path, 100 if what == "header" else -100)
        shard, scrubbing = only(small)
        await scrubbing.once()
        await small.rest()
        assert segment.doomed
        assert not segment.path.exists()
        assert shard.table.doomed == 0
        found = [await small.read(small.content(key, 1, SIZE)) is not None for key in keys]
        assert found == [key not in its for key in keys]


@asynchronous
async def test_what_may_not_have_reached_the_medium_is_verified_after_a_loss_of_power(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is verified when this test says so.
    monkeypatch.setattr(Scrub, "run", _at_rest)
    small = Small(tmp_path)
    await small.open()
    for number in range(4):
        await small.keep(f"k{number}", 1, SIZE)
    segment, at = segment_of(small, "k1"), offset_of(small, "k1")
    await small.kill()
    flip(segment.path, at + 50)
    small.files.boot += "+"
    async with small:
        shard, scrubbing = only(small)
        assert [one.entry.suspect for one in shard.table.all()] == [True]
    # Until it was verified it stays a suspect, whatever ends come between.
    async with small:
        shard, scrubbing = only(small)
        assert [one.entry.suspect for one in shard.table.all()] == [True]
        await scrubbing.verify_suspects()
        assert [one.entry.suspect for one in shard.table.all()] == [False]
        found = [await small.read(small.content(f"k{number}", 1, SIZE)) is not None for number in range(4)]
        assert found == [True, False, True, True]
    async with small:
        shard, _ = only(small)
        assert [one.entry.suspect for one in shard.table.all()] == [False]


@asynchronous
async def test_a_new_store_is_scrubbed_after_a_week_and_then_every_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "LOOK_EVERY_S", 0.01)
    small = Small(tmp_path)
    started_s = int(small.clock.now_s())
    async with small, asyncio.timeout(20):
        keys = await with_sealed(small)
        _, scrubbing = only(small)
        flip(segment_of(small, keys[0]).path, offset_of(small, keys[0]))
        await until(lambda: scrubbing.scrubbed_s == started_s)
        small.clock.advance(scrub.EVERY_S - 1)
        await asyncio.sleep(0.05)
        assert scrubbing.bad_records == 0
        small.clock.advance(1)
        await until(lambda: scrubbing.scrubbed_s > started_s)
        assert scrubbing.bad_records == 1
    async with small:
        _, scrubbing = only(small)
        assert scrubbing.scrubbed_s == started_s + scrub.EVERY_S


@asynchronous
async def test_a_sweep_deletes_entries_without_a_record_and_keeps_infos_and_what_is_found(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        keys = await with_sealed(small)
        store = small.store
        large = store.content(BUCKET, name("l"), info_of("l", 1, 1).version, 200 << 20)
        draft = store.draft(BUCKET, name("l"), bytes(16))
        for number in range(3):
            assert await store.keep(large, number, body("l", 1, number, 500))
            assert await store.keep(draft, number, body("l", 1, number, 500))
        _, scrubbing = only(small)
        [kv] = small.maps_open
        lost = Spot(9999, 4096, 0, 2, 8192, 100, 0, 1)
        kv.write([(entries.block_key(bytes(16), 1), entries.pack_spot(lost))])
        orphan = kv.get(entries.info_key(store.content(BUCKET, name(keys[0]), info_of("", 0, 0).version, 1).oh))
        assert orphan is not None
        kv.write([(entries.info_key(bytes(16)), entries.pack_spot(lost) + orphan[28:])])
        small.clock.advance(25 * 3600)
        await scrubbing.sweep()
        assert kv.get(entries.block_key(bytes(16), 1)) is None
        assert kv.get(entries.info_key(bytes(16))) == bytes(28) + orphan[28:]
        assert store.places(large, 0, 3).count(None) == 0
        assert sum(1 for _ in kv.scan(entries.BLOCK_PREFIX)) == 3
        assert all([await small.read(small.content(key, 1, SIZE)) is not None for key in keys])


@asynchronous
async def test_of_too_many_infos_without_a_place_those_confirmed_longest_ago_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PLACELESS_MIN", 10)
    async with Small(tmp_path) as small:
        await small.keep("kept", 1, SIZE)
        for number in range(30):
            small.clock.advance(10)
            await small.store.install(BUCKET, name(f"i{number}"), small.known(f"i{number}", 1, 1 << 30))
        _, scrubbing = only(small)
        await scrubbing.sweep()
        found = [small.store.known(BUCKET, name(f"i{number}")) is not None for number in range(30)]
        assert found == sorted(found)
        assert 10 <= sum(found) <= 20
        assert await small.read(small.content("kept", 1, SIZE)) is not None


SPOTS = st.builds(Spot, *[st.integers(0, 60_000)] * 3, st.just(1), *[st.integers(0, 60_000)] * 4)


@given(st.one_of(st.binary(max_size=100), SPOTS.map(entries.pack_spot)), st.booleans(), st.integers(0, 60_000))
def test_the_fate_of_any_entry_is_told(value: bytes, is_info: bool, now_s: int) -> None:
    key = entries.info_key(bytes(16)) if is_info else entries.block_key(bytes(16), 1)

    def held(segment: int, _ordinal: int) -> bool:
        return segment % 2 == 0

    change = sweep.fate(key, value, held, now_s)
    if change is not None and change[1] is not None:
        assert is_info
        assert sweep.fate(key, change[1], held, now_s) is None


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 5))
def test_infos_without_a_place_are_bounded(placeless: int, others: int, seed: int) -> None:
    counting = Placeless(Random(seed))
    value = bytes(28 + 52) + bytes(16)
    for _ in range(placeless):
        counting.see(entries.info_key(bytes(16)), value)
    for number in range(others):
        counting.see(entries.block_key(bytes(16), number), value)
    assert (counting.count, counting.entries) == (placeless, placeless + others)
    assert counting.drop_until_s() is None, "there may be 100,000 in any case"
    counting.count = sweep.placeless_max(counting.entries) + 1
    assert placeless == 0 or counting.drop_until_s() == 0


def test_the_bound_of_infos_without_a_place() -> None:
    assert sweep.placeless_max(10) == 100_000
    assert sweep.placeless_max(10_000_000) == 500_000
    assert replace(Placeless(Random(1)), count=0).drop_until_s() is None
