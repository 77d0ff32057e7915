"""A real file system that others fill: every call is answered, hits go on, and the room that comes back is used."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.config import StoreConfig
from gateway.errors import ConfigInvalid
from gateway.kv import Kv, KvFull, SharedCache
from gateway.model import MIB, Known
from gateway.store.health import FULL_RETRY_S, DiskState
from gateway.store.shard import Shard
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, body, info_of, name, until

SIZE = 60_000
DISK_BYTES = 48 * MIB
CAPACITY = 32 * MIB
GEOMETRY = Geometry(
    segment_size=MIB, capacity_bytes=CAPACITY, slack_min_bytes=4 * MIB, object_size_max=1 << 40, probe_every_s=0.05
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    path = tmp_path / "disk"
    path.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "forebay-test", str(path)],
        capture_output=True,
        check=False,
    )
    if mounting.returncode:
        pytest.skip("a file system of its own is needed, and mounting one is not allowed here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


class Neighbour:
    """Another writer on the same file system."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "others"

    def fill(self, leaves: int = 0) -> None:
        """Takes all there is, but for so many bytes."""
        with self._path.open("ab") as file, suppress(OSError):
            while True:
                room = os.statvfs(self._path)
                left = room.f_bavail * room.f_frsize - leaves
                if left <= 0:
                    return
                file.write(bytes(min(left, 256 * 1024)))
                file.flush()

    def leave(self) -> None:
        self._path.unlink()


