"""Memory of a store at its capacity: it does not grow with what passes through."""

import asyncio
import gc
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.config import ByteSize, StoreConfig
from gateway.model import MIB, Key, Known
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from gateway.store.values import Admission, Terms
from tests.store.small import BUCKET, body, info_of

pytestmark = pytest.mark.slow

GEOMETRY = Geometry(segment_size=MIB, capacity_bytes=160 * MIB, slack_min_bytes=48 * MIB, object_size_max=1 << 40)
SIZE = 1_000
TASKS = 64
GROWTH_MAX_BYTES = 10 * MIB
OBJECTS_GROWTH_MAX = 40_000
"""What the gate remembers of samples goes up and down between half of its bound and all of it."""
CHURN = Terms(Admission.CHURN)


@dataclass(frozen=True)
class Memory:
    """What the process has in memory, and how many objects of Python's are there."""

    resident_bytes: int
    objects: int

    @classmethod
    def now(cls) -> "Memory":
        gc.collect()
        lines = Path("/proc/self/status").read_text().splitlines()
        [resident] = [line for line in lines if line.startswith("VmRSS")]
        return cls(int(resident.split()[1]) * 1024, sys.getallocatedblocks())


def test_memory_does_not_grow_over_many_inserts_at_fixed_capacity(tmp_path: Path) -> None:
    grow(tmp_path, before=150_000, inserts=100_000)


@pytest.mark.long
def test_memory_does_not_grow_over_a_million_inserts_at_fixed_capacity(tmp_path: Path) -> None:
    grow(tmp_path, before=200_000, inserts=1_000_000)


def grow(directory: Path, before: int, inserts: int) -> None:
    """Measures memory after the store and the buffers of its index are full, and again after `inserts` more."""

    async def measured() -> tuple[Memory, Memory, int]:
        config = StoreConfig(paths=(directory,), read_threads=2, index_cache=ByteSize(4 * MIB))
        async with BlockStore.open(config, SystemClock(), GEOMETRY) as store:
            numbers = itertools.count()
            await insert(store, numbers, before)
            start = Memory.now()
            await insert(store, numbers, inserts)
            return start, Memory.now(), store.usage().evicted_bytes_total

    start, end, evicted_bytes = asyncio.run(measured())
    assert evicted_bytes > inserts * SIZE / 2, "the store is not at its capacity"
    assert end.resident_bytes - start.resident_bytes < GROWTH_MAX_BYTES
    assert end.objects - start.objects < OBJECTS_GROWTH_MAX


async def insert(store: BlockStore, numbers: "itertools.count[int]", count: int) -> None:
    """Keeps so many objects of distinct keys."""

    async def keep(share: int) -> None:
        for _ in range(share):
            key = f"k{next(numbers)}"
            info = info_of(key, 1, SIZE)
            content = store.content(BUCKET, Key(key.encode()), info.version, SIZE)
            await store.keep(content, 0, body(key, 1, 0, SIZE), Known(info, 1), CHURN)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(TASKS):
            tasks.create_task(keep(count // TASKS))
