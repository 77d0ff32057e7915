"""Requests sent over a few connections, and what they cost the server."""

import ctypes
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from loadtest.client import Channel, LoadFailed, Server

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Cost:
    """What some requests took: wall time, and CPU time of the server's process with all its threads."""

    requests: int
    size: int
    seconds: float
    cpu_seconds: float

    @property
    def cpu_us_per_request(self) -> float:
        return self.cpu_seconds * 1e6 / self.requests

    @property
    def bytes_per_second(self) -> float:
        return self.size / self.seconds


class Meter:
    """Wall time and the CPU time of the server's processes, those that `pid` started included, from its making on."""

    def __init__(self, pid: int) -> None:
        processes = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        self._clocks = [_cpu_clock(each) for each in processes]
        self._cpu_started = self._cpu_seconds()
        self._started = time.monotonic()

    def cost(self, requests: int, size: int) -> Cost:
        """What `requests`, which moved `size` bytes, took."""
        seconds = time.monotonic() - self._started
        return Cost(requests, size, seconds, self._cpu_seconds() - self._cpu_started)

    def _cpu_seconds(self) -> float:
        return sum(time.clock_gettime(clock) for clock in self._clocks)


def waves(
    server: Server,
    requests: Sequence[bytes],
    answer_size: int,
    connections: int = CONNECTIONS,
    *,
    has_body: bool = True,
) -> Cost:
    """A request on each connection, then an answer from each, and so on. Every answer tells `answer_size` bytes."""
    with _channels(server, connections) as channels:
        meter = Meter(server.pid)
        for start in range(0, len(requests), connections):
            wave = requests[start : start + connections]
            for channel, request in zip(channels, wave, strict=False):
                channel.send(request)
            for channel, _ in zip(channels, wave, strict=False):
                expect(channel.finish(has_body=has_body), answer_size)
        return meter.cost(len(requests), len(requests) * answer_size)


def spread(
    server: Server, heads: Sequence[bytes], size: int, parallel: int, exchange: Callable[[Channel, bytes], None]
) -> Cost:
    """An exchange of `size` bytes for each head, over `parallel` connections that each have their share."""

    def share(channel: Channel, start: int) -> None:
        for head in heads[start::parallel]:
            exchange(channel, head)

    with _channels(server, parallel) as channels, ThreadPoolExecutor(parallel) as pool:
        meter = Meter(server.pid)
        list(pool.map(share, channels, range(parallel)))
        return meter.cost(len(heads), len(heads) * size)


def expect(size: int, expected: int) -> None:
    """Raises `LoadFailed` if an answer has another size."""
    if size != expected:
        raise LoadFailed(f"{size} bytes instead of {expected}")


def _cpu_clock(pid: int) -> int:
    """The clock that counts the CPU time of a process with all its threads in nanoseconds, not in ticks of 10 ms."""
    clock = ctypes.c_int()
    failure = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    if failure:
        raise OSError(failure, os.strerror(failure))
    return clock.value


@contextmanager
def _channels(server: Server, count: int) -> Iterator[list[Channel]]:
    channels = [Channel(server) for _ in range(count)]
    try:
        yield channels
    finally:
        for channel in channels:
            channel.close()
