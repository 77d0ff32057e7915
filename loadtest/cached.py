"""Reads through the cache: what they cost the node, and how many bytes each costs the backend."""

import asyncio
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtest.client import Channel, LoadFailed
from loadtest.contestants import caching, server_of
from loadtest.finding import Finding
from loadtest.load import Cost, Meter, expect, spread, waves
from tests.cache_system.readers import read_spans
from tests.cache_system.scene import MIB, Scene, Thing

KIB = 1024
HERD_CLIENTS = 200
HERD_SIZE = 64 * MIB
HERD_RANGE_SIZE = 8 * MIB
SMALL_IN_FLIGHT = 16
WARM_UP_REQUESTS = 200
COLD_64_KIB_MAX_US = 450
BUCKET = "plain"


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of read: what it took, and the bytes that the backend sent for it."""

    name: str
    cost: Cost
    backend_bytes: int
    cpu_us_max: float | None = None

    @property
    def backend_ratio(self) -> float:
        """Bytes sent by the backend for each byte served."""
        return self.backend_bytes / self.cost.size


def herds(scene: Scene) -> Iterator[Row]:
    """Many clients that read one cold object at the same time: in ranges that lie anywhere, and whole."""
    chance = random.Random(1)
    starts = list(range(0, HERD_SIZE, HERD_RANGE_SIZE))
    starts += [chance.randrange(HERD_SIZE - HERD_RANGE_SIZE) for _ in range(HERD_CLIENTS - len(starts))]
    ranges = [(start, start + HERD_RANGE_SIZE) for start in starts]
    yield _herd(scene, f"{HERD_CLIENTS} clients, 8 MiB ranges of 64 MiB", scene.thing("64MiB"), ranges)
    whole = [(0, HERD_SIZE)] * HERD_CLIENTS
    yield _herd(scene, f"{HERD_CLIENTS} clients, all of 64 MiB", scene.thing("64MiB"), whole)


def single_reads(scene: Scene) -> Iterator[Row]:
    """Reads of objects that nobody else reads, cold and then warm."""
    waves(server_of(scene, BUCKET), _heads(scene, _things(scene, "64KiB", WARM_UP_REQUESTS)), 64 * KIB)
    for name, size, count, limit in (
        ("4 KiB", "4KiB", 4000, None),
        ("64 KiB", "64KiB", 4000, COLD_64_KIB_MAX_US),
        ("1 MiB", "1MiB", 400, None),
        ("64 MiB", "64MiB", 16, None),
    ):
        print(f"reads of {name}", file=sys.stderr)
        things = _things(scene, size, count)
        yield _counted(scene, f"{name} cold", lambda things=things: _read(scene, things), limit)  # type: ignore[misc]
        yield _counted(scene, f"{name} warm", lambda things=things: _read(scene, things))  # type: ignore[misc]


def findings(herd: Sequence[Row], reads: Sequence[Row]) -> Iterator[Finding]:
    """The figures of both tables that have limits."""
    for row in herd:
        yield Finding(f"backend bytes per byte, {row.name}", row.backend_bytes / HERD_SIZE, 1, "x")
    for row in reads:
        if row.cpu_us_max is not None:
            yield Finding(f"CPU of a GET of {row.name}", row.cost.cpu_us_per_request, row.cpu_us_max, "us")
        if row.name.endswith("warm"):
            yield Finding(f"backend bytes per byte, {row.name}", row.backend_ratio, 0, "x")


def measure(directory: Path) -> tuple[list[Row], list[Row]]:
    """Both tables: herds, and single reads."""
    with caching(directory) as scene:
        print("herds", file=sys.stderr)
        return list(herds(scene)), list(single_reads(scene))


def _herd(scene: Scene, name: str, thing: Thing, spans: Sequence[tuple[int, int]]) -> Row:
    def run() -> Cost:
        meter = Meter(scene.node.pid)
        found = asyncio.run(read_spans(scene, thing, spans))
        if not all(taken.right for taken in found):
            raise LoadFailed(f"wrong answers: {name}")
        return meter.cost(len(spans), sum(taken.size for taken in found))

    return _counted(scene, name, run)


def _counted(scene: Scene, name: str, run: Callable[[], Cost], cpu_us_max: float | None = None) -> Row:
    scene.stub.reset()
    cost = run()
    return Row(name, cost, scene.stub.traffic().bytes, cpu_us_max)


def _things(scene: Scene, size: str, count: int) -> list[Thing]:
    return [scene.thing(size, BUCKET) for _ in range(count)]


def _heads(scene: Scene, things: Sequence[Thing]) -> list[bytes]:
    server = server_of(scene, BUCKET)
    return [server.get_head(thing.key) for thing in things]


def _read(scene: Scene, things: Sequence[Thing]) -> Cost:
    server, heads, size = server_of(scene, BUCKET), _heads(scene, things), things[0].size
    if size <= MIB:
        return waves(server, heads, size, SMALL_IN_FLIGHT)

    def read(channel: Channel, head: bytes) -> None:
        channel.send(head)
        expect(channel.finish(), size)

    return spread(server, heads, size, 1, read)
