"""Everything has a limit: requests at once, the time to a head, and the order on a connection."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients.contents import content
from tests.real.node import Node
from tests.real.wire import Wire, answer_of, fetch, path
from tests.robust.watching import MIB, unfinished, until

pytestmark = pytest.mark.slow

REQUESTS = 3


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that does three things at once."""
    with Node(tmp_path_factory.mktemp("narrow"), sets=(f"limits.requests={REQUESTS}", "limits.connections=20")) as node:
        yield node


def test_above_the_limit_of_requests_clients_are_told_to_slow_down(narrow: Node) -> None:
    wire = Wire(narrow)
    demo = narrow.directory / "demo"
    with ExitStack() as stack:
        for number in range(REQUESTS):
            sock = stack.enter_context(wire.connect())
            head = wire.head("PUT", path("demo", f"slow-{number}"), {"content-length": str(8 * MIB)})
            sock.sendall(head + bytes(4 * MIB))
        until(lambda: len(unfinished(demo)) == REQUESTS)
        answer = wire.request("GET", path("demo"))
        assert (answer.status, answer.code) == (503, "SlowDown")
        assert int(answer.headers["retry-after"]) >= 1
        assert fetch(f"{narrow.endpoint}/-/ready").status == 200, "a busy node is a living one"
    until(lambda: wire.request("GET", path("demo")).status == 200)


def test_above_the_limit_of_connections_clients_are_told_to_slow_down(narrow: Node) -> None:
    wire = Wire(narrow)
    with ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(wire.connect())
            sock.sendall(wire.head("GET", path("demo")))
            assert answer_of(sock).status == 200
        with wire.connect() as one_more:
            answer = answer_of(one_more)
        assert (answer.status, answer.code) == (503, "SlowDown")
        assert answer.headers["connection"] == "close"
    until(lambda: wire.request("GET", path("demo")).status == 200)


def test_a_head_that_never_ends_is_timed_out(sufferer: Node, wire: Wire) -> None:
    with wire.connect() as sock:
        sock.sendall(b"GET /demo HTTP/1.1\r\nhost: x\r\nx-slow: ")
        answer = answer_of(sock)
        assert (answer.status, answer.code) == (400, "RequestTimeout")
        assert answer.headers["connection"] == "close"


def test_pipelined_requests_are_answered_in_order(wire: Wire) -> None:
    bodies = {f"p{number}": content(200_000 * (number % 3) + 10, seed=number) for number in range(12)}
    wire.put_many("demo", bodies)
    with wire.connect() as sock:
        sock.sendall(b"".join(wire.head("GET", path("demo", key)) for key in bodies))
        with sock.makefile("rb") as stream:
            for key, body in bodies.items():
                assert b" 200 " in stream.readline(), key
                length = 0
                while (line := stream.readline()) != b"\r\n":
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                assert stream.read(length) == body


def test_one_slow_client_does_not_slow_others(sufferer: Node, wire: Wire, demo: Path) -> None:
    wire.put("demo", "large", content(64 * MIB))
    with wire.connect() as sock:
        sock.sendall(wire.head("GET", path("demo", "large")))
        assert sock.recv(1)
        for number in range(50):
            wire.put("demo", f"quick-{number}", b"body")
            assert wire.get("demo", f"quick-{number}") == b"body"