class Tenant:
    """The store on that disk."""

    def __init__(self, store: BlockStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock

    @property
    def shard(self) -> Shard:
        [shard] = self.store.shards
        return shard

    async def keep(self, key: str) -> bool:
        info = info_of(key, 1, SIZE)
        content = self.store.content(BUCKET, name(key), info.version, SIZE)
        kept = await self.store.keep(content, 0, body(key, 1, 0, SIZE), Known(info, int(self.clock.now_s())))
        return bool(kept)

    async def read(self, key: str) -> bool:
        """Whether it is a hit; what is read must be right."""
        content = self.store.content(BUCKET, name(key), info_of(key, 1, SIZE).version, SIZE)
        [place] = self.store.places(content, 0, 1)
        data = await self.store.read(place, 0, SIZE) if place is not None else None
        assert data is None or bytes(data) == body(key, 1, 0, SIZE)
        return data is not None

    async def measured(self) -> None:
        """Lets it notice what others did to the disk."""
        self.clock.advance(FULL_RETRY_S)
        async with asyncio.timeout(10):
            await self.shard.upkeep.settled()


@asynchronous
async def test_segments_of_a_disk_that_others_fill_give_way_and_come_back(disk: Path) -> None:
    clock, others = ManualClock(), Neighbour(disk)
    async with BlockStore.open(config(disk), clock, GEOMETRY) as store:
        tenant = Tenant(store, clock)
        for number in range(600):
            await tenant.keep(f"k{number}")
        full_bytes = store.usage().used_bytes
        assert full_bytes > 20 * MIB
        others.fill(leaves=MIB // 2)
        for number in range(600, 700):
            async with asyncio.timeout(5):
                await tenant.keep(f"k{number}")
                assert store.known(BUCKET, name(f"k{number}")) is not None
        await tenant.measured()
        others.fill(leaves=MIB // 2)
        await tenant.measured()
        assert store.usage().used_bytes < full_bytes
        assert tenant.shard.state() is DiskState.HEALTHY
        hits = [await tenant.read(f"k{number}") for number in range(700)]
        assert sum(hits) > 50
        others.leave()
        await tenant.measured()
        for number in range(1000, 1600):
            await tenant.keep(f"k{number}")
        await tenant.measured()
        assert full_bytes - 3 * MIB <= store.usage().used_bytes <= CAPACITY


@asynchronous
async def test_an_index_without_room_is_given_some_and_takes_updates_again(disk: Path) -> None:
    clock, others = ManualClock(), Neighbour(disk)
    async with BlockStore.open(config(disk), clock, GEOMETRY) as store:
        tenant = Tenant(store, clock)
        for number in range(300):
            assert await tenant.keep(f"k{number}")
        await tenant.measured()
        segments = store.usage().segments
        others.fill()
        # Infos alone need the index only; its log grows until it meets the end of the disk.
        number = 0
        while store.usage().segments == segments:
            async with asyncio.timeout(5):
                await store.install(BUCKET, name(f"i{number}"), Known(info_of(f"i{number}", 1, 5), int(clock.now_s())))
            number += 1
            assert number < 200_000
        async with asyncio.timeout(10):
            await store.forget(BUCKET, name("k299"))
            assert store.known(BUCKET, name("k299")) is None
        await until(lambda: not tenant.shard.health.index_full)
        assert tenant.shard.state() is DiskState.HEALTHY
        hits = [await tenant.read(f"k{number}") for number in range(299)]
        assert sum(hits) > 100
        # Its last words before the end of the disk are there: what was acknowledged was acknowledged.
        assert store.known(BUCKET, name(f"i{number - 2}")) is not None
        others.leave()
        await tenant.measured()
        assert await tenant.keep("new")
        assert await tenant.read("new")


@asynchronous
async def test_an_index_without_room_that_cannot_be_given_any_ends_the_use_of_the_disk(disk: Path) -> None:
    clock, others = ManualClock(), Neighbour(disk)
    async with BlockStore.open(config(disk), clock, GEOMETRY) as store:
        tenant = Tenant(store, clock)
        assert await tenant.keep("k")
        others.fill()
        shard = tenant.shard
        for number in range(200_000):
            if shard.health.index_full:
                break
            async with asyncio.timeout(5):
                await store.install(BUCKET, name(f"i{number}"), Known(info_of(f"i{number}", 1, 5), int(clock.now_s())))
        async with asyncio.timeout(10):
            await store.forget(BUCKET, name("k"))
            assert store.known(BUCKET, name("k")) is None
            await until(lambda: tenant.shard is not shard)
        others.leave()
        await until(lambda: tenant.shard.state() is DiskState.HEALTHY)
        known = store.known(BUCKET, name("k"))
        assert known is None or known.validated_s == 0
        assert await tenant.keep("new")


@asynchronous
async def test_a_start_on_a_full_disk_makes_room_for_the_index_and_keeps_the_rest(disk: Path) -> None:
    clock, others = ManualClock(), Neighbour(disk)
    async with BlockStore.open(config(disk), clock, GEOMETRY) as store:
        tenant = Tenant(store, clock)
        for number in range(200):
            assert await tenant.keep(f"k{number}")
    others.fill()
    async with BlockStore.open(config(disk), clock, GEOMETRY) as store:
        tenant = Tenant(store, clock)
        hits = [await tenant.read(f"k{number}") for number in range(200)]
        assert sum(hits) > 100


@asynchronous
async def test_a_start_on_a_full_disk_whose_index_is_lost_is_an_empty_store(disk: Path) -> None:
    clock, others = ManualClock(), Neighbour(disk)
    async with BlockStore.open(config(disk), clock, GEOMETRY) as store:
        tenant = Tenant(store, clock)
        for number in range(200):
            assert await tenant.keep(f"k{number}")
    [current] = disk.glob("store/*/idx/CURRENT")
    current.write_bytes(b"")
    others.fill()
    async with BlockStore.open(config(disk), clock, GEOMETRY) as store:
        tenant = Tenant(store, clock)
        assert not await tenant.read("k1")
        async with asyncio.timeout(5):
            await tenant.keep("new")
        others.leave()
        await tenant.measured()
        assert await tenant.keep("newer")
        assert await tenant.read("newer")


@asynchronous
async def test_a_first_start_on_a_full_disk_says_so(disk: Path) -> None:
    Neighbour(disk).fill()
    with pytest.raises(ConfigInvalid, match=r"store\.paths: .*/store cannot be used"):
        async with BlockStore.open(config(disk), ManualClock(), GEOMETRY):
            pass


def test_a_map_without_room_says_so_and_works_when_it_was_opened_again(disk: Path) -> None:
    others, cache = Neighbour(disk), SharedCache.of(8 * MIB)
    kv = cache.opened(disk / "map")
    kv.write([(b"before", b"1")])
    others.fill()
    written = 0
    while is_taken(kv, b"%d" % written):
        written += 1
        assert written < 1_000_000
    others.leave()
    with pytest.raises(KvFull):
        kv.write([(b"after", b"1")])
    kv.close()
    kv = cache.opened(disk / "map")
    assert kv.get(b"before") == b"1"
    assert written == 0 or kv.get(b"%d" % (written - 1)) == bytes(1000)
    kv.write([(b"after", b"1")])
    kv.close()


def is_taken(kv: Kv, key: bytes) -> bool:
    try:
        kv.write([(key, bytes(1000))])
    except KvFull:
        return False
    return True


def config(disk: Path) -> StoreConfig:
    return StoreConfig(paths=(disk / "store",), read_threads=2, min_free=0)
