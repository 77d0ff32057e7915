"""A disk that fails, vanishes or hangs costs hits, never an answer; and is used again when it works."""

import asyncio
import errno
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.errors import ConfigInvalid
from gateway.kv import KvCorrupt, KvFailed
from gateway.store.health import STUCK_S, DiskState
from gateway.store.threads import Threads
from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, Small, body, name, until

SIZE = 10_000


def state(small: Small) -> DiskState:
    [shard] = small.store.shards
    return shard.state()


async def left_alone(small: Small) -> None:
    """Until nobody asks the disk any more."""
    await until(lambda: not small.store.shards[0].upkeep.space.room().share_bytes)


async def come_back(small: Small) -> None:
    await until(lambda: state(small) is DiskState.HEALTHY)


async def every_call_is_answered(small: Small) -> None:
    """As a store that has nothing and keeps nothing."""
    async with asyncio.timeout(5):
        await left_alone(small)
        assert not await small.keep("during", 1, SIZE)
        await small.store.install(BUCKET, name("installed"), small.known("installed", 1, SIZE))
        await small.store.forget(BUCKET, name("k"))
        small.store.distrust()
        small.store.refresh([(BUCKET, name("k"), small.known("k", 1, SIZE).info)], 1)
        assert small.store.known(BUCKET, name("k")) is None
        assert small.store.places(small.content("k", 1, SIZE), 0, 1) == [None]
        usage = small.store.usage()
        assert (usage.live_bytes, [disk.state for disk in usage.disks]) == (0, [DiskState.OFFLINE])


@pytest.mark.parametrize("what", ["create", "write", "sync"])
@pytest.mark.parametrize("code", [errno.EIO, errno.EROFS, errno.ENODEV])
@asynchronous
async def test_a_disk_that_takes_no_writes_is_left_alone_and_begins_again_as_after_a_loss_of_power(
    tmp_path: Path, what: str, code: int
) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        known = small.known("k", 1, SIZE)
        small.files.fails = lambda step, _: code if step in (what, "probe") else None
        for number in range(6):
            await small.keep(f"more{number}", 1, SIZE)
        await until(lambda: state(small) is DiskState.OFFLINE)
        await every_call_is_answered(small)
        small.files.fails = lambda _name, _number: None
        await come_back(small)
        # It was told to forget while nothing could be written down: nothing it knows is trusted.
        assert small.store.known(BUCKET, name("k")) == replace(known, validated_s=0)
        assert await small.read(small.content("k", 1, SIZE)) == body("k", 1, 0, SIZE)
        assert await small.keep("new", 1, SIZE)
        assert await small.read(small.content("new", 1, SIZE)) == body("new", 1, 0, SIZE)


