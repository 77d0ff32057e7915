"""Bad input gets the right refusal and leaves nothing behind."""

import base64
import hashlib
import socket
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.real.wire import EMPTY_SHA256, UNSIGNED, Answer, Wire, answer_of, path
from tests.robust.watching import MIB, left_as_it_was, unfinished, until

pytestmark = pytest.mark.slow

BODY = b"a body of some length " * 10_000
WRONG = b"another body of that sort " * 10_000


def crc32(body: bytes) -> str:
    """As S3 writes it."""
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def md5(body: bytes) -> str:
    """As S3 writes it."""
    return base64.b64encode(hashlib.md5(body).digest()).decode()


def chunked(body: bytes, trailer: str) -> bytes:
    """The body in two chunks without signatures, and a trailer."""
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:]))
    return chunks + f"0\r\n{trailer}\r\n\r\n".encode()


@dataclass(frozen=True, slots=True)
class Bad:
    """A request that must be refused."""

    name: str
    status: int
    code: str
    method: str = "PUT"
    target: str = path("demo", "new")
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = BODY
    payload: str = UNSIGNED
    age: timedelta = timedelta()
    spoilt: tuple[bytes, bytes] = (b"", b"")
    """Bytes of the signed head, and what takes their place."""


TRAILERS = {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-decoded-content-length": str(len(BODY))}
STREAMING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"

BAD = [
    Bad("wrong signature", 403, "SignatureDoesNotMatch", spoilt=(b"/us-east-1/", b"/us-west-1/")),
    Bad("changed key", 403, "SignatureDoesNotMatch", spoilt=(b"/demo/new", b"/demo/old")),
    Bad("unknown access key", 403, "InvalidAccessKeyId", spoilt=(b"TESTKEY", b"NOBODYS")),
    Bad("no signature", 403, "AccessDenied", spoilt=(b"authorization", b"x-nothing-at-all")),
    Bad("slow clock", 403, "RequestTimeTooSkewed", age=timedelta(minutes=16)),
    Bad("fast clock", 403, "RequestTimeTooSkewed", age=timedelta(minutes=-16)),
    Bad("wrong hash", 400, "XAmzContentSHA256Mismatch", payload=hashlib.sha256(WRONG).hexdigest()),
    Bad("wrong MD5", 400, "BadDigest", headers={"content-md5": md5(WRONG)}),
    Bad("malformed MD5", 400, "InvalidDigest", headers={"content-md5": "no"}),
    Bad("wrong CRC", 400, "BadDigest", headers={"x-amz-checksum-crc32": crc32(WRONG)}),
    Bad(
        "wrong CRC in the trailer",
        400,
        "BadDigest",
        headers=TRAILERS,
        body=chunked(BODY, f"x-amz-checksum-crc32:{crc32(WRONG)}"),
        payload=STREAMING,
    ),
    Bad(
        "missing trailer",
        400,
        "MalformedTrailerError",
        headers=TRAILERS,
        body=chunked(BODY, "")[:-2],
        payload=STREAMING,
    ),
    Bad(
        "fewer bytes than decoded length",
        400,
        "IncompleteBody",
        headers={**TRAILERS, "x-amz-decoded-content-length": str(len(BODY) + 1)},
        body=chunked(BODY, f"x-amz-checksum-crc32:{crc32(BODY)}"),
        payload=STREAMING,
    ),
    Bad("over-long key", 400, "KeyTooLongError", target=path("demo", "k" * 1025)),
    Bad("key out of the tree", 400, "InvalidArgument", target="/demo/../../escaped"),
    Bad("key of the gateway's own", 400, "InvalidArgument", target=path("demo", ".forebay/tmp/x")),
    Bad("key that is not UTF-8", 400, "InvalidURI", target="/demo/%FF%FE"),
    Bad("broken escape", 400, "InvalidURI", target="/demo/%zz"),
    Bad("unknown bucket", 404, "NoSuchBucket", target=path("no-such-bucket", "new")),
    Bad("too much metadata", 400, "MetadataTooLarge", headers={"x-amz-meta-a": "v" * 2100}),
    Bad("unknown sub-resource", 501, "NotImplemented", target="/demo/new?renameObject"),
    Bad("encryption", 501, "NotImplemented", headers={"x-amz-server-side-encryption": "AES256"}),
    Bad("part without an upload", 404, "NoSuchUpload", target="/demo/new?partNumber=1&uploadId=none"),
    Bad("delete that is no XML", 400, "MalformedXML", "POST", "/demo?delete", {"content-md5": md5(BODY)}),
    Bad("entities", 400, "MalformedXML", "PUT", "/made-by-nobody", body=b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    Bad(
        "range past the end", 416, "InvalidRange", "GET", path("demo", "old"), {"range": "bytes=3-"}, b"", EMPTY_SHA256
    ),
    Bad("condition that fails", 412, "PreconditionFailed", "PUT", path("demo", "old"), {"if-none-match": "*"}),
]


def sent(wire: Wire, bad: Bad) -> Answer:
    """Sends it and reads the refusal."""
    headers = dict(bad.headers)
    if bad.method != "GET":
        headers["content-length"] = str(len(bad.body))
    now = datetime.now(UTC) - bad.age
    head = wire.head(bad.method, bad.target, headers, payload=bad.payload, now=now)
    assert bad.spoilt[0] in head
    with wire.connect() as sock:
        sock.sendall(head.replace(*bad.spoilt, 1) + bad.body)
        return answer_of(sock, bad.method)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name.replace(" ", "-"))
def test_a_bad_request_is_refused_and_leaves_nothing_behind(wire: Wire, demo: Path, bad: Bad) -> None:
    wire.put("demo", "old", b"old")
    with left_as_it_was(demo):
        answer = sent(wire, bad)
        assert (answer.status, answer.code) == (bad.status, bad.code), answer
    assert wire.get("demo", "old") == b"old"
    assert "new" not in wire.keys("demo")


def test_oversized_headers_are_refused(wire: Wire, demo: Path) -> None:
    for headers in ({"x-filler": "f" * 70_000}, {f"x-filler-{number}": "f" for number in range(300)}):
        with left_as_it_was(demo), wire.connect() as sock:
            sock.sendall(wire.head("GET", "/demo", headers))
            answer = answer_of(sock)
        assert (answer.status, answer.code) == (400, "RequestHeaderSectionTooLarge")
        assert answer.headers["connection"] == "close"


def test_a_body_that_the_client_cuts_half_way_never_becomes_an_object(wire: Wire, demo: Path) -> None:
    wire.put("demo", "cut", b"old")
    with left_as_it_was(demo), wire.connect() as sock:
        sock.sendall(wire.head("PUT", path("demo", "cut"), {"content-length": str(16 * MIB)}) + bytes(8 * MIB))
        until(lambda: bool(unfinished(demo)))
    assert wire.get("demo", "cut") == b"old"


def test_a_half_closed_body_is_incomplete(wire: Wire, demo: Path) -> None:
    with left_as_it_was(demo), wire.connect() as sock:
        sock.sendall(wire.head("PUT", path("demo", "cut"), {"content-length": str(4 * MIB)}) + bytes(3 * MIB))
        sock.shutdown(socket.SHUT_WR)
        answer = answer_of(sock, "PUT")
        assert (answer.status, answer.code) == (400, "IncompleteBody")


def test_an_upload_outlives_documents_that_cannot_complete_it(wire: Wire, demo: Path) -> None:
    upload = begun(wire, "parted")
    part = wire.request("PUT", path("demo", "parted", [("partNumber", "1"), ("uploadId", upload)]), body=BODY)
    row = f"<Part><PartNumber>1</PartNumber><ETag>{part.headers['etag']}</ETag></Part>"
    target = path("demo", "parted", [("uploadId", upload)])
    with left_as_it_was(demo):
        for document, code in (
            ("<CompleteMultipartUpload", "MalformedXML"),
            ("", "MalformedXML"),
            ("<CompleteMultipartUpload></CompleteMultipartUpload>", "MalformedXML"),
            (f"<CompleteMultipartUpload>{row.replace('>1<', '>2<')}</CompleteMultipartUpload>", "InvalidPart"),
            (
                f"<CompleteMultipartUpload>{row.replace('>1<', '>2<')}{row}</CompleteMultipartUpload>",
                "InvalidPartOrder",
            ),
        ):
            answer = wire.request("POST", target, body=document.encode())
            assert (answer.status, answer.code) == (400, code), document
    whole = f"<CompleteMultipartUpload>{row}</CompleteMultipartUpload>".encode()
    assert wire.request("POST", target, body=whole).status == 200
    assert wire.get("demo", "parted") == BODY
    assert wire.request("DELETE", path("demo", "parted")).status == 204


def begun(wire: Wire, key: str) -> str:
    """The id of a new upload."""
    created = wire.request("POST", path("demo", key) + "?uploads=")
    return created.body.partition(b"<UploadId>")[2].partition(b"</UploadId>")[0].decode()


def test_a_part_cut_in_the_middle_is_no_part_and_the_upload_goes_on(wire: Wire, demo: Path) -> None:
    upload = begun(wire, "parted")
    target = path("demo", "parted", [("partNumber", "1"), ("uploadId", upload)])
    with left_as_it_was(demo):
        with wire.connect() as sock:
            sock.sendall(wire.head("PUT", target, {"content-length": str(16 * MIB)}) + bytes(8 * MIB))
            until(lambda: bool(unfinished(demo)))
        until(lambda: not unfinished(demo))
        listed = wire.request("GET", path("demo", "parted", [("uploadId", upload)]))
        assert listed.status == 200
        assert b"<Part>" not in listed.body
    assert wire.request("PUT", target, body=BODY).status == 200
    assert wire.request("DELETE", path("demo", "parted", [("uploadId", upload)])).status == 204
    assert not [file for file in (demo / ".forebay" / "uploads").rglob("*") if file.is_file()]


def test_a_refusal_while_the_body_is_coming_is_seen_by_the_client(wire: Wire, demo: Path) -> None:
    with left_as_it_was(demo), wire.connect() as sock:
        sock.sendall(wire.head("PUT", path("no-such-bucket", "k"), {"content-length": str(64 * MIB)}))
        sock.sendall(bytes(256 * 1024))
        answer = answer_of(sock, "PUT")
        assert (answer.status, answer.code) == (404, "NoSuchBucket")
        assert answer.headers["connection"] == "close"
