"""A process with a block store and nothing else, which does what lines on its input say: see `StoreProcess`.

`python -m loadtest.store_worker DIRECTORY CAPACITY MEMORY DAYS_BEHIND BATCH` answers each line with one of JSON.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from gateway.clock import SystemClock
from gateway.config import StoreConfig
from gateway.model import MIB, Bucket, ContentHeaders, ETag, Info, Key, Known, Version
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from gateway.store.values import Content

BUCKET = Bucket("records")
IN_FLIGHT_BYTES = 32 * MIB
IN_FLIGHT_RECORDS = 256
DAY_S = 86_400


class PastClock(SystemClock):
    """The system's clock so many days ago: what it stamps looks old to whoever comes later."""

    def __init__(self, days: int) -> None:
        super().__init__()
        self._behind_s = days * DAY_S

    def now_s(self) -> float:
        return super().now_s() - self._behind_s


@dataclass(slots=True)
class Filler:
    """Keeps whole objects named by number, many at once; `refused` counts those that were not taken."""

    store: BlockStore
    now_s: int
    refused: int = 0

    async def fill(self, size: int, first: int, count: int) -> None:
        """Keeps the records `first` to `first + count`."""
        numbers = iter(range(first, first + count))
        pool = memoryview(os.urandom(MIB + size))

        async def keep_some() -> None:
            for number in numbers:
                content, known = self.named(number, size)
                start = number * 64 % MIB
                if not await self.store.keep(content, 0, pool[start : start + size], known):
                    self.refused += 1

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(IN_FLIGHT_RECORDS, IN_FLIGHT_BYTES // size)):
                tasks.create_task(keep_some())

    def found(self, size: int, first: int, count: int) -> int:
        """How many of the records can be found."""
        contents = (self.named(number, size)[0] for number in range(first, first + count))
        return sum(self.store.places(content, 0, 1)[0] is not None for content in contents)

    def named(self, number: int, size: int) -> tuple[Content, Known]:
        """The content and the info of a record."""
        key, version = Key(b"data/%012d" % number), Version(b"v%d" % number)
        info = Info(version, size, 1_600_000_000, ETag(f"{number:032x}"), ContentHeaders("application/octet-stream"))
        return self.store.content(BUCKET, key, version, size), Known(info, self.now_s)


async def serve(config: StoreConfig, clock: SystemClock, geometry: Geometry) -> None:
    """Opens the store and answers until the input ends or says `stop`; then closes it cleanly."""
    memory_bytes, started = anonymous_bytes(), time.monotonic()
    async with BlockStore.open(config, clock, geometry) as store:
        seconds = time.monotonic() - started
        answer({"open_s": seconds, "memory_before_bytes": memory_bytes, "memory_bytes": anonymous_bytes()})
        filler = Filler(store, int(clock.now_s()))
        while line := await asyncio.to_thread(sys.stdin.readline):
            verb, *numbers = line.split()
            if verb == "stop":
                break
            size, first, count = map(int, numbers)
            if verb == "find":
                answer({"found": filler.found(size, first, count)})
            else:
                await _fill(filler, size, first, count)


async def _fill(filler: Filler, size: int, first: int, count: int) -> None:
    filler.refused = 0
    started, cpu_started = time.monotonic(), time.process_time()
    await filler.fill(size, first, count)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - cpu_started
    answer(
        {
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
            "refused": filler.refused,
            "memory_bytes": anonymous_bytes(),
            "index_bytes": filler.store.usage().index_bytes,
            "segments": filler.store.usage().segments,
        }
    )


def answer(values: dict[str, float]) -> None:
    """Tells the parent."""
    print(json.dumps(values), flush=True)


def anonymous_bytes() -> int:
    """Memory of this process that no file backs: what it has allocated and not given back."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise OSError("the kernel does not tell RssAnon")


def main() -> None:
    """Serves one parent."""
    directory, capacity, memory, days_behind, batch_records = sys.argv[1:]
    config = StoreConfig.model_validate({"paths": [directory], "capacity": int(capacity), "memory": int(memory)})
    geometry = Geometry(batch_records_max=int(batch_records))
    uvloop.run(serve(config, PastClock(int(days_behind)), geometry))


if __name__ == "__main__":
    main()
