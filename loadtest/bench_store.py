"""`make bench-store`: what the block store costs and holds; FULL=1 for stores of the size that it is designed for."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from loadtest import index_costs, millions, steady, store_costs, write_costs
from loadtest.finding import Finding, print_findings


def main() -> int:
    """Measures and prints; 1 when a figure is above its limit."""
    options = _options()
    full, within = os.environ.get("FULL", "") not in ("", "0"), True
    for name, part in PARTS.items():
        if options.only in ("", name):
            with tempfile.TemporaryDirectory(prefix="forebay-bench-", dir=options.directory) as directory:
                found = list(part(Path(directory), full))
            print_findings(found)
            within = within and all(finding.is_within for finding in found)
    return 0 if within else 1


def writes(directory: Path, full: bool) -> Iterator[Finding]:
    """How fast records come in; the sizes are always the same."""
    write_costs.print_fills(write_costs.fills(directory))
    yield from write_costs.findings(directory)


def costs(directory: Path, full: bool) -> Iterator[Finding]:
    """What one use of the index and of the store costs."""
    yield from index_costs.findings(directory, full=full)
    yield from store_costs.findings(directory, full=full)


def memory(directory: Path, full: bool) -> Iterator[Finding]:
    """What many records take."""
    yield from millions.measure(directory, full=full).findings()


def steadiness(directory: Path, full: bool) -> Iterator[Finding]:
    """How late hits come while the store is at work, and while its disk is slow."""
    measured = steady.measure(directory)
    steady.print_steadiness(measured)
    yield from measured.findings()


PARTS = {"writes": writes, "costs": costs, "memory": memory, "steady": steadiness}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench_store", description=__doc__)
    parser.add_argument("--directory", help="where to work, on the disk to measure; default: the system's")
    parser.add_argument("--only", choices=sorted(PARTS), default="", help="one part of the benchmark")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
