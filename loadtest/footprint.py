"""What a node takes: memory for large transfers and for idle connections, memory at rest, time to start."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from loadtest.client import Channel, Server
from loadtest.contestants import forebay
from loadtest.finding import Finding
from tests.real.memory import MemoryWatch
from tests.real.node import Node

MIB = 1024 * 1024
PIECE = memoryview(bytes(range(256)) * (MIB // 256))
CONNECTIONS = 1000
STARTS = 3

TRANSFER_MAX_MIB = 150
CONNECTIONS_MAX_MIB = 50
IDLE_MAX_MIB = 90
START_MAX_S = 1.5


def findings(directory: Path, large_size: int) -> Iterator[Finding]:
    """Measures in `directory`, with a transfer of `large_size` bytes each way."""
    print("starting nodes", file=sys.stderr)
    seconds, idle_mib = _starts(directory)
    yield Finding("start to ready, best of three", seconds, START_MAX_S, "s")
    yield Finding("memory of an idle node", idle_mib, IDLE_MAX_MIB, "MiB")
    with forebay(directory / "footprint") as server:
        print(f"{CONNECTIONS} idle connections", file=sys.stderr)
        mib = _above_idle(server, _hold_connections)
        yield Finding(f"memory of {CONNECTIONS} idle connections", mib, CONNECTIONS_MAX_MIB, "MiB")
        size = f"{large_size / 1024**3:g} GiB"
        print(f"PUT of {size}", file=sys.stderr)
        mib = _above_idle(server, lambda it: _put(it, large_size))
        yield Finding(f"PUT of {size}, memory above idle", mib, TRANSFER_MAX_MIB, "MiB")
        print(f"GET of {size}", file=sys.stderr)
        mib = _above_idle(server, _get)
        yield Finding(f"GET of {size}, memory above idle", mib, TRANSFER_MAX_MIB, "MiB")


def _starts(directory: Path) -> tuple[float, float]:
    """The shortest start, and the memory that the last of these nodes then takes in MiB."""
    seconds, rss_bytes = [], 0
    for _ in range(STARTS):
        with Node(Path(tempfile.mkdtemp(dir=directory))) as node:
            seconds.append(node.ready_after_s)
            rss_bytes = node.rss_bytes()
    return min(seconds), rss_bytes / MIB


def _above_idle(server: Server, work: Callable[[Server], None]) -> float:
    with MemoryWatch(server.pid) as watch:
        work(server)
    return watch.above_idle_bytes / MIB


def _hold_connections(server: Server) -> None:
    with ExitStack() as stack:
        channels = [Channel(server) for _ in range(CONNECTIONS)]
        for channel in channels:
            stack.callback(channel.close)
        head = server.get_head("")
        for channel in channels:
            channel.send(head)
            channel.finish()


def _put(server: Server, size: int) -> None:
    channel = Channel(server)
    channel.send(server.put_head("large", size))
    for _ in range(size // MIB):
        channel.send(PIECE)
    channel.finish()
    channel.close()


def _get(server: Server) -> None:
    channel = Channel(server)
    channel.send(server.get_head("large"))
    channel.finish()
    channel.close()
