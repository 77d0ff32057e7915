"""Connections: continue, pipelines, when to close, and the fields of every answer."""

import re
import socket
import ssl

import pytest

from tests.real.node import Node
from tests.real.wire import UNSIGNED, Signer, answer_of, head_bytes
from tests.wire.conftest import SECRET
from tests.wire.place import Place, text
from tests.wire.sending import Draft, answers_of

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
READY = b"GET /-/ready HTTP/1.1\r\nHost: a\r\n\r\n"


def all_of(sock: socket.socket) -> bytes:
    """Everything until the node closes."""
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


def put_head(place: Place, key: str, size: int, **extra: str) -> bytes:
    """The head of a PUT whose body is not hashed."""
    fields = {"content-length": str(size), **extra}
    return place.wire.head("PUT", place.target(key), fields)


# Expect.


@pytest.mark.parametrize("expect", ["100-continue", "100-Continue", "100-CONTINUE"])
def test_a_body_is_asked_for_when_the_request_is_good(either: Place, expect: str) -> None:
    with either.wire.connect() as sock:
        sock.sendall(put_head(either, "k", 3, expect=expect))
        assert sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert answer_of(sock, "PUT").status == 200
        sock.sendall(READY)
        assert answer_of(sock).status == 200, "the connection lives on"


def test_a_body_that_does_not_wait_to_be_asked_for_is_taken(either: Place) -> None:
    with either.wire.connect() as sock:
        sock.sendall(put_head(either, "k", 3, expect="100-continue") + b"abc")
        got = b""
        while b"HTTP/1.1 200" not in got:
            got += sock.recv(1024)
    assert either.wire.get(either.bucket, "k") == b"abc"


REFUSALS = ["signature", "access", "bucket", "key", "size", "condition"]


@pytest.mark.parametrize("why", REFUSALS)
@pytest.mark.parametrize("expect", [True, False])
def test_a_refusal_instead_of_continue_closes(either: Place, why: str, expect: bool) -> None:
    either.put("k", b"old")
    waits = {"expect": "100-continue"} if expect else {}
    size = 100_000
    with either.untouched():
        match why:
            case "signature":
                head = put_head(either, "k", size, **waits).replace(b"Signature=", b"Signature=0")
            case "access":
                signer = Signer("GUEST", SECRET)
                fields = {"host": either.wire.host, "content-length": str(size), **waits}
                head = head_bytes("PUT", either.target("k"), signer.signed("PUT", either.target("k"), fields))
            case "bucket":
                head = put_head(Place(either.wire, "missing-bucket"), "k", size, **waits)
            case "key":
                head = put_head(either, "k" * 1025, size, **waits)
            case "size":
                head = put_head(either, "k", 6 * 1024**3, **waits)
            case _:
                head = put_head(either, "k", size, **waits, **{"if-none-match": "*"})
        with either.wire.connect() as sock:
            sock.sendall(head)
            answer = answer_of(sock, "PUT")
            assert answer.status in (400, 403, 404, 412)
            assert answer.headers["connection"] == "close"
            # What still comes is read for a moment, so that the client gets to see the answer.
            sock.sendall(bytes(size))
            sock.sendall(READY)


def test_a_small_body_that_was_not_asked_for_also_closes(either: Place) -> None:
    with either.wire.connect() as sock:
        sock.sendall(put_head(Place(either.wire, "missing-bucket"), "k", 3, expect="100-continue"))
        answer = answer_of(sock, "PUT")
        assert (answer.status, answer.headers["connection"]) == (404, "close")


def test_a_small_body_that_comes_anyway_is_dropped(either: Place) -> None:
    with either.wire.connect() as sock:
        sock.sendall(put_head(Place(either.wire, "missing-bucket"), "k", 3) + b"abc")
        answer = answer_of(sock, "PUT")
        assert (answer.status, answer.headers.get("connection")) == (404, None)
        sock.sendall(READY)
        assert answer_of(sock).status == 200


@pytest.mark.parametrize("expect", ["nonsense", "", "200-ok", "100-continue, 100-continue"])
def test_another_expectation_is_ignored(either: Place, expect: str) -> None:
    draft = Draft(either.wire, "PUT", either.target("k"), {"content-length": "3"}, payload=UNSIGNED)
    with either.wire.connect() as sock:
        sock.sendall(head_bytes("PUT", draft.target, {**draft.fields(), "expect": expect}) + b"abc")
        assert sock.recv(12) == b"HTTP/1.1 200"


def test_an_expectation_without_a_body_is_ignored(either: Place) -> None:
    with either.wire.connect() as sock:
        sock.sendall(either.wire.head("GET", either.target(), {"expect": "100-continue"}))
        answer = answer_of(sock)
        assert (answer.status, answer.headers.get("connection")) == (200, None)


# One after another.


def test_pipelined_requests_are_answered_in_order(either: Place) -> None:
    bodies = {f"k{number}": bytes([number]) * (2 * MIB if number == 1 else 3) for number in range(4)}
    for key, body in bodies.items():
        either.put(key, body)
    with either.wire.connect() as sock:
        sock.sendall(b"".join(either.wire.head("GET", either.target(key)) for key in bodies))
        assert [answer.body for answer in answers_of(sock, ["GET"] * 4)] == list(bodies.values())


def test_a_write_and_its_read_may_be_pipelined(either: Place) -> None:
    with either.wire.connect() as sock:
        read = either.wire.head("GET", either.target("k"))
        sock.sendall(put_head(either, "k", 3) + b"abc" + read + put_head(either, "k", 3) + b"xyz" + read)
        answers = answers_of(sock, ["PUT", "GET", "PUT", "GET"])
    assert [answer.body for answer in answers] == [b"", b"abc", b"", b"xyz"]


