"""What the index of a disk costs the thread that uses it: the map alone, as large as a disk's would be."""

import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from gateway.kv import Kv, KvStalled, SharedCache
from gateway.model import MIB
from gateway.store import entries
from gateway.store.entries import Spot
from loadtest.cpu_time import Spans, us_per_item
from loadtest.finding import Finding

KEYS = {False: 200_000, True: 1_000_000}
KEYS_OF_MANY = 3_000_000
CACHE_BYTES = 64 * MIB
BATCH = 32
INSERTS_PER_S = 20_000
PACED_KEYS = 100_000
SLICE = 64
SLICES = 200
LOOKUPS = 20_000
REST_S = 0.5
GAP_WINDOW_S, GAP_WINDOWS = 0.1, 15

PRESENT_MAX_US, ABSENT_MAX_US, MANY_KEYS_RATIO_MAX = 5, 2, 1.5
BATCH_MAX_US = 60
DROP_RECORD_MAX_US, DROP_SLICE_MAX_MS = 5, 0.5
GAP_RATIO_MAX = 1.2
GAP_SPARE_S = 0.0003
"""What a busy machine may add; a sync that held the GIL would add milliseconds."""


@dataclass(slots=True)
class Filling:
    """Entries numbered from 0 on, written 32 at a time, at a pace or as fast as the map takes them."""

    kv: Kv
    written: int = 0
    stalls: int = 0

    def add(self, keys: int, *, per_s: int | None = None) -> Spans:
        """Writes so many more; returns what each batch took."""
        spans, started = Spans(), time.monotonic()
        for done in range(0, keys, BATCH):
            if per_s is not None:
                time.sleep(max(0.0, started + done / per_s - time.monotonic()))
            items = [(_key(number), _value(number)) for number in range(self.written, self.written + BATCH)]
            with spans.measured():
                self._write(items)
            self.written += BATCH
        return spans

    def _write(self, items: list[tuple[bytes, bytes]]) -> None:
        for _ in count():
            try:
                self.kv.write(items)
            except KvStalled:
                self.stalls += 1
                time.sleep(0.01)
            else:
                return


def findings(directory: Path, *, full: bool) -> Iterator[Finding]:
    """Measures a map in `directory`."""
    keys = KEYS[full]
    print(f"an index of {keys} entries", file=sys.stderr)
    kv = SharedCache.of(CACHE_BYTES).opened(directory / "index")
    filling = Filling(kv)
    try:
        spans = filling.add(PACED_KEYS, per_s=INSERTS_PER_S)
        yield Finding(f"index, stalls at {INSERTS_PER_S} inserts/s", filling.stalls, 0, "")
        yield Finding(f"index, a batch of {BATCH}", spans.median_us, BATCH_MAX_US, "us")
        filling.add(keys - PACED_KEYS)
        _come_to_rest(kv)
        present_us = _lookups_us(filling)
        yield Finding(f"index, get of {keys} present", present_us, PRESENT_MAX_US, "us")
        absent_us = us_per_item(kv.get, [_key(number) for number in range(-LOOKUPS, 0)])
        yield Finding("index, get absent", absent_us, ABSENT_MAX_US, "us")
        yield from _drops(filling)
        yield _gaps(filling)
        if full:
            filling.add(KEYS_OF_MANY - keys)
            _come_to_rest(kv)
            ratio = _lookups_us(filling) / present_us
            yield Finding(f"index, get of {KEYS_OF_MANY} present, to that before", ratio, MANY_KEYS_RATIO_MAX, "x")
    finally:
        kv.close()


def _come_to_rest(kv: Kv) -> None:
    """Lets the map's own threads finish what the fill left them to do."""
    kv.flush()
    sizes = [0, kv.size()]
    while sizes[-1] != sizes[-2]:
        time.sleep(REST_S)
        sizes.append(kv.size())


def _lookups_us(filling: Filling) -> float:
    numbers = random.Random(filling.written).choices(range(filling.written), k=LOOKUPS)
    return us_per_item(filling.kv.get, [_key(number) for number in numbers])


def _drops(filling: Filling) -> Iterator[Finding]:
    """The work of an eviction: reads a slice of entries, sees which point at the segment, deletes those."""
    kv, spans = filling.kv, Spans()
    for first in range(0, SLICE * SLICES, SLICE):
        keys = [_key(number) for number in range(first, first + SLICE)]
        with spans.measured():
            values = kv.get_many(keys)
            live = [
                key
                for at, (key, value) in enumerate(zip(keys, values, strict=True))
                if value is not None and entries.lies_at(value, 1, first + at)
            ]
            kv.write([(key, None) for key in live])
        assert len(live) == SLICE, "what was written is there"
    yield Finding(f"index, eviction of a slice of {SLICE}", spans.median_us / 1000, DROP_SLICE_MAX_MS, "ms")
    yield Finding("index, eviction of a record", spans.median_us / SLICE, DROP_RECORD_MAX_US, "us")


def _gaps(filling: Filling) -> Finding:
    """How long this thread is kept from running while another syncs the log over and over."""
    idle_s, ended, entry = _longest_gap_s(), threading.Event(), (_key(0), _value(0))

    def sync_on() -> None:
        while not ended.is_set():
            filling.kv.write([entry])
            filling.kv.sync()

    syncing = threading.Thread(target=sync_on)
    syncing.start()
    try:
        busy_s = _longest_gap_s()
    finally:
        ended.set()
        syncing.join()
    limit_ms = (GAP_RATIO_MAX * idle_s + GAP_SPARE_S) * 1000
    return Finding("index, longest gap of the loop while its log syncs", busy_s * 1000, limit_ms, "ms")


def _longest_gap_s() -> float:
    """The longest time between two turns of a thread that does nothing else, the median over windows."""
    longest = []
    for _ in range(GAP_WINDOWS):
        end = time.perf_counter() + GAP_WINDOW_S
        before, gap = time.perf_counter(), 0.0
        while before < end:
            time.sleep(0)  # Where a loop would wait for its sockets, the GIL is free.
            now = time.perf_counter()
            gap = max(gap, now - before)
            before = now
        longest.append(gap)
    return statistics.median(longest)


def _key(number: int) -> bytes:
    """Spread like hashes, the same for the same number."""
    return b"o" + (number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)).to_bytes(16, "little")


def _value(number: int) -> bytes:
    return entries.pack_spot(Spot(1, number, 0, 0, 4096, 100, 0, 0)) + bytes(56)
