"""Hits beside other servers of the same bytes: CPU time of each server for one request, in turn in one run."""

import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from loadtest.client import Channel, Server
from loadtest.contestants import caching, keep_to_the_other_cores, nginx, rclone, seaweedfs, server_of
from loadtest.finding import Finding
from loadtest.load import waves
from tests.cache_system.scene import Scene, Thing

BUCKET = "plain"
CONNECTIONS = (1, 8)
REFERENCE = "nginx"
OURS = "forebay"
ORIENTATION_SHARE = 5
"""The servers that are there for orientation only get one request in so many."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of hit. `ratio_max` is what it may cost of what it costs the reference."""

    label: str
    name: str
    method: str
    size: str
    objects: int
    requests: int
    ratio_max: float


CASES = (
    Case("4k", "GET 4 KiB", "GET", "4KiB", 256, 20_480, 2.8),
    Case("64k", "GET 64 KiB", "GET", "64KiB", 256, 20_480, 1.7),
    Case("1m", "GET 1 MiB", "GET", "1MiB", 64, 2_560, 1.0),
    Case("8m", "GET 8 MiB", "GET", "8MiB", 8, 320, 1.0),
    Case("head", "HEAD 4 KiB", "HEAD", "4KiB", 256, 20_480, 2.8),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One case over so many connections: CPU microseconds a request by server, one figure a round."""

    case: Case
    connections: int
    cpu_us: Mapping[str, Sequence[float]]

    def median_us(self, server: str) -> float:
        """The middle of a server's rounds."""
        return statistics.median(self.cpu_us[server])

    def ratio(self, server: str) -> float:
        """How many times the reference's cost, round by round: what disturbs a round mostly disturbs both."""
        pairs = zip(self.cpu_us[server], self.cpu_us[REFERENCE], strict=True)
        return statistics.median(cost / reference for cost, reference in pairs)

    def finding(self) -> Finding:
        """What is held to a limit."""
        name = f"CPU of a {self.case.name} hit, {self.connections} connection{'s' if self.connections > 1 else ''}"
        return Finding(f"{name}, against {REFERENCE}", self.ratio(OURS), self.case.ratio_max, "x")


def measure(directory: Path, rounds: int, label: str = "") -> list[Row]:
    """Every case on every server in turn, `rounds` times; of the case `label` alone, ours and the reference only.

    Raises `ServerMissing` where a server cannot be had.
    """
    cases = [case for case in CASES if label in ("", case.label)]
    with _contestants(directory, cases, everyone=not label) as (servers, things):
        cells = [(case, connections) for case in cases for connections in CONNECTIONS]
        figures: dict[tuple[str, int], dict[str, list[float]]] = {}
        for number in range(1, rounds + 1):
            for case, connections in cells:
                print(f"round {number} of {rounds}: {case.name}, {connections} at a time", file=sys.stderr)
                by_server = figures.setdefault((case.label, connections), {server.name: [] for server in servers})
                for server in servers:
                    by_server[server.name].append(_cpu_us(server, case, things[case.size], connections))
    return [Row(case, connections, figures[case.label, connections]) for case, connections in cells]


def _cpu_us(server: Server, case: Case, things: Sequence[Thing], connections: int) -> float:
    count = case.requests // (1 if server.name in (OURS, REFERENCE) else ORIENTATION_SHARE)
    has_body, size = case.method != "HEAD", things[0].size
    # Connections, code and pages are warm when the clock starts.
    waves(server, list(_requests(server, case.method, things, len(things))), size, connections, has_body=has_body)
    requests = list(_requests(server, case.method, things, count))
    return waves(server, requests, size, connections, has_body=has_body).cpu_us_per_request


def _requests(server: Server, method: str, things: Sequence[Thing], count: int) -> Iterator[bytes]:
    """No two are the same: all objects in turn, each turn signed one second later, the last one now."""
    turns = -(-count // len(things))
    now = datetime.now(UTC)
    for number in range(count):
        turn, at = divmod(number, len(things))
        yield server.head(method, things[at].key, now=now - timedelta(seconds=turns - turn))


@contextmanager
def _contestants(
    directory: Path, cases: Sequence[Case], *, everyone: bool
) -> Iterator[tuple[list[Server], dict[str, list[Thing]]]]:
    """The servers, and by size the objects that all of them hold."""
    directory.mkdir()
    with ExitStack() as stack:
        reference = stack.enter_context(nginx(directory / "nginx", BUCKET))
        scene = stack.enter_context(caching(directory / "forebay"))
        things = {case.size: [scene.thing(case.size, BUCKET) for _ in range(case.objects)] for case in cases}
        every = [thing for some in things.values() for thing in some]
        _write(directory / "nginx" / "root" / BUCKET, every)
        servers = [server_of(scene, BUCKET), reference]
        fill(scene, every)
        if everyone:
            servers.append(stack.enter_context(rclone(directory / "rclone", BUCKET)))
            _write(directory / "rclone" / BUCKET, every)
            servers.append(stack.enter_context(seaweedfs(directory / "seaweedfs", BUCKET)))
            _put(servers[-1], every)
        keep_to_the_other_cores()
        yield servers, things


def _write(directory: Path, things: Sequence[Thing]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for thing in things:
        (directory / thing.key).write_bytes(thing.content())


def fill(scene: Scene, things: Sequence[Thing]) -> None:
    """Makes the node hold the things, and sees that it does."""
    for thing in things:
        scene.get(thing)
        answer = scene.get(thing)
        assert answer.headers["x-cache"] == "hit", answer.headers
        assert answer.body == thing.content()


def _put(server: Server, things: Sequence[Thing]) -> None:
    channel = Channel(server)
    for thing in things:
        channel.send(server.put_head(thing.key, thing.size))
        channel.send(thing.content())
        channel.finish()
    channel.close()
