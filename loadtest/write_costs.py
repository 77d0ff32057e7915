"""How fast a store takes records, and what it brings to write many with one call to the system."""

import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from gateway.model import MIB
from loadtest.finding import Finding
from loadtest.store_process import Filled, StoreProcess

CAPACITY_BYTES = 6 << 30
FILLS = ((32_768, 16_000), (102_400, 8_000), (MIB, 1_000))
"""Size of a record, and how many of them."""
GATHERED_BYTES = 256 * MIB
GATHERED = (("16 of 32 KiB", 32_768, 16), ("8 of 100 KiB", 102_400, 8))
"""Size of a record, and how many with one write."""
GATHERED_RATIO_MAX = 1.0
ROUNDS = 3


def fills(directory: Path) -> list[Filled]:
    """Records of each size, kept by a store that has room for all of them."""
    filled, first = [], 0
    with StoreProcess(directory / "fills", capacity_bytes=CAPACITY_BYTES) as store:
        for size, count in FILLS:
            print(f"{count} records of {size} bytes", file=sys.stderr)
            filled.append(store.fill(size, first, count))
            first += count
        store.stop()
    return filled


def print_fills(filled: list[Filled]) -> None:
    """What the fills took."""
    print(f"\n{'records kept':20} {'records/s':>12} {'MB/s':>8} {'per core: records/s':>22} {'MB/s':>8} {'refused':>8}")
    for one in filled:
        rate, core_rate = one.records / one.seconds, one.records_per_core_s
        mb, core_mb = rate * one.size / 1e6, one.bytes_per_core_s / 1e6
        print(
            f"{f'{one.size / 1024:g} KiB':20} {rate:12.0f} {mb:8.0f} {core_rate:22.0f} {core_mb:8.0f} {one.refused:8}"
        )
    print(flush=True)


def findings(directory: Path) -> Iterator[Finding]:
    """What it costs to keep records that are written many with one call to the system, to one by one."""
    for name, size, together in GATHERED:
        print(f"records of {size} bytes, {together} at a time and one by one", file=sys.stderr)
        pairs = [(_cpu_seconds(directory, size, together), _cpu_seconds(directory, size, 1)) for _ in range(ROUNDS)]
        ratio = statistics.median(many / one for many, one in pairs)
        yield Finding(f"CPU to keep a record, {name} in a write, to one in a write", ratio, GATHERED_RATIO_MAX, "x")


def _cpu_seconds(directory: Path, size: int, together: int) -> float:
    path, count = directory / "gathered", GATHERED_BYTES // size
    with StoreProcess(path, capacity_bytes=CAPACITY_BYTES, batch_records=together) as store:
        filled = store.fill(size, 0, count)
    shutil.rmtree(path)
    return filled.cpu_seconds
