"""The store finds what was kept, forgets what it must, stays inside its capacity and outlives any end."""

import asyncio
import errno
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import ConfigInvalid
from gateway.kv import KvFull
from gateway.model import BLOCK_SIZE
from gateway.store import health, index
from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, GEOMETRY, SEGMENT_SIZE, SEGMENTS, Small, body, info_of, name, older, until

SIZE = 10_000
PER_SEGMENT = 5
"""So many blocks of `SIZE` fill a segment."""


@asynchronous
async def test_a_whole_object_is_found_with_its_info_and_its_bytes(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        assert await small.keep("k", 1, SIZE)
        content = small.content("k", 1, SIZE)
        assert small.store.known(BUCKET, name("k")) == small.known("k", 1, SIZE)
        [place] = small.store.places(content, 0, 1)
        assert place is not None
        now = small.store.read_now(place, 10, 20)
        assert now is not None
        assert bytes(now) == body("k", 1, 0, SIZE)[10:20]
        assert small.store.places(small.content("k", 2, SIZE), 0, 1) == [None]
        assert small.store.known(BUCKET, name("other")) is None


@asynchronous
async def test_pieces_and_drafts_are_found_by_number_alone(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        store = small.store
        large = store.content(BUCKET, name("large"), info_of("large", 1, 100).version, 200 * BLOCK_SIZE)
        draft = store.draft(BUCKET, name("large"), bytes(16))
        for content in (large, draft):
            for number in (0, 3, 130):
                assert await store.keep(content, number, body("large", 1, number, SIZE))
            found = store.places(content, 0, 200)
            assert [number for number, place in enumerate(found) if place is not None] == [0, 3, 130]
            assert await small.read(content, 130) == body("large", 1, 130, SIZE)
        assert store.places(store.draft(BUCKET, name("large"), b"1" * 16), 0, 200) == [None] * 200
        small.clock.advance(24 * 3600 + 1)
        assert store.places(draft, 0, 4) == [None] * 4
        assert store.places(large, 0, 1) != [None]


@asynchronous
async def test_an_empty_object_has_an_info_and_no_block(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.store.install(BUCKET, name("k"), small.known("k", 1, 0))
        assert small.store.known(BUCKET, name("k")) == small.known("k", 1, 0)
        assert small.store.places(small.content("k", 1, 0), 0, 1) == [None]


@asynchronous
async def test_an_installed_info_replaces_the_older_and_keeps_the_place_of_its_own_version(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        small.clock.advance(10)
        newer = small.known("k", 1, SIZE)
        await small.store.install(BUCKET, name("k"), newer)
        assert small.store.known(BUCKET, name("k")) == newer
        assert await small.read(small.content("k", 1, SIZE)) == body("k", 1, 0, SIZE)
        await small.store.install(BUCKET, name("k"), small.known("k", 2, SIZE))
        assert small.store.known(BUCKET, name("k")) == small.known("k", 2, SIZE)
        assert await small.read(small.content("k", 1, SIZE)) is None
        await small.store.forget(BUCKET, name("k"))
        assert small.store.known(BUCKET, name("k")) is None
        assert small.store.usage().live_bytes == 0


@asynchronous
async def test_a_block_kept_again_keeps_the_newer_confirmation(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        known = small.known("k", 1, SIZE)
        await small.store.install(BUCKET, name("k"), known)
        content, data = small.content("k", 1, SIZE), body("k", 1, 0, SIZE)
        assert await small.store.keep(content, 0, data, older(known, 100))
        assert small.store.known(BUCKET, name("k")) == known
        assert await small.read(content) == data
        assert await small.store.keep(content, 0, data, known)
        assert small.store.usage().live_bytes == SIZE


@asynchronous
async def test_a_block_on_its_way_is_dropped_when_its_object_is_forgotten_or_changed(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        for change in ("forget", "install"):
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(small.keep("k", 1, SIZE))
                await asyncio.sleep(0)
                if change == "forget":
                    await small.store.forget(BUCKET, name("k"))
                else:
                    await small.store.install(BUCKET, name("k"), small.known("k", 2, SIZE))
            assert not keeping.result()
            known = small.store.known(BUCKET, name("k"))
            assert known == (None if change == "forget" else small.known("k", 2, SIZE))


@asynchronous
async def test_of_two_versions_on_their_way_the_later_is_seen(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        async with asyncio.TaskGroup() as tasks:
            first = tasks.create_task(small.keep("k", 1, SIZE))
            second = tasks.create_task(small.keep("k", 2, SIZE))
        assert (first.result(), second.result()) == (False, True)
        assert small.store.known(BUCKET, name("k")) == small.known("k", 2, SIZE)


@asynchronous
async def test_a_caller_that_leaves_leaves_nothing_half_visible(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(small.keep("k", 1, SIZE))
            await asyncio.sleep(0)
            keeping.cancel()
        assert await small.keep("k2", 1, SIZE)
        assert small.store.known(BUCKET, name("k")) is None
        assert small.store.places(small.content("k", 1, SIZE), 0, 1) == [None]


@asynchronous
async def test_distrust_and_confirmation(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        store, key = small.store, name("k")
        await small.keep("k", 1, SIZE)
        known = small.known("k", 1, SIZE)
        small.clock.advance(1)
        store.distrust()
        assert store.known(BUCKET, key) == replace(known, validated_s=0)
        await store.install(BUCKET, name("slow"), replace(small.known("slow", 1, 5), validated_s=known.validated_s))
        asked_before = store.known(BUCKET, name("slow"))
        assert asked_before is not None
        assert asked_before.validated_s == 0
        changed = replace(known.info, modified_s=1)
        store.refresh([(BUCKET, key, changed), (BUCKET, name("absent"), known.info)], known.validated_s + 1)
        assert store.known(BUCKET, key) == replace(known, validated_s=0)
        store.refresh([(BUCKET, key, info_of("k", 2, SIZE))], known.validated_s + 1)
        assert store.known(BUCKET, key) == replace(known, validated_s=0)
        store.refresh([(BUCKET, key, known.info)], known.validated_s + 1)
        assert store.known(BUCKET, key) == replace(known, validated_s=known.validated_s + 1)
        assert await small.read(small.content("k", 1, SIZE)) == body("k", 1, 0, SIZE)
        small.clock.advance(-1000)
        assert store.known(BUCKET, key) == replace(known, validated_s=0)


@asynchronous
async def test_the_oldest_segments_leave_and_the_capacity_holds(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        count = 3 * SEGMENTS * PER_SEGMENT
        for number in range(count):
            assert await small.keep(f"k{number}", 1, SIZE)
            assert small.store.usage().used_bytes <= small.store.usage().capacity_bytes
        await small.rest()
        kept = [await small.read(small.content(f"k{number}", 1, SIZE)) is not None for number in range(count)]
        assert kept == sorted(kept), "first in, first out"
        assert sum(kept) >= (SEGMENTS - 4) * PER_SEGMENT
        assert small.files.most_bytes <= SEGMENTS * SEGMENT_SIZE
        assert small.store.usage().live_bytes == sum(kept) * SIZE
        assert len(small.maps_open[0].get_many([])) == 0
        assert sum(1 for _ in small.maps_open[0].scan(b"o")) == sum(kept)
        assert len(small.files.by_descriptor) <= GEOMETRY.open_files_max + 1


@asynchronous
async def test_a_reader_of_an_evicted_segment_gets_its_bytes_and_admission_waits_for_its_space(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("first", 1, SIZE)
        content = small.content("first", 1, SIZE)
        [place] = small.store.places(content, 0, 1)
        assert place is not None
        [shard] = small.store.shards
        segment = shard.table.get(place.segment)
        assert segment is not None
        shard.table.used(segment)  # as a thread that reads it and does not get on
        for number in range(2 * SEGMENTS * PER_SEGMENT):
            await small.keep(f"k{number}", 1, SIZE)
        assert small.store.places(content, 0, 1) == [None]
        assert shard.table.doomed == 1
        assert segment.fd >= 0
        assert small.files.most_bytes <= SEGMENTS * SEGMENT_SIZE
        shard.table.released(segment)
        assert shard.table.doomed == 0
        assert not [inode for inode in small.files.inodes if not inode.linked]
        assert await small.store.read(place, 0, 10) is None
        assert small.store.read_now(place, 0, 10) is None


@pytest.mark.parametrize("end", ["stop", "kill"])
@asynchronous
async def test_what_was_kept_outlives_a_stop_and_a_kill(tmp_path: Path, end: str) -> None:
    small = Small(tmp_path)
    await small.open()
    for number in range(12):
        await small.keep(f"k{number}", 1, SIZE)
    await (small.stop() if end == "stop" else small.kill())
    async with small:
        for number in range(12):
            assert small.store.known(BUCKET, name(f"k{number}")) == small.known(f"k{number}", 1, SIZE)
            [place] = small.store.places(small.content(f"k{number}", 1, SIZE), 0, 1)
            assert place is not None
            assert small.store.read_now(place, 0, 1) is None, "nothing is verified yet"
            assert await small.read(small.content(f"k{number}", 1, SIZE)) == body(f"k{number}", 1, 0, SIZE)
            assert small.store.read_now(place, 0, 1) is not None
        assert await small.keep("new", 1, SIZE)


@asynchronous
async def test_after_a_loss_of_power_no_info_is_trusted_and_the_blocks_are_there(tmp_path: Path) -> None:
    small = Small(tmp_path)
    await small.open()
    await small.keep("k", 1, SIZE)
    known = small.known("k", 1, SIZE)
    await small.stop()
    small.files.boot = "boot-2"
    await small.open()
    assert small.store.known(BUCKET, name("k")) == known, "a clean stop needs no distrust"
    await small.kill()
    small.files.boot = "boot-3"
    async with small:
        assert small.store.known(BUCKET, name("k")) == replace(known, validated_s=0)
        assert await small.read(small.content("k", 1, SIZE)) == body("k", 1, 0, SIZE)


@asynchronous
async def test_a_lost_index_is_an_empty_store_whose_old_files_are_removed(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
    small.maps.by_directory.clear()
    async with small:
        assert small.store.known(BUCKET, name("k")) is None
        assert await small.keep("k", 2, SIZE)
        assert await small.read(small.content("k", 2, SIZE)) == body("k", 2, 0, SIZE)
        await until(lambda: len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1)
    async with small:
        assert await small.read(small.content("k", 2, SIZE)) == body("k", 2, 0, SIZE)


@asynchronous
async def test_a_smaller_capacity_is_reached_before_the_store_is_ready(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        for number in range(SEGMENTS * PER_SEGMENT):
            await small.keep(f"k{number}", 1, SIZE)
    small.geometry = replace(GEOMETRY, capacity_bytes=4 * SEGMENT_SIZE)
    async with small:
        assert small.store.usage().used_bytes <= 4 * SEGMENT_SIZE
        assert small.files.segment_bytes <= 4 * SEGMENT_SIZE


@asynchronous
async def test_other_tenants_of_the_file_system_shrink_the_store(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        for number in range(SEGMENTS * PER_SEGMENT):
            await small.keep(f"k{number}", 1, SIZE)
        before = small.store.usage().segments
        small.files.free = 0
        small.clock.advance(6)
        [shard] = small.store.shards
        await shard.upkeep.once()
        assert small.store.usage().segments < before
        for number in range(PER_SEGMENT):
            await small.keep(f"fills the open segment {number}", 1, SIZE)
        assert not await small.keep("late", 1, SIZE)
        assert small.store.known(BUCKET, name("late")) == small.known("late", 1, SIZE)


@asynchronous
async def test_two_disks_share_the_blocks_and_a_new_disk_distrusts_what_was_known(tmp_path: Path) -> None:
    small = Small(tmp_path / "a", tmp_path / "b", geometry=replace(GEOMETRY, capacity_bytes=20 * SEGMENT_SIZE))
    async with small:
        large = small.store.content(BUCKET, name("l"), info_of("l", 1, 1).version, 1300 * BLOCK_SIZE)
        for number in range(20):
            assert await small.keep(f"k{number}", 1, 1000)
            assert await small.store.keep(large, 64 * number, body("l", 1, number, 1000))
        assert all(shard.table.live_bytes > 0 for shard in small.store.shards)
        found = small.store.places(large, 0, 1300)
        assert [number for number, place in enumerate(found) if place is not None] == [64 * at for at in range(20)]
    small.directories = (tmp_path / "a", tmp_path / "b", tmp_path / "c")
    async with small:
        known = [small.store.known(BUCKET, name(f"k{number}")) for number in range(20)]
        assert all(one is None or one.validated_s == 0 for one in known)
        assert any(one is not None for one in known)


@asynchronous
async def test_a_directory_that_is_not_ours_is_refused_and_named(tmp_path: Path) -> None:
    small, other = Small(tmp_path / "a"), Small(tmp_path / "b")
    async with small, other:
        with pytest.raises(ConfigInvalid, match=r"a is in use"):
            await Small(tmp_path / "a").open()
    with pytest.raises(ConfigInvalid, match="different nodes"):
        await Small(tmp_path / "a", tmp_path / "b").open()
    (tmp_path / "a" / "SUPER").write_text('{"format": 2}')
    with pytest.raises(ConfigInvalid, match=r"another version.*2"):
        await Small(tmp_path / "a").open()
    (tmp_path / "a" / "SUPER").write_text("nonsense")
    with pytest.raises(ConfigInvalid, match="SUPER"):
        await Small(tmp_path / "a").open()


@pytest.mark.parametrize("at", ["head", "data"])
@asynchronous
async def test_a_flipped_bit_is_a_miss_and_is_counted(tmp_path: Path, at: str) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
    async with small:
        content = small.content("k", 1, SIZE)
        [place] = small.store.places(content, 0, 1)
        assert place is not None
        [path] = tmp_path.glob("*/seg/*.seg")
        damaged = bytearray(path.read_bytes())
        damaged[place.record_offset + 20 if at == "head" else place.data_offset + 77] ^= 4
        path.write_bytes(damaged)
        assert await small.read(content) is None
        assert small.store.places(content, 0, 1) == [None]
        assert small.store.usage().damaged_total == 1


@pytest.mark.parametrize("what", ["create", "write", "sync"])
@asynchronous
async def test_a_disk_without_room_refuses_blocks_keeps_infos_and_comes_back(tmp_path: Path, what: str) -> None:
    async with Small(tmp_path) as small:
        for number in range(8):
            await small.keep(f"old{number}", 1, SIZE)
        small.files.fails = lambda name, _: errno.ENOSPC if name == what else None
        for number in range(15):
            await small.keep(f"k{number}", 1, SIZE)
            assert small.store.known(BUCKET, name(f"k{number}")) == small.known(f"k{number}", 1, SIZE)
        assert await small.read(small.content("old7", 1, SIZE)) == body("old7", 1, 0, SIZE)
        await small.rest()
        small.files.fails = lambda _name, _number: None
        small.clock.advance(health.FULL_RETRY_S)
        await small.rest()
        assert await small.keep("new", 1, SIZE)
        assert await small.keep("newer", 1, SIZE)
        assert small.store.usage().used_bytes <= small.store.usage().capacity_bytes


@asynchronous
async def test_short_writes_are_finished(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        small.files.short_writes = True
        for number in range(12):
            assert await small.keep(f"k{number}", 1, SIZE)
            assert await small.read(small.content(f"k{number}", 1, SIZE)) == body(f"k{number}", 1, 0, SIZE)


@asynchronous
async def test_an_update_that_the_index_stalls_is_hidden_until_it_is_written(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        [kv] = small.maps_open
        kv.stalls = 3
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(small.store.install(BUCKET, name("k"), small.known("k", 2, SIZE)))
            await asyncio.sleep(0)
            assert small.store.known(BUCKET, name("k")) is None
            tasks.create_task(small.store.install(BUCKET, name("k"), small.known("k", 3, SIZE)))
        assert small.store.known(BUCKET, name("k")) == small.known("k", 3, SIZE)


@asynchronous
async def test_an_update_that_the_index_never_takes_is_distrusted_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "UPDATE_TRIES_MAX", 2)
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
        [kv] = small.maps_open
        kv.failing = KvFull("full")
        await small.store.forget(BUCKET, name("k"))
        assert small.store.known(BUCKET, name("k")) is None
        assert not await small.keep("other", 1, SIZE)
        kv.failing = None
    async with small:
        known = small.store.known(BUCKET, name("k"))
        assert known is None or known.validated_s == 0


@asynchronous
async def test_an_index_that_cannot_be_read_is_a_miss(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        [kv] = small.maps_open
        kv.unreadable = True
        assert small.store.known(BUCKET, name("k")) is None
        assert small.store.places(small.content("k", 1, SIZE), 0, 1) == [None]
        kv.unreadable = False
        assert await small.read(small.content("k", 1, SIZE)) == body("k", 1, 0, SIZE)


@asynchronous
async def test_what_is_too_large_is_refused_but_known(tmp_path: Path) -> None:
    async with Small(tmp_path, geometry=replace(GEOMETRY, object_size_max=10_000)) as small:
        assert not await small.keep("k", 1, 10_001)
        assert small.store.known(BUCKET, name("k")) == small.known("k", 1, 10_001)
        assert small.store.usage().refused_total == 1
