"""Cold streams through the node beside the same HTTP code reading the backend directly, in turn."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loadtest.client import Channel, Server
from loadtest.contestants import caching, on_a_core_of_its_own, server_of
from loadtest.finding import Finding
from loadtest.load import expect
from tests.cache_system.scene import MIB, Thing
from tests.fakes.stub import BUCKET

RATE = "400MB/s"
SIZE = "64MiB"
ROUNDS = 15
RATIO_MIN = 0.9


@dataclass(frozen=True, slots=True)
class Streams:
    """Median rates of both ways, and the median of their ratios round by round."""

    ours_mb_s: float
    direct_mb_s: float
    ratio: float

    def findings(self) -> Iterator[Finding]:
        """How much longer a stream takes; the limit is the inverse of the ratio that is asked for."""
        yield Finding(f"time of a cold stream of {SIZE} against a direct one", 1 / self.ratio, 1 / RATIO_MIN, "x")


def measure(directory: Path) -> Streams:
    """Streams cold objects both ways from a backend of limited bandwidth."""
    with caching(directory, "--rate", RATE) as scene, _direct_reader(scene.stub.endpoint) as direct:
        server = server_of(scene, "plain")
        pairs = []
        for number in range(ROUNDS + 1):
            print(f"stream {number} of {ROUNDS}", file=sys.stderr)
            pair = (_through(server, scene.thing(SIZE)), direct.seconds(scene.thing(SIZE)))
            if number:  # The first round opens connections and loads code.
                pairs.append(pair)
    size_mb = 64 * MIB / 1e6
    return Streams(
        statistics.median(size_mb / ours for ours, _ in pairs),
        statistics.median(size_mb / theirs for _, theirs in pairs),
        statistics.median(theirs / ours for ours, theirs in pairs),
    )


def _through(server: Server, thing: Thing) -> float:
    head = server.get_head(thing.key)
    channel = Channel(server)
    started = time.monotonic()
    channel.send(head)
    expect(channel.finish(), thing.size)
    seconds = time.monotonic() - started
    channel.close()
    return seconds


class _DirectReader:
    """The process that reads directly, one object at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def seconds(self, thing: Thing) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{thing.place} {thing.size}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextmanager
def _direct_reader(endpoint: str) -> Iterator[_DirectReader]:
    command = [sys.executable, "-m", "loadtest.direct_reader", endpoint, BUCKET]
    with on_a_core_of_its_own():
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield _DirectReader(process)
    finally:
        process.kill()
        process.communicate()
