"""Many small records in one store: memory for each of them, bytes of index, and how soon the store opens again.

Memory is what the process has allocated (RssAnon): pages of files in the page cache do not count. It is read once
the store is open and after each part of the fill. What a record costs is the slope over the last half, where all that
has a fixed size is full: the index's block cache and write buffers, the ghost and the shadow of the gate. Those
fixed parts are held to the sum of their own limits.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.kv import allocated_bytes
from gateway.model import MIB
from loadtest.finding import Finding
from loadtest.store_process import Filled, StoreProcess

RECORD_SIZE = 100
SHORT, FULL = 300_000, 5_000_000
CAPACITY_BYTES = {SHORT: 2 << 30, FULL: 8 << 30}
PARTS = 4
SAMPLE = 1000
"""Records that are looked for after each opening."""
MEMORY_BYTES = 64 * MIB
"""The least that may be configured: fixed parts fill soon."""
CAPS_BYTES = MEMORY_BYTES // 8 + 3 * 8 * MIB + 7 * MIB + 32 * MIB
"""Block cache of the index; its write buffers; ghost and shadow of one disk; records that the fill has in flight."""

KILLED_AFTER_S = 1.0

BYTES_PER_RECORD_MAX = 2
INDEX_BYTES_PER_RECORD_MAX = 120
OPEN_MAX_S = 1.0


@dataclass(frozen=True, slots=True)
class Millions:
    """What was measured; `parts` are the fills one after the other."""

    records: int
    memory_before_bytes: int
    parts: list[Filled]
    index_bytes: int
    open_clean_s: float
    open_killed_s: float
    lost: int

    @property
    def bytes_per_record(self) -> float:
        """The slope of memory over the last half."""
        half = self.parts[len(self.parts) // 2 - 1]
        return (self.parts[-1].memory_bytes - half.memory_bytes) / (self.records / 2)

    @property
    def fixed_bytes(self) -> float:
        """What was allocated above that slope."""
        grown = self.parts[-1].memory_bytes - self.memory_before_bytes
        return grown - BYTES_PER_RECORD_MAX * self.records

    def findings(self) -> Iterator[Finding]:
        """The figures that have limits. Few records cannot show a slope of bytes: a page more or less would decide."""
        many = f"{self.records / 1e6:g} M records"
        slope_max = BYTES_PER_RECORD_MAX if self.records >= FULL else None
        yield Finding(f"memory of a record, slope of the last half of {many}", self.bytes_per_record, slope_max, "B")
        name = f"memory of a store of {many} beyond {BYTES_PER_RECORD_MAX} B each"
        yield Finding(name, self.fixed_bytes / MIB, CAPS_BYTES / MIB, "MiB")
        index = self.index_bytes / self.records
        yield Finding("index of a record, on the disk", index, INDEX_BYTES_PER_RECORD_MAX, "B")
        yield Finding(f"opening {many} after a clean stop", self.open_clean_s, OPEN_MAX_S, "s")
        yield Finding(f"opening {many} after kill -9 in a fill", self.open_killed_s, OPEN_MAX_S, "s")
        yield Finding(f"of {SAMPLE} records, lost on the way", self.lost, 0, "")


def measure(directory: Path, *, full: bool) -> Millions:
    """Fills a store, stops it, opens it, kills it in the middle of a fill, opens it again."""
    records = FULL if full else SHORT
    part = records // PARTS
    path, capacity_bytes = directory / "millions", CAPACITY_BYTES[records]
    parts = []
    with StoreProcess(path, capacity_bytes=capacity_bytes, memory_bytes=MEMORY_BYTES) as store:
        memory_before_bytes = store.memory_before_bytes
        for number in range(PARTS):
            print(f"records {number * part} to {(number + 1) * part} of {records}", file=sys.stderr)
            parts.append(store.fill(RECORD_SIZE, number * part, part))
        store.stop()
    with StoreProcess(path, capacity_bytes=capacity_bytes, memory_bytes=MEMORY_BYTES) as store:
        open_clean_s = store.open_s
        # Opened again, the log of the index is written to tables: what is left is what the records take.
        index_bytes = sum(map(allocated_bytes, path.glob("*/idx")))
        lost = SAMPLE - store.found(RECORD_SIZE, records - SAMPLE, SAMPLE)
        store.fill(RECORD_SIZE, records, SAMPLE)
        store.begin_fill(RECORD_SIZE, records + SAMPLE, part)
        time.sleep(KILLED_AFTER_S)
        store.kill()
    with StoreProcess(path, capacity_bytes=capacity_bytes, memory_bytes=MEMORY_BYTES) as store:
        lost += SAMPLE - store.found(RECORD_SIZE, records, SAMPLE)
        return Millions(records, memory_before_bytes, parts, index_bytes, open_clean_s, store.open_s, lost)
