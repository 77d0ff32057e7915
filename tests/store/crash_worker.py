"""A process that asks a store for all it can do and says what was answered, until it is killed."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from gateway.clock import ManualClock
from gateway.config import StoreConfig
from gateway.model import MIB
from gateway.store.disk import Buffer, Files
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from tests.store.load import Writer

CAPACITY_BYTES = 8 * MIB
GEOMETRY = Geometry(
    segment_size=MIB // 4,
    capacity_bytes=CAPACITY_BYTES,
    slack_min_bytes=MIB,
    object_size_max=1 << 40,
    sync_every_bytes=MIB,
)
WRITERS = 4
KEYS = 300
"""Of each writer: together more than the store holds."""
PREFIXES = 8
"""That purges name, of each writer: of very many the store would make one for all."""
STEPS_PER_TURN = 150
"""After so many the clock is turned by `TURN_S`, so that counters of hits are written down now and then."""
TURN_S = 61
START_S = 1_700_000_000.0
ROUND_S = 100_000
"""From one round to the next the clock goes on."""


def config(directory: Path) -> StoreConfig:
    """Of the store that worker and test open in turn."""
    return StoreConfig(paths=(directory,), read_threads=2)


def clock_of(number: int) -> ManualClock:
    """The clock of a round."""
    return ManualClock(START_S + number * ROUND_S)


class DeadlyFiles(Files):
    """Kills its process right after so many operations, in whatever thread; 0: never."""

    def __init__(self, operations: int) -> None:
        self._left = operations

    def _operated(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def allocate(self, fd: int, size: int) -> None:
        super().allocate(fd, size)
        self._operated()

    def write_some(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        written = super().write_some(fd, buffers, offset)
        self._operated()
        return written

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self._operated()

    def sync_directory(self, directory: Path) -> None:
        super().sync_directory(directory)
        self._operated()

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self._operated()


class Teller(Writer):
    """Says what it does to whoever reads our output as well."""

    def say(self, *words: str) -> None:
        super().say(*words)
        sys.stdout.write(" ".join(words) + "\n")
        sys.stdout.flush()


async def main(directory: Path, number: int, operations: int) -> None:
    """Opens the store, and works on it from several tasks at once."""
    clock, chance = clock_of(number), random.Random(number)
    opening = BlockStore.open(config(directory), clock, GEOMETRY, DeadlyFiles(operations))
    async with opening as store, asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            prefix = f"{number % PREFIXES}.{writer}/{number}"
            teller = Teller(store, clock, prefix, KEYS, random.Random(chance.random()))
            tasks.create_task(work(teller, clock))


async def work(teller: Teller, clock: ManualClock) -> None:
    while True:
        for _ in range(STEPS_PER_TURN):
            await teller.step()
        clock.advance(TURN_S / WRITERS)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
