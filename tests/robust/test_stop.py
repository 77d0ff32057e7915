"""SIGTERM: what is in progress ends well, nothing new begins, and there is an end to waiting."""

import contextlib
import http.client
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.clients.contents import content
from tests.real.node import Node
from tests.real.wire import Wire, fetch, path
from tests.robust.watching import MIB, until

pytestmark = pytest.mark.slow

SIZE = 64 * MIB
"""More than all buffers between the two ends hold, so the answer waits for its reader."""


@contextlib.contextmanager
def reading_slowly(node: Node) -> Iterator[http.client.HTTPResponse]:
    """An answer that has begun and waits to be read on."""
    wire = Wire(node)
    body = content(SIZE)
    wire.put("demo", "large", body)
    with wire.connect() as sock:
        sock.sendall(wire.head("GET", path("demo", "large")))
        response = http.client.HTTPResponse(sock, method="GET")
        response.begin()
        assert response.read(MIB) == body[:MIB]
        yield response


def refuses(port: int) -> bool:
    """Whether nobody takes new connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def is_ready(node: Node) -> bool:
    """What a load balancer would conclude."""
    try:
        return fetch(f"{node.admin}/readyz").status == 200
    except OSError:
        return False


def test_an_answer_in_progress_is_completed(tmp_path: Path) -> None:
    with Node(tmp_path) as node, reading_slowly(node) as response:
        process = psutil.Process(node.pid)
        assert is_ready(node)
        process.send_signal(signal.SIGTERM)
        until(lambda: refuses(node.s3_port))
        # A load balancer is told, not merely turned away, for as long as an answer is in progress.
        assert fetch(f"{node.admin}/readyz").status == 503
        assert node.is_running
        assert response.read() == content(SIZE)[MIB:]
        assert process.wait(10) == 0


def test_an_upload_in_progress_is_completed(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        wire = Wire(node)
        with wire.connect() as sock:
            sock.sendall(wire.head("PUT", path("demo", "k"), {"content-length": str(8 * MIB)}) + content(8 * MIB)[:-1])
            process = psutil.Process(node.pid)
            until(lambda: any((tmp_path / "demo" / ".forebay" / "tmp").iterdir()))
            process.send_signal(signal.SIGTERM)
            until(lambda: refuses(node.s3_port))
            sock.sendall(content(8 * MIB)[-1:])
            response = http.client.HTTPResponse(sock, method="PUT")
            response.begin()
            assert response.status == 200
        assert process.wait(10) == 0
        assert (tmp_path / "demo" / "k").read_bytes() == content(8 * MIB)


def test_idle_connections_do_not_hold_it_up(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        wire = Wire(node)
        with wire.connect() as sock, wire.connect():
            sock.sendall(wire.head("GET", path("demo")))
            response = http.client.HTTPResponse(sock, method="GET")
            response.begin()
            response.read()
            assert node.stop() == 0
            assert sock.recv(1) == b""


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Node(tmp_path) as node, reading_slowly(node):
        process = psutil.Process(node.pid)
        process.send_signal(signal.SIGTERM)
        until(lambda: refuses(node.s3_port))
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) is not None


def test_the_grace_has_an_end(tmp_path: Path) -> None:
    with Node(tmp_path, sets=("node.stop_grace=1s", "log.level=debug")) as node, reading_slowly(node) as response:
        process = psutil.Process(node.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) is not None
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
        assert '"error": "Stopped"' in node.log_text(), "the log tells it from an answer that was read"


def test_a_node_that_was_stopped_starts_again_with_all_it_had(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        wire = Wire(node)
        assert wire.request("PUT", path("kept")).status == 200
        wire.put("kept", "k", b"body")
        node.restart()
        assert wire.get("kept", "k") == b"body"