@asynchronous
async def test_a_block_that_cannot_be_read_is_dropped_and_many_of_them_end_the_use_of_the_disk(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        for number in range(12):
            await small.keep(f"k{number}", 1, 3_000)
        small.files.fails = lambda step, _: errno.EIO if step in ("read", "probe") else None
        for number in range(10):
            content = small.content(f"k{number}", 1, 3_000)
            [place] = small.store.places(content, 0, 1)
            assert place is not None
            assert await small.store.read(place, 0, 3_000) is None
            assert small.store.places(content, 0, 1) == [None]
            assert state(small) is (
                DiskState.HEALTHY if number < 2 else DiskState.DEGRADED if number < 9 else DiskState.OFFLINE
            )
            assert await small.keep("admitted?", number, SIZE) == (number < 2)
        await every_call_is_answered(small)
        small.files.fails = lambda _name, _number: None
        await come_back(small)
        assert await small.read(small.content("k11", 1, 3_000)) == body("k11", 1, 0, 3_000)


@asynchronous
async def test_a_call_that_hangs_ends_the_use_of_the_disk_and_nobody_waits_for_it(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        content = small.content("k", 1, SIZE)
        [place] = small.store.places(content, 0, 1)
        assert place is not None
        goes_on, hanging = threading.Event(), list[str]()

        def hang(step: str, _number: int) -> None:
            if step in ("read", "write"):
                hanging.append(step)
                goes_on.wait(20)

        small.files.fails = hang
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(small.store.read(place, 0, SIZE))
            keeping = tasks.create_task(small.keep("new", 1, SIZE))
            [shard] = small.store.shards
            await until(lambda: len(hanging) == 2)
            for _ in range(6):
                small.clock.advance(STUCK_S / 5)
                shard.watch()
        assert reading.result() is None
        assert not keeping.result()
        assert state(small) is DiskState.OFFLINE
        await every_call_is_answered(small)
        goes_on.set()
        await come_back(small)
        assert await small.read(content) == body("k", 1, 0, SIZE)


@asynchronous
async def test_a_process_that_was_stopped_itself_does_not_take_the_disk_for_stuck() -> None:
    clock, goes_on = ManualClock(), threading.Event()
    threads = Threads("test", 1, clock)
    try:
        work = threads.start(goes_on.wait, 10)
        await until(lambda: not threads.is_idle)
        clock.advance(1000)
        assert threads.slowest_s() == 0
        clock.advance(2)
        assert threads.slowest_s() == 2
        goes_on.set()
        assert await threads.ended(work)
        await until(lambda: threads.is_idle)
        assert threads.slowest_s() == 0
    finally:
        goes_on.set()
        threads.close(waits=True)


@asynchronous
async def test_a_corrupt_index_is_an_empty_store_at_once_and_the_second_in_a_day_is_not_believed(
    tmp_path: Path,
) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        [place] = small.store.places(small.content("k", 1, SIZE), 0, 1)
        assert place is not None
        [shard] = small.store.shards
        [kv] = small.maps_open
        kv.failing = KvCorrupt("flipped")
        assert not await small.keep("new", 1, SIZE)
        await until(lambda: state(small) is DiskState.HEALTHY and small.store.shards != [shard])
        assert small.store.known(BUCKET, name("k")) is None
        assert await small.keep("k2", 1, SIZE)
        # A place of before names nothing now, though the new store has had as many segments.
        assert small.store.read_now(place, 0, 10) is None
        assert await small.store.read(place, 0, 10) is None
        await until(lambda: len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1)
        for kv in small.maps_open:
            kv.failing = KvCorrupt("flipped again")
        assert not await small.keep("new", 1, SIZE)
        await until(lambda: state(small) is DiskState.OFFLINE)
        for kv in small.maps_open:
            kv.failing = None
        await every_call_is_answered(small)
        await asyncio.sleep(0.1)
        assert state(small) is DiskState.OFFLINE
        small.clock.advance(24 * 3600)
        await come_back(small)
        assert await small.keep("new", 1, SIZE)


@asynchronous
async def test_a_directory_in_the_network_is_refused_and_one_that_copies_on_write_is_used_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = Small(tmp_path)
    small.files.kind = "nfs4"
    with pytest.raises(ConfigInvalid, match=r"lies on nfs4"):
        await small.open()
    assert [path.name for path in tmp_path.iterdir()] == ["LOCK"]
    small.files.kind = "btrfs"
    async with small:
        assert await small.keep("k", 1, SIZE)
    assert "a disk of the store copies on write: it may be full early" in caplog.messages


@asynchronous
async def test_another_disk_at_the_place_of_one_that_failed_is_not_touched(tmp_path: Path) -> None:
    disk, aside = tmp_path / "disk", tmp_path / "aside"
    async with Small(disk) as small:
        await small.keep("k", 1, SIZE)
        [shard] = small.store.shards
        disk.rename(aside)
        disk.mkdir()
        shard.health.give_up(OSError(errno.ENODEV, "pulled out"))
        await every_call_is_answered(small)
        await asyncio.sleep(0.1)
        assert state(small) is DiskState.OFFLINE
        assert list(disk.iterdir()) == []
        disk.rmdir()
        aside.rename(disk)
        await come_back(small)
        assert await small.read(small.content("k", 1, SIZE)) == body("k", 1, 0, SIZE)


@asynchronous
async def test_a_disk_of_several_that_fails_costs_only_its_share(tmp_path: Path) -> None:
    small = Small(tmp_path / "a", tmp_path / "b", geometry=replace(Small(tmp_path).geometry, capacity_bytes=20 * 65536))
    async with small:
        for number in range(30):
            assert await small.keep(f"k{number}", 1, 1_000)
        first, second = small.store.shards
        held = [second.table.live_bytes // 1_000, first.table.live_bytes // 1_000]
        assert all(held)
        small.files.fails = lambda step, _: errno.EIO if step == "probe" else None
        first.health.give_up(OSError(errno.EIO, "told to fail"))
        found = [await small.read(small.content(f"k{number}", 1, 1_000)) for number in range(30)]
        await until(lambda: first not in small.store.shards)
        found = [await small.read(small.content(f"k{number}", 1, 1_000)) for number in range(30)]
        assert sum(data is not None for data in found) == held[0]
        assert any([await small.keep(f"new{number}", 1, 1_000) for number in range(10)])
        small.files.fails = lambda _name, _number: None
        await until(lambda: all(shard.state() is DiskState.HEALTHY for shard in small.store.shards))
        found = [await small.read(small.content(f"k{number}", 1, 1_000)) for number in range(30)]
        assert all(data is not None for data in found)


@asynchronous
async def test_a_store_can_be_stopped_while_its_disk_is_left_alone_and_started_when_it_works(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
        known = small.known("k", 1, SIZE)
        small.files.fails = lambda step, _: errno.EIO if step == "probe" else None
        [shard] = small.store.shards
        shard.health.index_failed(KvFailed("I/O error"), 0, reads=False)
        await until(lambda: small.store.shards != [shard])
        await small.store.forget(BUCKET, name("k"))
    small.files.fails = lambda _name, _number: None
    async with small:
        assert small.store.known(BUCKET, name("k")) == replace(known, validated_s=0)
        assert await small.read(small.content("k", 1, SIZE)) == body("k", 1, 0, SIZE)


@asynchronous
async def test_what_is_to_be_forgotten_is_forgotten_at_once_while_the_disk_is_left_alone(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        small.files.fails = lambda step, _: errno.EIO if step == "probe" else None
        [shard] = small.store.shards
        shard.health.give_up(OSError(errno.EIO, "told to fail"))
        await until(lambda: small.store.shards != [shard])
        async with asyncio.timeout(5):
            await small.store.purge(BUCKET)
            await small.store.invalidate(BUCKET)
        small.files.fails = lambda _name, _number: None
        await come_back(small)
        assert small.store.known(BUCKET, name("k")) is None
        assert await small.read(small.content("k", 1, SIZE)) is None
