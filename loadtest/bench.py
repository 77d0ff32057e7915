"""`make bench`: hits beside nginx, a node over a directory beside rclone, and one over an S3 server that counts."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtest import cached, footprint, hits, kills, streams
from loadtest.cached import Row
from loadtest.contestants import forebay, rclone
from loadtest.finding import Finding, print_findings
from loadtest.kills import Kill
from loadtest.streams import Streams
from loadtest.throughput import Comparison, compare
from tests.real.servers import ServerMissing

MIB = 1024**2
GIB = 1024**3
SPARE_SIZE = 3 * GIB
"""What everything but the large object may take on disk."""


def main() -> int:
    """Measures and prints; 1 when a figure is above its limit, 2 when the disk has no room or a server is missing."""
    options = _options()
    needed = options.gib * GIB + SPARE_SIZE
    with tempfile.TemporaryDirectory(prefix="forebay-bench-", dir=options.directory) as name:
        free = shutil.disk_usage(name).free
        if free < needed:
            print(f"{name} has {free / GIB:.1f} GiB free, {needed / GIB:.0f} GiB are needed", file=sys.stderr)
            print("Name a directory on a larger disk with --directory, or smaller objects with --gib.", file=sys.stderr)
            return 2
        try:
            found = [
                finding
                for part, measure in PARTS.items()
                if options.only in ("", part)
                for finding in measure(Path(name), options)
            ]
        except ServerMissing as reason:
            print(f"A server to compare with cannot be had here: {reason}", file=sys.stderr)
            return 2
    return 0 if all(finding.is_within for finding in found) else 1


def transfers(directory: Path, options: argparse.Namespace) -> list[Finding]:
    """A node over a directory: memory, start-up, and throughput beside a reference."""
    found = list(footprint.findings(directory, options.gib * GIB))
    shutil.rmtree(directory / "footprint")
    print_findings(found)
    with forebay(directory / "forebay") as ours, rclone(directory / "rclone") as theirs:
        print_comparisons(list(compare(ours, theirs, options.rounds)), options.rounds)
    return found


def cache(directory: Path, options: argparse.Namespace) -> list[Finding]:
    """A node over an S3 server that counts: herds, cold and warm reads, streams, kills."""
    herd, reads = cached.measure(directory / "cached")
    print_reads("herds", herd)
    print_reads("reads by one client", reads)
    shutil.rmtree(directory / "cached")
    stream = streams.measure(directory / "streams")
    print_streams(stream)
    shutil.rmtree(directory / "streams")
    killed = kills.measure(directory / "kills")
    print_kills(killed)
    found = [*cached.findings(herd, reads), *stream.findings(), *kills.findings(killed)]
    print_findings(found)
    return found


def hit(directory: Path, options: argparse.Namespace) -> list[Finding]:
    """Hits of a node beside nginx, and for orientation beside S3 servers."""
    rows = hits.measure(directory / "hits", options.rounds, options.case)
    shutil.rmtree(directory / "hits")
    print_hits(rows)
    found = [row.finding() for row in rows]
    print_findings(found)
    return found


PARTS = {"hits": hit, "transfers": transfers, "cache": cache}


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


def print_reads(title: str, rows: Sequence[Row]) -> None:
    """What reads through the cache cost, and cost the backend."""
    print(f"\n{title:40} {'seconds':>8} {'MiB/s':>8} {'CPU per GET':>14}   backend bytes per byte served")
    for row in rows:
        cost = row.cost
        cpu = f"{cost.cpu_us_per_request:.0f} us"
        print(
            f"{row.name:40} {cost.seconds:8.2f} {cost.bytes_per_second / MIB:8.0f} {cpu:>14}   {row.backend_ratio:.4f}"
        )
    print(flush=True)


def print_hits(rows: Sequence[hits.Row]) -> None:
    """What one hit costs each server."""
    servers = list(rows[0].cpu_us)
    print(f"\n{'CPU us a request':18} {'at a time':>9} {''.join(f'{name:>20}' for name in servers)}")
    for row in rows:
        costs = "".join(f"{row.median_us(name):11.1f} {row.ratio(name):7.2f}x" for name in servers)
        print(f"{row.case.name:18} {row.connections:9} {costs}")
    print(flush=True)


def print_streams(stream: Streams) -> None:
    """Cold streams beside direct ones."""
    print(f"\n{f'cold {streams.SIZE} from {streams.RATE}':40} {'through':>10} {'direct':>10} {'ratio':>7}")
    print(f"{'MB/s, medians in turn':40} {stream.ours_mb_s:10.0f} {stream.direct_mb_s:10.0f} {stream.ratio:6.2f}x")
    print(flush=True)


def print_kills(killed: Sequence[Kill]) -> None:
    """What a kill costs."""
    print(f"\n{'kill -9 in the middle of fills':40} {'ready after':>12} {'hits before':>12} {'hits after':>12}")
    for number, kill in enumerate(killed, 1):
        print(f"{f'round {number}':40} {kill.ready_s:10.2f} s {kill.hits_before:12} {kill.hits_after:12}")
    print(flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    parser.add_argument("--directory", help="where to work, on the disk to measure; default: the system's")
    parser.add_argument("--gib", type=int, default=5, help="size of the large object (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the comparison (default 3)")
    parser.add_argument("--case", choices=[case.label for case in hits.CASES], default="", help="one kind of hit")
    parser.add_argument("--only", choices=sorted(PARTS), default="", help="one part of the benchmark")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
