"""Where a request ends: framing that cannot be trusted ends the connection (RFC 9112, sections 2, 3, 5, 6 and 7)."""

import socket
import time

import pytest

from tests.real.wire import UNSIGNED, Wire, answer_of, head_bytes
from tests.wire.place import Place
from tests.wire.sending import Draft

pytestmark = pytest.mark.slow

KIB = 1024
SOON_S = 5
SMUGGLED = b"GET /-/ready HTTP/1.1\r\nHost: smuggled\r\n\r\n"


def all_of(sock: socket.socket) -> bytes:
    """Everything until the node closes."""
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def answers_to(wire: Wire, data: bytes) -> bytes:
    """What the node sends for these bytes until it closes, which it must do soon."""
    with wire.connect() as sock:
        sock.settimeout(SOON_S)
        sock.sendall(data)
        # The node reads on for a moment after a refusal; this way it need not.
        sock.shutdown(socket.SHUT_WR)
        return all_of(sock)


PUT = b"PUT / HTTP/1.1\r\nHost: a\r\n"
UNTRUSTED = [
    ("length and coding", PUT + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("coding and length", PUT + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"),
    ("two lengths", PUT + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
    ("list of lengths", PUT + b"Content-Length: 3, 3\r\n\r\nabc"),
    ("plus", PUT + b"Content-Length: +3\r\n\r\nabc"),
    ("minus", PUT + b"Content-Length: -3\r\n\r\nabc"),
    ("empty length", PUT + b"Content-Length:\r\n\r\nabc"),
    ("blank in length", PUT + b"Content-Length: 1 2\r\n\r\nabc"),
    ("hex length", PUT + b"Content-Length: 0x3\r\n\r\nabc"),
    ("20 digits", PUT + b"Content-Length: 00000000000000000003\r\n\r\nabc"),
    ("chunked in 1.0", b"PUT / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunked first", PUT + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
    ("LF alone", b"GET / HTTP/1.1\nHost: a\n\n"),
    ("LF in fields", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
    ("CR alone", b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n"),
    ("blank before colon", b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n"),
    ("blank before name", b"GET / HTTP/1.1\r\nHost: a\r\n X: b\r\n\r\n"),
    ("folded", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n"),
    ("NUL in value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\x00c\r\n\r\n"),
    ("control in value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\x01c\r\n\r\n"),
    ("control in name", b"GET / HTTP/1.1\r\nHost: a\r\nX\x01: b\r\n\r\n"),
    ("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"),
    ("no host", b"GET / HTTP/1.1\r\nX: a\r\n\r\n"),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
    ("no path", b"GET b/k HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("blank in target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("version 2", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("version 1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
    ("version 0.9", b"GET /\r\n\r\n"),
    ("no version", b"nonsense\r\n\r\n"),
    ("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("TLS on a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("data", [row[1] for row in UNTRUSTED], ids=[row[0] for row in UNTRUSTED])
def test_a_request_whose_framing_cannot_be_trusted_ends_the_connection(wire: Wire, data: bytes) -> None:
    got = answers_to(wire, data + SMUGGLED)
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert got.count(b"HTTP/1.1 ") == 1, "nothing after it is read"
    assert b"connection: close\r\n" in got
    assert b"<Code>BadRequest</Code>" in got


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity", b"xchunked", b"deflate"])
def test_another_coding_is_not_implemented(wire: Wire, coding: bytes) -> None:
    data = b"PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n"
    got = answers_to(wire, data + SMUGGLED)
    assert got.startswith(b"HTTP/1.1 501 "), got
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in got


HEADS_TOO_LARGE = [
    ("request line", b"GET /" + b"a" * (16 * KIB) + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("one field", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (64 * KIB) + b"\r\n\r\n"),
    ("all fields", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: %b\r\n" % (b"a" * 1000) * 70 + b"\r\n"),
    ("201 fields", b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 200 + b"\r\n"),
    ("line without end", b"GET /" + b"a" * (20 * KIB)),
    ("field without end", b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * (600 * KIB)),
]


@pytest.mark.parametrize("data", [row[1] for row in HEADS_TOO_LARGE], ids=[row[0] for row in HEADS_TOO_LARGE])
def test_a_head_has_limits(wire: Wire, data: bytes) -> None:
    got = answers_to(wire, data)
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert b"<Code>RequestHeaderSectionTooLarge</Code>" in got
    assert b"connection: close\r\n" in got


def test_a_head_within_the_limits_is_read(local: Place) -> None:
    fields = {f"x-{number}": "a" * 300 for number in range(190)}
    answer = Draft(local.wire, "GET", local.target(), extra=fields).send()
    assert answer.status == 200


HTTP_CHUNKS = [
    ("17 digits", b"1000000000000000f\r\n" + b"a" * 15 + b"\r\n0\r\n\r\n"),
    ("no digits", b"\r\nabc\r\n0\r\n\r\n"),
    ("no number", b"zz\r\nabc\r\n0\r\n\r\n"),
    ("longer than said", b"3\r\nabcd\r\n0\r\n\r\n"),
    ("LF alone", b"3\nabc\n0\n\n"),
    ("extension of 600 KiB", b"3;" + b"a" * (600 * KIB) + b"\r\nabc\r\n0\r\n\r\n"),
    ("trailers of 5 KiB", b"3\r\nabc\r\n0\r\n" + b"a: %b\r\n" % (b"b" * 500) * 10 + b"\r\n"),
]


@pytest.mark.parametrize("raw", [row[1] for row in HTTP_CHUNKS], ids=[row[0] for row in HTTP_CHUNKS])
def test_broken_http_chunks_leave_nothing_and_end_the_connection(local: Place, raw: bytes) -> None:
    local.put("k", b"old")
    draft = Draft(local.wire, "PUT", local.target("k"), {"transfer-encoding": "chunked"}, payload=UNSIGNED)
    with local.untouched():
        got = answers_to(local.wire, head_bytes("PUT", draft.target, draft.fields()) + raw + SMUGGLED)
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert got.count(b"HTTP/1.1 ") == 1
    assert b"connection: close\r\n" in got


@pytest.mark.parametrize(
    "raw", [b"3;a=b\r\nabc\r\n0\r\n\r\n", b"3\r\nabc\r\n0\r\nx-trailer: y\r\n\r\n", b"003\r\nabc\r\n0\r\n\r\n"]
)
def test_extensions_and_trailers_of_http_chunks_are_dropped(local: Place, raw: bytes) -> None:
    draft = Draft(local.wire, "PUT", local.target("k"), {"transfer-encoding": "chunked"}, payload=UNSIGNED)
    with local.wire.connect() as sock:
        sock.sendall(head_bytes("PUT", draft.target, draft.fields()) + raw)
        assert answer_of(sock, "PUT").status == 200
    got = local.ask("GET", "k")
    assert (got.body, "x-trailer" in got.headers) == (b"abc", False)


def test_a_head_must_come_within_ten_seconds(wire: Wire) -> None:
    with wire.connect() as sock:
        began = time.monotonic()
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        got = sock.recv(65536)
    assert 9 < time.monotonic() - began < 15
    assert got.startswith(b"HTTP/1.1 400 ")
    assert b"<Code>RequestTimeout</Code>" in got


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("size", [0, 1, 64 * KIB])
def test_a_small_body_where_none_belongs_is_dropped(local: Place, method: str, size: int) -> None:
    draft = Draft(local.wire, method, local.target("missing"), {"content-length": str(size)}, payload=UNSIGNED)
    with local.wire.connect() as sock:
        sock.sendall(head_bytes(method, draft.target, draft.fields()) + bytes(size))
        answer = answer_of(sock, method)
        assert answer.status == (204 if method == "DELETE" else 404)
        assert "connection" not in answer.headers
        sock.sendall(SMUGGLED)
        assert answer_of(sock).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_large_body_where_none_belongs_is_not_waited_for(local: Place, method: str) -> None:
    size = 64 * KIB + 1
    draft = Draft(local.wire, method, local.target("missing"), {"content-length": str(size)}, payload=UNSIGNED)
    with local.wire.connect() as sock:
        sock.sendall(head_bytes(method, draft.target, draft.fields()) + bytes(100))
        answer = answer_of(sock, method)
        assert answer.status == (204 if method == "DELETE" else 404)
        assert answer.headers["connection"] == "close"
        sock.sendall(bytes(size - 100) + SMUGGLED)
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b"", "nothing after it is read"


def test_http_1_0_is_served_and_closed(local: Place) -> None:
    local.put("k", b"x" * (2 * 1024 * KIB))
    fields = local.wire.signer.signed("GET", local.target("k"), {"host": local.wire.host})
    head = head_bytes("GET", local.target("k"), fields).replace(b"HTTP/1.1", b"HTTP/1.0")
    got = answers_to(local.wire, head + SMUGGLED)
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 2097152\r\n" in got
    assert got.endswith(b"x" * 1000)


def test_http_1_0_gets_no_continue(local: Place) -> None:
    draft = Draft(local.wire, "PUT", local.target("k"), {"content-length": "1", "expect": "100-continue"}, b"x")
    head = head_bytes("PUT", draft.target, draft.fields()).replace(b"HTTP/1.1", b"HTTP/1.0")
    got = answers_to(local.wire, head + b"x")
    assert got.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
def test_an_upgrade_is_not_offered(local: Place, upgrade: str) -> None:
    extra = {"connection": "upgrade", "upgrade": upgrade}
    draft = Draft(local.wire, "GET", local.target(), extra=extra)
    with local.wire.connect() as sock:
        sock.sendall(head_bytes("GET", draft.target, {**draft.fields(), **extra}))
        answer = answer_of(sock)
        assert (answer.status, all_of(sock)) == (200, b"")


def test_empty_lines_before_a_request_are_ignored(wire: Wire) -> None:
    with wire.connect() as sock:
        sock.sendall(b"\r\n\r\n" + SMUGGLED)
        assert answer_of(sock).status == 200
