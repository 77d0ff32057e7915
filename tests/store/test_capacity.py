"""Disk use, as the system counts it, while a store writes many times what it may hold."""

import asyncio
import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rocksdict import Rdict

from gateway.clock import SystemClock
from gateway.config import StoreConfig
from gateway.kv import Kv, RocksKv, SharedCache, allocated_bytes
from gateway.model import MIB, Key, Known
from gateway.store.resident import Slice
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from gateway.store.values import Admission, Terms
from tests.store.small import BUCKET, body, info_of

pytestmark = pytest.mark.slow

GEOMETRY = Geometry(
    segment_size=MIB,
    capacity_bytes=96 * MIB,
    slack_min_bytes=12 * MIB,
    object_size_max=1 << 40,
    sync_every_bytes=4 * MIB,
)
SAMPLE_EVERY_S = 0.1
SIZES = (500, 500, 500, 2_000, 20_000, 100_000, 300_000)
"""Many small ones: the index shall be large enough to matter."""
TASKS = 16
COMPACT_EVERY = 2_000
"""Blocks between two compactions of the whole index."""
SLOW_READERS = 8
CHURN = Terms(Admission.CHURN)


def test_disk_use_stays_within_capacity_while_three_times_as_much_is_written(tmp_path: Path) -> None:
    asyncio.run(churn(tmp_path, times=3))


@pytest.mark.long
def test_disk_use_stays_within_capacity_while_twenty_times_as_much_is_written(tmp_path: Path) -> None:
    asyncio.run(churn(tmp_path, times=20))


class Sampler:
    """Looks ten times a second at what a directory takes, files without a name but open here included."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ended = threading.Event()
        self.samples: list[int] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._sample)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY_S):
            self.samples.append(allocated_bytes(self._directory) + self._nameless_bytes())

    def _nameless_bytes(self) -> int:
        """Of files that were removed and are open."""
        total = 0
        for link in Path("/proc/self/fd").iterdir():
            try:
                target = os.readlink(link)
                if target.startswith(str(self._directory)) and target.endswith(" (deleted)"):
                    total += os.stat(link).st_blocks * 512
            except OSError:
                continue
        return total


class Compactable(RocksKv):
    """An index that a test can compact."""

    def compact(self) -> None:
        """Writes all of its tables anew. Blocks."""
        db: Rdict = self._db
        db.flush(True)
        db.compact_range(None, None)


async def churn(directory: Path, times: int) -> None:
    """Writes `times` the capacity, with compactions and slow readers all the while."""
    indexes: list[Compactable] = []
    cache = SharedCache.of(8 * MIB).cache

    def opened(path: Path) -> Kv:
        indexes.append(Compactable(path, cache))
        return indexes[-1]

    capacity_bytes = GEOMETRY.capacity_bytes
    assert capacity_bytes is not None
    config = StoreConfig(paths=(directory,), read_threads=2)
    sampler = Sampler(directory)
    with sampler.watching():
        async with BlockStore.open(config, SystemClock(), GEOMETRY, open_kv=opened) as store:
            [index] = indexes
            work = Churn(store, index, times * capacity_bytes)
            async with asyncio.TaskGroup() as tasks:
                for _ in range(TASKS):
                    tasks.create_task(work.write())
            work.read_to_the_end()
    assert len(sampler.samples) > 10
    assert max(sampler.samples) <= capacity_bytes
    # It is not by refusing that it stays within.
    assert work.kept_bytes > 0.9 * work.asked_bytes


class Churn:
    """Keeps new blocks for ever, until so many bytes were asked for."""

    def __init__(self, store: BlockStore, index: Compactable, ends_bytes: int) -> None:
        self._store = store
        self._index = index
        self._ends_bytes = ends_bytes
        self._chance = random.Random(1)
        self._number = 0
        self._readers: list[tuple[Slice, bytes]] = []
        self.asked_bytes = 0
        self.kept_bytes = 0

    async def write(self) -> None:
        while self.asked_bytes < self._ends_bytes:
            self._number += 1
            number, size = self._number, self._chance.choice(SIZES)
            self.asked_bytes += size
            key, info, data = f"k{number}", info_of(f"k{number}", 1, size), body(f"k{number}", 1, 0, size)
            content = self._store.content(BUCKET, Key(key.encode()), info.version, size)
            if await self._store.keep(content, 0, data, Known(info, 1), CHURN):
                self.kept_bytes += size
            if number % COMPACT_EVERY == 0:
                await asyncio.to_thread(self._index.compact)
            [place] = self._store.places(content, 0, 1)
            found = self._store.slice_now(place, 0, size, copy_max=0) if place is not None else None
            if found is not None:
                self._read_slowly(found, data)

    def _read_slowly(self, found: Slice, data: bytes) -> None:
        """Readers that hold on to segments until as many others came as there may be."""
        if self._number % 400 < SLOW_READERS:
            self._readers.append((found, data))
        else:
            found.release()
        if len(self._readers) > SLOW_READERS:
            self._read(*self._readers.pop(0))

    def read_to_the_end(self) -> None:
        """Lets go of all."""
        while self._readers:
            self._read(*self._readers.pop())

    def _read(self, found: Slice, data: bytes) -> None:
        assert os.pread(found.fd, found.size, found.offset) == data
        found.release()
