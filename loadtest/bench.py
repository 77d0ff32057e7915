"""`make bench`: memory, start-up and throughput of one node, beside `rclone serve s3` in the same run."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtest.contestants import forebay, rclone
from loadtest.footprint import Finding, findings
from loadtest.throughput import Comparison, compare

GIB = 1024**3
SPARE_SIZE = 3 * GIB
"""What everything but the large object may take on disk."""


def main() -> int:
    """Measures and prints; 1 when a figure is above its limit, 2 when the disk has no room."""
    options = _options()
    large_size = options.gib * GIB
    needed = large_size + SPARE_SIZE
    with tempfile.TemporaryDirectory(prefix="forebay-bench-", dir=options.directory) as name:
        free = shutil.disk_usage(name).free
        if free < needed:
            print(f"{name} has {free / GIB:.1f} GiB free, {needed / GIB:.0f} GiB are needed", file=sys.stderr)
            print("Name a directory on a larger disk with --directory, or smaller objects with --gib.", file=sys.stderr)
            return 2
        directory = Path(name)
        found = list(findings(directory, large_size))
        shutil.rmtree(directory / "footprint")
        print_findings(found)
        with forebay(directory / "forebay") as ours, rclone(directory / "rclone") as theirs:
            print_comparisons(list(compare(ours, theirs, options.rounds)), options.rounds)
    return 0 if all(finding.is_within for finding in found) else 1


def print_findings(found: Sequence[Finding]) -> None:
    """The figures that have limits."""
    print(f"\n{'':40} {'measured':>12} {'at most':>12}")
    for finding in found:
        value, limit = f"{finding.value:.1f} {finding.unit}", f"{finding.limit:g} {finding.unit}"
        print(f"{finding.name:40} {value:>12} {limit:>12}  {'ok' if finding.is_within else 'TOO MUCH'}")
    print(flush=True)


def print_comparisons(compared: Sequence[Comparison], rounds: int) -> None:
    """The figures that have a reference."""
    print(f"\n{f'medians of {rounds} rounds':26} {'forebay':>14} {'rclone':>14} {'ratio':>7}   CPU per request")
    for row in compared:
        ours, theirs = f"{row.ours:.0f} {row.unit.value}", f"{row.theirs:.0f} {row.unit.value}"
        cpu = f"{row.our_cpu_us:8.0f} us {row.their_cpu_us:8.0f} us {row.our_cpu_us / row.their_cpu_us:6.2f}x"
        print(f"{row.name:26} {ours:>14} {theirs:>14} {row.ours / row.theirs:6.2f}x {cpu}")
    print(
        "\nForebay syncs every object to the disk before it acknowledges it; rclone leaves that to the kernel.",
        flush=True,
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    parser.add_argument("--directory", help="where to work, on the disk to measure; default: the system's")
    parser.add_argument("--gib", type=int, default=5, help="size of the large object (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the comparison (default 3)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
