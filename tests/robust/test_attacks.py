"""What an enemy sends: every attack that once worked, against a real node."""

import resource
import socket
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from gateway.model import MIB
from tests.real.memory import MemoryWatch
from tests.real.node import Node
from tests.real.wire import Answer, Wire, answer_of, head_bytes
from tests.robust.watching import unfinished, until
from tests.wire.signing import Url, multipart_form


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of the module's own, whose bucket `demo` strangers may write."""
    with Node(tmp_path_factory.mktemp("node"), extra=STRANGERS) as running:
        yield running


STRANGERS = """
[policy.anonymous]
statement = [{ effect = "Allow", action = ["s3:PutObject"], resource = ["demo/*"] }]
"""


@pytest.fixture
def wire(node: Node) -> Wire:
    return Wire(node)


INJECTIONS = [
    ("x-amz-meta-a: 1\r\nset-cookie: stolen=1\r\nb", "1"),
    ("x-amz-meta-a\n\n<script>", "1"),
    ("x-amz-meta-a b", "1"),
    ("x-amz-meta-a", "1\r\nset-cookie: stolen=1"),
    ("x-amz-meta-a", "bell\x07"),
]


@pytest.mark.parametrize("injected", INJECTIONS)
def test_what_stands_in_a_url_as_a_header_cannot_break_the_head_of_a_later_answer(
    wire: Wire, injected: tuple[str, str]
) -> None:
    target = Url("PUT", "/demo/injected", wire.host, [injected]).signed(wire.signer)
    assert _asked(wire, "PUT", target, b"bytes").code == "InvalidArgument"
    assert wire.request("GET", "/demo/injected").code == "NoSuchKey"


@pytest.mark.parametrize(
    "injected",
    [("x-amz-meta-a\nset-cookie", "1"), ("content-type", "text/html\r\nset-cookie: stolen=1"), ("x-amz-meta-a", "1\n")],
)
def test_what_stands_in_a_form_as_a_header_cannot_break_the_head_of_a_later_answer(
    wire: Wire, injected: tuple[str, str]
) -> None:
    body = multipart_form([("key", "injected"), injected], b"bytes")
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    assert _asked(wire, "POST", "/demo", body, headers).code == "InvalidArgument"
    assert wire.request("GET", "/demo/injected").code == "NoSuchKey"


EXPECTED_OWNER = ("x-amz-expected-bucket-owner", "f" * 64)


def test_a_guard_that_was_signed_into_a_url_or_a_form_is_kept(wire: Wire) -> None:
    target = Url("PUT", "/demo/guarded", wire.host, [EXPECTED_OWNER]).signed(wire.signer)
    assert _asked(wire, "PUT", target, b"bytes").code == "AccessDenied"
    body = multipart_form([("key", "guarded"), EXPECTED_OWNER], b"bytes")
    headers = {"content-type": "multipart/form-data; boundary=edge"}
    assert _asked(wire, "POST", "/demo", body, headers).code == "AccessDenied"
    assert wire.request("GET", "/demo/guarded").code == "NoSuchKey"


def test_forms_that_do_not_end_keep_no_memory_from_others(node: Node, wire: Wire) -> None:
    head = {"host": wire.host, "content-type": "multipart/form-data; boundary=edge", "content-length": "100000"}
    with ExitStack() as held:
        for _ in range(40):
            stranger = held.enter_context(wire.connect())
            stranger.sendall(head_bytes("POST", "/demo", {**head, "expect": "100-continue"}))
            # It is asked for the body now, so it is being waited for.
            assert stranger.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert metric(node, 'forebay_transfer_memory_bytes{state="used"}') == 0
        assert wire.put("demo", "k", b"bytes").status == 200
        assert wire.get("demo", "k") == b"bytes"


def test_a_bucket_that_is_deleted_under_an_upload_and_a_download_takes_all_with_it(node: Node, wire: Wire) -> None:
    before = open_files(node)
    for number in range(3):
        bucket = f"doomed-{number}"
        directory = node.directory / "buckets" / bucket
        assert wire.request("PUT", f"/{bucket}").status == 200
        assert wire.put(bucket, "read", bytes(32 * MIB)).status == 200
        with wire.connect() as upload, wire.connect() as download:
            download.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            download.sendall(wire.head("GET", f"/{bucket}/read"))
            assert download.recv(12) == b"HTTP/1.1 200"
            upload.sendall(wire.head("PUT", f"/{bucket}/written", {"content-length": str(4 * MIB)}) + bytes(3 * MIB))
            until(partial(has_unfinished, directory))
            assert wire.request("DELETE", f"/{bucket}/read").status == 204
            assert wire.request("DELETE", f"/{bucket}").status == 204
            upload.sendall(bytes(MIB))
            assert answer_of(upload, "PUT").code == "NoSuchBucket"
    until(lambda: open_files(node) <= before)


def test_bodies_in_tiny_chunks_take_no_more_memory_than_others(node: Node, wire: Wire) -> None:
    with MemoryWatch(node.pid) as memory, ThreadPoolExecutor() as senders:
        answers = list(senders.map(partial(_put_in_tiny_chunks, wire), range(UPLOADS)))
    assert [answer.status for answer in answers] == [200] * UPLOADS
    assert wire.get("demo", "tiny-0") == b"ab" * TINY_CHUNKS
    # What such a body may hold, and as much again for the allocator; each took 36 MiB once.
    assert memory.above_idle_bytes < 2 * UPLOADS * 8 * MIB


UPLOADS = 4
TINY_CHUNKS = 500_000


def _put_in_tiny_chunks(wire: Wire, number: int) -> Answer:
    with wire.connect() as sock:
        sock.sendall(wire.head("PUT", f"/demo/tiny-{number}", {"transfer-encoding": "chunked"}))
        sock.sendall(b"2\r\nab\r\n" * TINY_CHUNKS + b"0\r\n\r\n")
        return answer_of(sock, "PUT")


def test_idle_clients_use_up_connections_and_not_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as held:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            small = held.enter_context(Node(tmp_path))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        wire = Wire(small)
        assert wire.put("demo", "k", b"bytes").status == 200
        for _ in range(300):
            held.enter_context(wire.connect())
        assert wire.get("demo", "k") == b"bytes"


def test_idle_clients_over_tls_do_not_take_the_grace_of_a_stop(tmp_path: Path) -> None:
    with Node(tmp_path, tls=True, sets=("node.stop_grace=60s",)) as tls_node:
        wire = Wire(tls_node)
        with wire.connect() as idle:
            idle.sendall(wire.head("GET", "/demo"))
            assert answer_of(idle).status == 200
            # Within the time that `stop` waits, which is shorter than the grace.
            assert tls_node.stop() == 0


def open_files(node: Node) -> int:
    """How many files, sockets and the like the node holds open."""
    return len(list(Path(f"/proc/{node.pid}/fd").iterdir()))


def has_unfinished(directory: Path) -> bool:
    """Whether a write to this bucket is in progress."""
    return unfinished(directory) != []


def metric(node: Node, name: str) -> float:
    """A metric of the node as it stands now."""
    with urllib.request.urlopen(f"{node.admin}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.removeprefix(name) for line in lines if line.startswith(name + " ")))


def _asked(wire: Wire, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
    """An exchange whose head proves nothing, except what stands in the target or in the body."""
    given = {"host": wire.host, "content-length": str(len(body)), **(headers or {})}
    with wire.connect() as sock:
        sock.sendall(head_bytes(method, target, given) + body)
        return answer_of(sock, method)