def test_errors_with_their_bodies_in_leave_the_connection_open(either: Place) -> None:
    with either.wire.connect() as sock:
        for key in ("missing", "k" * 1025):
            sock.sendall(either.wire.head("GET", either.target(key)))
            answer = answer_of(sock)
            assert answer.status in (400, 404)
            assert "connection" not in answer.headers
        sock.sendall(put_head(either, "k", 3, **{"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}) + b"abc")
        assert answer_of(sock, "PUT").code == "BadDigest"
        sock.sendall(READY)
        assert answer_of(sock).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_to_head_has_no_body_and_the_next_begins_at_once(either: Place, method: str) -> None:
    either.put("k", b"abc")
    heads = [either.wire.head("HEAD", either.target(key)) for key in ("k", "missing")]
    with either.wire.connect() as sock:
        sock.sendall(b"".join(heads) + either.wire.head(method, either.target("k"), {"connection": "close"}))
        got = all_of(sock)
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", got)
    assert statuses == [b"200", b"404", b"200"]
    assert b"<Error>" not in got


def test_a_client_that_closes_is_closed_to(either: Place) -> None:
    either.put("k", b"abc")
    with either.wire.connect() as sock:
        sock.sendall(either.wire.head("GET", either.target("k"), {"connection": "close"}))
        got = all_of(sock)
    assert b"connection: close\r\n" in got
    assert got.endswith(b"abc")


def test_success_is_never_answered_before_the_whole_body_is_in(local: Place) -> None:
    with local.wire.connect() as sock:
        sock.sendall(put_head(local, "k", 4) + b"abc")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
        assert local.ask("HEAD", "k").status == 404
        sock.settimeout(10)
        sock.sendall(b"d")
        assert answer_of(sock, "PUT").status == 200


def test_a_client_that_leaves_in_the_middle_of_a_body_leaves_nothing(local: Place) -> None:
    local.put("k", b"old")
    with local.untouched():
        for _ in range(3):
            sock = local.wire.connect()
            sock.sendall(put_head(local, "k", 4 * MIB) + bytes(2 * MIB))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
            sock.close()
        # A graceful goodbye is answered, so that afterwards all of them have been dealt with.
        with local.wire.connect() as last:
            last.sendall(put_head(local, "k", 4 * MIB) + bytes(2 * MIB))
            last.shutdown(socket.SHUT_WR)
            assert answer_of(last, "PUT").code == "IncompleteBody"


# Fields.


def test_every_answer_has_a_date_an_id_and_no_version(either: Place) -> None:
    either.put("k", b"abc")
    requests = [
        ("GET", either.target("k")),
        ("HEAD", either.target("k")),
        ("GET", either.target("missing")),
        ("GET", either.target(query=[("nonsense", "")])),
        ("DELETE", either.target("k")),
        ("GET", "/"),
    ]
    ids = set()
    for method, target in requests:
        answer = either.wire.request(method, target)
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["date"])
        assert answer.headers["server"] == "forebay"
        assert answer.headers["x-amz-id-2"] == answer.headers["x-cache-node"] == "test-node"
        assert re.fullmatch("[0-9A-F]{16}", answer.headers["x-amz-request-id"])
        assert ("content-length" in answer.headers) is (method != "DELETE")
        assert "transfer-encoding" not in answer.headers
        ids.add(answer.headers["x-amz-request-id"])
    assert len(ids) == len(requests)


def test_answers_are_never_compressed(local: Place) -> None:
    local.put("plain", b"a" * 10_000)
    local.put("packed", b"not really gzip", {"content-encoding": "gzip"})
    for key, coding in (("plain", None), ("packed", "gzip")):
        answer = local.ask("GET", key, headers={"accept-encoding": "gzip, br, zstd"})
        assert answer.headers.get("content-encoding") == coding
        assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "PATCH"])
def test_methods_that_nobody_has(local: Place, method: str) -> None:
    target = "example.org:80" if method == "CONNECT" else local.target("k")
    draft = Draft(local.wire, method, target, payload=UNSIGNED)
    with local.wire.connect() as sock:
        sock.sendall(head_bytes(method, target, draft.fields()))
        got = sock.recv(65536)
    assert got.startswith(b"HTTP/1.1 405 "), got


def test_the_location_of_an_upload_has_the_scheme_that_was_spoken(either: Place) -> None:
    upload = text(either.ask("POST", "k", [("uploads", "")]), "UploadId") or ""
    part = either.ask("PUT", "k", [("partNumber", "1"), ("uploadId", upload)], body=b"x")
    line = f"<Part><PartNumber>1</PartNumber><ETag>{part.headers['etag']}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{line}</CompleteMultipartUpload>".encode()
    location = text(either.ask("POST", "k", [("uploadId", upload)], body=body), "Location") or ""
    assert location == f"{either.wire.scheme}://{either.wire.host}/{either.bucket}/k"


def test_tls_1_2_and_later_with_http_1_1(secure: Node) -> None:
    context = ssl.create_default_context(cafile=str(secure.ca_file))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_connection(("127.0.0.1", secure.s3_port)) as plain:
        sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
        assert sock.selected_alpn_protocol() == "http/1.1"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_tls_is_refused(secure: Node) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname = False
    old.verify_mode = ssl.CERT_NONE
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    # OpenSSL's own defaults would not even ask.
    old.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", secure.s3_port)) as plain, pytest.raises(ssl.SSLError):
        old.wrap_socket(plain)
