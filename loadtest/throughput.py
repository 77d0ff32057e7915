"""PUT and GET of two servers side by side: what is asked of them, and what it took."""

import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial

from loadtest.client import Channel, Server
from loadtest.load import Cost, expect, spread, waves

MIB = 1024 * 1024
LARGE_SIZE = 64 * MIB
LARGE_OBJECTS = 8
PARALLEL = 4
SMALL_SIZE = 4096
SMALL_OBJECTS = 256
SMALL_REQUESTS = 4000


class Unit(Enum):
    """What counts as fast."""

    MIB = "MiB/s"
    REQUESTS = "1/s"

    def rate(self, cost: Cost) -> float:
        """How fast it went."""
        return (cost.size / MIB if self is Unit.MIB else cost.requests) / cost.seconds


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of load."""

    name: str
    unit: Unit
    run: Callable[[Server], Cost]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Medians of both servers for one case."""

    name: str
    unit: Unit
    ours: float
    theirs: float
    our_cpu_us: float
    their_cpu_us: float


def compare(ours: Server, theirs: Server, rounds: int) -> Iterator[Comparison]:
    """Every case on both servers in turn, `rounds` times; GETs read what the PUTs before them wrote."""
    costs: dict[str, list[tuple[Cost, Cost]]] = {case.name: [] for case in CASES}
    for number in range(1, rounds + 1):
        for case in CASES:
            print(f"round {number} of {rounds}: {case.name}", file=sys.stderr)
            costs[case.name].append((case.run(ours), case.run(theirs)))
    for case in CASES:
        ours_of, theirs_of = zip(*costs[case.name], strict=True)
        yield Comparison(
            case.name,
            case.unit,
            _median(ours_of, case.unit.rate),
            _median(theirs_of, case.unit.rate),
            _median(ours_of, lambda cost: cost.cpu_us_per_request),
            _median(theirs_of, lambda cost: cost.cpu_us_per_request),
        )


def put_large(server: Server, parallel: int) -> Cost:
    """Writes the large objects, each over a connection that stays."""
    body = memoryview(os.urandom(LARGE_SIZE))
    heads = [server.put_head(f"large-{number}", LARGE_SIZE) for number in range(LARGE_OBJECTS)]

    def write(channel: Channel, head: bytes) -> None:
        channel.send(head)
        channel.send(body)
        channel.finish()

    return spread(server, heads, LARGE_SIZE, parallel, write)


def get_large(server: Server, parallel: int) -> Cost:
    """Reads the large objects."""
    heads = [server.get_head(f"large-{number}") for number in range(LARGE_OBJECTS)]

    def read(channel: Channel, head: bytes) -> None:
        channel.send(head)
        expect(channel.finish(), LARGE_SIZE)

    return spread(server, heads, LARGE_SIZE, parallel, read)


def put_small(server: Server) -> Cost:
    """Writes the small objects over and over."""
    body = os.urandom(SMALL_SIZE)
    requests = [server.put_head(f"small-{number}", SMALL_SIZE) + body for number in range(SMALL_OBJECTS)]
    return waves(server, _repeated(requests), answer_size=0)


def get_small(server: Server) -> Cost:
    """Reads the small objects over and over."""
    requests = [server.get_head(f"small-{number}") for number in range(SMALL_OBJECTS)]
    return waves(server, _repeated(requests), answer_size=SMALL_SIZE)


CASES = (
    Case("PUT 64 MiB, one at a time", Unit.MIB, partial(put_large, parallel=1)),
    Case("PUT 64 MiB, 4 at a time", Unit.MIB, partial(put_large, parallel=PARALLEL)),
    Case("GET 64 MiB, one at a time", Unit.MIB, partial(get_large, parallel=1)),
    Case("GET 64 MiB, 4 at a time", Unit.MIB, partial(get_large, parallel=PARALLEL)),
    Case("PUT 4 KiB", Unit.REQUESTS, put_small),
    Case("GET 4 KiB", Unit.REQUESTS, get_small),
)


def _repeated(requests: Sequence[bytes]) -> Sequence[bytes]:
    return [requests[number % len(requests)] for number in range(SMALL_REQUESTS)]


def _median(costs: Sequence[Cost], figure: Callable[[Cost], float]) -> float:
    return statistics.median(figure(cost) for cost in costs)
