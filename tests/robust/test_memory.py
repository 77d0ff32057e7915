"""How much memory and time a node takes: streams, idle connections, an idle node, its start."""

import hashlib
import http.client
import resource
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.contents import content
from tests.real.memory import MemoryWatch
from tests.real.node import Node
from tests.real.wire import Wire, answer_of, path
from tests.robust.watching import MIB

pytestmark = pytest.mark.slow

LARGE_SIZE = 512 * MIB
TRANSFER_MAX = 150 * MIB
CONNECTIONS = 1000
CONNECTIONS_MAX = 50 * MIB
IDLE_MAX = 90 * MIB
START_MAX_S = 1.5


@pytest.fixture(params=["http", "https"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Node]:
    """A node that has done nothing yet."""
    with Node(tmp_path, tls=request.param == "https") as node:
        yield node


def pieces() -> Iterator[bytes]:
    """512 MiB, one piece of which is never like the one before."""
    base = content(MIB)
    for number in range(LARGE_SIZE // MIB):
        yield number.to_bytes(4, "big") + base[4:]


def test_512_mib_stream_through_little_memory_both_ways(fresh: Node) -> None:
    wire = Wire(fresh)
    digest = hashlib.sha256()
    with MemoryWatch(fresh.pid) as watch, wire.connect() as sock:
        sock.sendall(wire.head("PUT", path("demo", "large"), {"content-length": str(LARGE_SIZE)}))
        for piece in pieces():
            digest.update(piece)
            sock.sendall(piece)
        assert answer_of(sock, "PUT").status == 200
    assert watch.above_idle_bytes < TRANSFER_MAX
    with MemoryWatch(fresh.pid) as watch:
        assert wire.sha256("demo", "large") == digest.hexdigest()
    assert watch.above_idle_bytes < TRANSFER_MAX


def test_readers_that_read_slowly_hold_little_memory(fresh: Node) -> None:
    wire = Wire(fresh)
    body = content(64 * MIB)
    wire.put("demo", "large", body)
    with ExitStack() as stack, MemoryWatch(fresh.pid) as watch:
        for _ in range(20):
            sock = stack.enter_context(wire.connect())
            sock.sendall(wire.head("GET", path("demo", "large")))
            response = http.client.HTTPResponse(sock, method="GET")
            response.begin()
            assert response.read(MIB) == body[:MIB]
    assert watch.above_idle_bytes < TRANSFER_MAX


def test_1000_idle_connections_cost_little_memory(tmp_path: Path) -> None:
    allow_files(2 * CONNECTIONS)
    with Node(tmp_path) as node, ExitStack() as stack:
        wire = Wire(node)
        question = wire.head("GET", path("demo"))
        with MemoryWatch(node.pid) as watch:
            sockets = [stack.enter_context(wire.connect()) for _ in range(CONNECTIONS)]
            for sock in sockets:
                sock.sendall(question)
                assert answer_of(sock).status == 200
        assert watch.above_idle_bytes < CONNECTIONS_MAX
        sockets[0].sendall(question)
        assert answer_of(sockets[0]).status == 200, "they are still open"


def test_an_idle_node_is_small(fresh: Node) -> None:
    assert fresh.rss_bytes() <= IDLE_MAX


def test_a_node_is_ready_soon(tmp_path: Path) -> None:
    starts = []
    for _ in range(3):
        with Node(tmp_path) as node:
            starts.append(node.ready_after_s)
    assert min(starts) <= START_MAX_S


def allow_files(count: int) -> None:
    """Lets this process, and the nodes it starts, have that many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
