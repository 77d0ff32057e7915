"""Bodies: their modes, their framing, their length and their checksums, over http and over TLS."""

import base64
import hashlib
import socket
import time
import zlib
from collections.abc import Callable

import pytest
from awscrt import checksums as crt

from tests.real.wire import EMPTY_SHA256, UNSIGNED, Answer, answer_of, head_bytes
from tests.wire.place import Place, text
from tests.wire.sending import Draft, send_raw
from tests.wire.signing import chunks, signed_chunks

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
BODY = b"the bytes of an object"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
WRONG_MD5 = "1B2M2Y8AsgTpgAmY7PhCfg=="


def base64_of(value: bytes) -> str:
    return base64.b64encode(value).decode()


SUMS: dict[str, Callable[[bytes], str]] = {
    "crc32": lambda data: base64_of(zlib.crc32(data).to_bytes(4, "big")),
    "crc32c": lambda data: base64_of(crt.crc32c(data).to_bytes(4, "big")),
    "crc64nvme": lambda data: base64_of(crt.crc64nvme(data).to_bytes(8, "big")),
    "sha1": lambda data: base64_of(hashlib.sha1(data).digest()),
    "sha256": lambda data: base64_of(hashlib.sha256(data).digest()),
}


def http_chunked(raw: bytes, size: int = 7) -> bytes:
    """A body in HTTP's own chunks."""
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def put_framed(
    place: Place, mode: str, raw: bytes, headers: dict[str, str] | None = None, *, decoded: int | str | None
) -> Answer:
    """A PUT whose body is already framed; `decoded` is the length it says to have without the framing."""
    sent = {"content-length": str(len(raw)), **(headers or {})}
    if decoded is not None:
        sent["x-amz-decoded-content-length"] = str(decoded)
    draft = Draft(place.wire, "PUT", place.target("k"), sent, payload=mode)
    return send_raw(place.wire, head_bytes("PUT", draft.target, draft.fields()) + raw, "PUT")


def put_signed_chunks(
    place: Place,
    pieces: list[bytes],
    trailers: list[tuple[str, str]] | None = None,
    *,
    headers: dict[str, str] | None = None,
    spoil: Callable[[bytes], bytes] = lambda raw: raw,
    in_http_chunks: bool = False,
) -> Answer:
    """A PUT of signed chunks; `spoil` changes the body after it was signed."""
    size = sum(map(len, pieces))
    sent = {"x-amz-decoded-content-length": str(size), **(headers or {})}
    mode = SIGNED if trailers is None else SIGNED_TRAILER
    if in_http_chunks:
        sent["transfer-encoding"] = "chunked"
    draft = Draft(place.wire, "PUT", place.target("k"), sent, payload=mode)
    fields = draft.fields()
    raw = spoil(signed_chunks(place.wire.signer, fields, pieces, trailers))
    # The length of the framed body is not among what the chunks sign.
    length = {} if in_http_chunks else {"content-length": str(len(raw))}
    body = http_chunked(raw) if in_http_chunks else raw
    return send_raw(place.wire, head_bytes("PUT", draft.target, {**fields, **length}) + body, "PUT")


# Modes.


def test_a_hashed_and_an_unsigned_body_are_taken(either: Place) -> None:
    for payload in (None, UNSIGNED):
        answer = Draft(either.wire, "PUT", either.target("k"), body=BODY, payload=payload).send()
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["etag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
        assert either.wire.get(either.bucket, "k") == BODY


def test_a_body_with_another_hash_is_refused(either: Place) -> None:
    either.put("k", b"old")
    with either.untouched():
        answer = Draft(either.wire, "PUT", either.target("k"), body=BODY, payload="0" * 64).send()
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    assert text(answer, "ClientComputedContentSHA256") == "0" * 64
    assert text(answer, "S3ComputedContentSHA256") == hashlib.sha256(BODY).hexdigest()


@pytest.mark.parametrize("algorithm", list(SUMS))
@pytest.mark.parametrize("http_chunks", [False, True])
def test_unsigned_chunks_with_a_trailer_are_taken(either: Place, algorithm: str, http_chunks: bool) -> None:
    name = f"x-amz-checksum-{algorithm}"
    raw = chunks([BODY[:5], BODY[5:]], [(name, SUMS[algorithm](BODY))])
    headers = {
        "content-encoding": "aws-chunked",
        "x-amz-trailer": name,
        "x-amz-decoded-content-length": str(len(BODY)),
        **({"transfer-encoding": "chunked"} if http_chunks else {"content-length": str(len(raw))}),
    }
    draft = Draft(either.wire, "PUT", either.target("k"), headers, payload=UNSIGNED_TRAILER)
    sent = http_chunked(raw) if http_chunks else raw
    answer = send_raw(either.wire, head_bytes("PUT", draft.target, draft.fields()) + sent, "PUT")
    assert (answer.status, answer.headers[name]) == (200, SUMS[algorithm](BODY)), answer
    got = either.ask("GET", "k")
    assert (got.body, got.headers.get("content-encoding")) == (BODY, None)


@pytest.mark.parametrize("trailers", [None, [("x-amz-checksum-crc32c", SUMS["crc32c"](BODY))], []])
@pytest.mark.parametrize("in_http_chunks", [False, True])
def test_signed_chunks_are_taken(either: Place, trailers: list[tuple[str, str]] | None, in_http_chunks: bool) -> None:
    headers = {"x-amz-trailer": trailers[0][0]} if trailers else {}
    answer = put_signed_chunks(either, [BODY[:8], BODY[8:]], trailers, headers=headers, in_http_chunks=in_http_chunks)
    assert answer.status == 200, answer
    assert either.wire.get(either.bucket, "k") == BODY


def test_a_large_body_of_signed_chunks_is_taken_as_it_streams(either: Place) -> None:
    piece = bytes(range(256)) * 256
    answer = put_signed_chunks(either, [piece] * 48)
    assert answer.status == 200
    assert either.wire.get(either.bucket, "k") == piece * 48


SPOILED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("a byte of data", lambda raw: raw.replace(b"the", b"thE")),
    ("a signature", lambda raw: raw.replace(b"chunk-signature=", b"chunk-signature=0")),
    ("no signature", lambda raw: raw.split(b";")[0] + raw[raw.index(b"\r\n") :]),
    ("a trailer", lambda raw: raw.replace(b"crc32c:", b"crc32c:A")),
    ("the trailers' signature", lambda raw: raw[:-5] + b"x\r\n\r\n"),
]


@pytest.mark.parametrize("spoil", [row[1] for row in SPOILED], ids=[row[0] for row in SPOILED])
def test_a_chunk_that_is_not_as_signed_leaves_nothing(either: Place, spoil: Callable[[bytes], bytes]) -> None:
    either.put("k", b"old")
    trailers = [("x-amz-checksum-crc32c", SUMS["crc32c"](BODY))]
    with either.untouched():
        headers = {"x-amz-trailer": "x-amz-checksum-crc32c"}
        answer = put_signed_chunks(either, [BODY[:8], BODY[8:]], trailers, headers=headers, spoil=spoil)
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch"), answer


def test_chunks_of_another_request_are_refused(local: Place) -> None:
    fields = Draft(local.wire, "PUT", local.target("other"), payload=SIGNED).fields()
    foreign = signed_chunks(local.wire.signer, fields, [BODY])
    with local.untouched():
        answer = put_framed(local, SIGNED, foreign, decoded=len(BODY))
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


# Framing.

GOOD_FRAMES = [
    ("no last line end", b"3\r\nabc\r\n0\r\n"),
    ("extension", b"3;a=b;c\r\nabc\r\n0;x\r\n\r\n"),
    ("upper case", b"00003\r\nabc\r\n0\r\n\r\n"),
]
BAD_FRAMES = [
    ("cut", b"3\r\nab", "IncompleteBody"),
    ("no end", b"3\r\nabc\r\n", "IncompleteBody"),
    ("no size", b"\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
    ("size no number", b"x\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
    ("size signed", b"+3\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
    ("size blank", b" 3\r\nabc\r\n0\r\n\r\n", "IncompleteBody"),
    ("size of 17 digits", b"00000000000000003\r\nabc\r\n0\r\n\r\n", "InvalidChunkSizeError"),
    ("line of 2 KiB", b"3;" + b"a" * 2048 + b"\r\nabc\r\n0\r\n\r\n", "InvalidChunkSizeError"),
    ("longer than its size", b"3\r\nabcd\r\n0\r\n\r\n", "IncompleteBody"),
    ("bytes behind", b"3\r\nabc\r\n0\r\n\r\nmore", "IncompleteBody"),
    ("more than said", b"4\r\nabcd\r\n0\r\n\r\n", "IncompleteBody"),
    ("less than said", b"2\r\nab\r\n0\r\n\r\n", "IncompleteBody"),
    ("LF alone", b"3\nabc\n0\n\n", "IncompleteBody"),
    ("trailer unannounced", b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n", "MalformedTrailerError"),
    ("trailer no trailer", b"3\r\nabc\r\n0\r\nnonsense\r\n\r\n", "MalformedTrailerError"),
    ("trailers of 5 KiB", b"3\r\nabc\r\n0\r\n" + b"a: b\r\n" * 1000 + b"\r\n", "MalformedTrailerError"),
    ("small chunks", b"1\r\na\r\n" * 10_002 + b"0\r\n\r\n", "InvalidChunkSizeError"),
]


@pytest.mark.parametrize("raw", [row[1] for row in GOOD_FRAMES], ids=[row[0] for row in GOOD_FRAMES])
def test_framing_that_clients_write_is_read(local: Place, raw: bytes) -> None:
    assert put_framed(local, UNSIGNED_TRAILER, raw, decoded=3).status == 200
    assert local.wire.get(local.bucket, "k") == b"abc"


@pytest.mark.parametrize(("raw", "code"), [row[1:] for row in BAD_FRAMES], ids=[row[0] for row in BAD_FRAMES])
def test_broken_framing_leaves_nothing(either: Place, raw: bytes, code: str) -> None:
    either.put("k", b"old")
    with either.untouched():
        decoded = 10_002 if len(raw) > 50_000 else 3
        answer = put_framed(either, UNSIGNED_TRAILER, raw, decoded=decoded)
    assert (answer.status, answer.code) == (400, code), answer


def test_an_empty_object_may_come_in_chunks(either: Place) -> None:
    answer = put_framed(either, UNSIGNED_TRAILER, b"0\r\n\r\n", decoded=0)
    assert answer.status == 200
    assert put_signed_chunks(either, []).status == 200
    assert either.wire.get(either.bucket, "k") == b""


# Length.


def test_http_chunks_without_a_length_are_held_up_to_a_limit(either: Place) -> None:
    for size, status in ((3 * MIB, 200), (8 * MIB, 200), (8 * MIB + 1, 411)):
        body = bytes(size)
        headers = {"transfer-encoding": "chunked"}
        draft = Draft(either.wire, "PUT", either.target(f"k{size}"), headers, payload=UNSIGNED)
        raw = head_bytes("PUT", draft.target, draft.fields()) + http_chunked(body, MIB)
        answer = send_raw(either.wire, raw, "PUT")
        assert answer.status == status, answer
    assert answer.code == "MissingContentLength"
    assert either.wire.keys(either.bucket) == [f"k{3 * MIB}", f"k{8 * MIB}"]


@pytest.mark.parametrize("query", [[], [("partNumber", "1"), ("uploadId", "?")]])
def test_an_upload_without_a_length_is_refused(local: Place, query: list[tuple[str, str]]) -> None:
    upload = text(local.ask("POST", "k", [("uploads", "")]), "UploadId") or ""
    asked = [(name, upload if value == "?" else value) for name, value in query]
    with local.untouched():
        answer = Draft(local.wire, "PUT", local.target("k", asked)).send()
    assert (answer.status, answer.code) == (411, "MissingContentLength")


def test_other_requests_need_no_length(local: Place) -> None:
    local.put("source", BODY)
    copied = Draft(local.wire, "PUT", local.target("k"), {"x-amz-copy-source": f"{local.bucket}/source"}).send()
    assert copied.status == 200
    assert Draft(local.wire, "POST", local.target("k", [("uploads", "")])).send().status == 200
    assert Draft(local.wire, "PUT", f"/{local.bucket}").send().status == 200


@pytest.mark.parametrize("decoded", [None, "x", "-1", "", "1 2", "9" * 20])
def test_chunks_need_the_length_of_what_they_carry(local: Place, decoded: str | None) -> None:
    with local.untouched():
        answer = put_framed(local, UNSIGNED_TRAILER, b"3\r\nabc\r\n0\r\n\r\n", decoded=decoded)
    assert (answer.status, answer.code) == (411, "MissingContentLength")


@pytest.mark.parametrize("key", ["k", "deep/er"])
def test_a_body_that_ends_early_leaves_nothing(local: Place, key: str) -> None:
    local.put("k", b"old")
    with local.untouched():
        head = local.wire.head("PUT", local.target(key), {"content-length": str(3 * MIB)})
        with local.wire.connect() as sock:
            sock.sendall(head + bytes(2 * MIB))
            sock.shutdown(socket.SHUT_WR)
            answer = answer_of(sock, "PUT")
    assert (answer.status, answer.code) == (400, "IncompleteBody")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("size", [5 * 1024**3 + 1, 10**18])
@pytest.mark.parametrize("query", [[], [("partNumber", "1"), ("uploadId", "?")]])
def test_more_than_5_gib_is_refused_before_the_body(local: Place, size: int, query: list[tuple[str, str]]) -> None:
    upload = text(local.ask("POST", "k", [("uploads", "")]), "UploadId") or ""
    asked = [(name, upload if value == "?" else value) for name, value in query]
    with local.untouched():
        head = local.wire.head("PUT", local.target("k", asked), {"content-length": str(size)})
        answer = send_raw(local.wire, head, "PUT")
    assert (answer.status, answer.code) == (400, "EntityTooLarge")
    assert text(answer, "ProposedSize") == str(size)


def test_a_document_has_a_limit(local: Place) -> None:
    size = 8 * MIB + 1
    with local.untouched():
        head = local.wire.head("POST", local.target(query=[("delete", "")]), {"content-length": str(size)})
        told = send_raw(local.wire, head, "POST")
        headers = {"transfer-encoding": "chunked"}
        draft = Draft(local.wire, "POST", local.target(query=[("delete", "")]), headers, payload=UNSIGNED)
        raw = head_bytes("POST", draft.target, draft.fields()) + http_chunked(b" " * size, MIB)
        found = send_raw(local.wire, raw, "POST")
    for answer in (told, found):
        assert (answer.status, answer.code) == (400, "MaxMessageLengthExceeded")


@pytest.mark.long
def test_a_body_that_stops_coming_is_given_up_after_30_seconds(local: Place) -> None:
    with local.untouched():
        began = time.monotonic()
        with local.wire.connect() as sock:
            sock.sendall(local.wire.head("PUT", local.target("k"), {"content-length": "10"}) + b"12345")
            answer = answer_of(sock, "PUT")
    assert 29 < time.monotonic() - began < 40
    assert (answer.status, answer.code, answer.headers["connection"]) == (400, "RequestTimeout", "close")


# Checksums and the verdict.


@pytest.mark.parametrize("algorithm", list(SUMS))
def test_a_checksum_is_verified_kept_and_told_if_asked(place: Place, algorithm: str) -> None:
    name, value = f"x-amz-checksum-{algorithm}", SUMS[algorithm](BODY)
    answer = place.ask("PUT", "k", headers={name: value, "x-amz-sdk-checksum-algorithm": algorithm.upper()}, body=BODY)
    assert (answer.status, answer.headers[name]) == (200, value)
    for method in ("GET", "HEAD"):
        told = place.ask(method, "k", headers={"x-amz-checksum-mode": "enabled"}).headers
        assert (told[name], told["x-amz-checksum-type"]) == (value, "FULL_OBJECT")
        assert name not in place.ask(method, "k").headers
        part = place.ask(method, "k", headers={"x-amz-checksum-mode": "ENABLED", "range": "bytes=0-3"})
        assert (part.status, name in part.headers) == (206, False)
    copied = place.ask("PUT", "copy", headers={"x-amz-copy-source": f"{place.bucket}/k"})
    assert text(copied, f"Checksum{algorithm.upper()}") == value
    with place.untouched():
        wrong = place.ask("PUT", "k", headers={name: SUMS[algorithm](b"other")}, body=BODY)
        assert (wrong.status, wrong.code) == (400, "BadDigest")


def test_a_copy_may_compute_a_checksum(place: Place) -> None:
    place.put("k", BODY)
    headers = {"x-amz-copy-source": f"{place.bucket}/k", "x-amz-checksum-algorithm": "SHA256"}
    answer = place.ask("PUT", "copy", headers=headers)
    assert text(answer, "ChecksumSHA256") == SUMS["sha256"](BODY)


VERDICTS: list[tuple[dict[str, str], str]] = [
    ({"content-md5": WRONG_MD5}, "BadDigest"),
    ({"content-md5": ""}, "InvalidDigest"),
    ({"content-md5": "nonsense"}, "InvalidDigest"),
    ({"content-md5": "AAAA"}, "InvalidDigest"),
    ({"x-amz-checksum-crc32": "AAAAAA=="}, "BadDigest"),
    ({"x-amz-checksum-crc32": "AAAA"}, "BadDigest"),
    ({"x-amz-checksum-crc32": "nonsense!"}, "BadDigest"),
    ({"x-amz-checksum-crc32": SUMS["crc32"](BODY) + "-1"}, "BadDigest"),
    ({"x-amz-checksum-crc32": SUMS["crc32"](BODY), "x-amz-checksum-sha1": SUMS["sha1"](BODY)}, "InvalidRequest"),
    ({"x-amz-checksum-md4": "AAAA"}, "InvalidRequest"),
    ({"x-amz-checksum-sha512": "AAAA"}, "InvalidRequest"),
    ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest"),
    ({"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": SUMS["crc32"](BODY)}, "InvalidRequest"),
]


@pytest.mark.parametrize(("headers", "code"), VERDICTS)
@pytest.mark.parametrize("query", [[], [("partNumber", "1"), ("uploadId", "?")]], ids=["put", "part"])
def test_a_body_that_is_not_what_was_promised_leaves_nothing(
    place: Place, headers: dict[str, str], code: str, query: list[tuple[str, str]]
) -> None:
    place.put("k", b"old")
    upload = text(place.ask("POST", "k", [("uploads", "")]), "UploadId") or ""
    asked = [(name, upload if value == "?" else value) for name, value in query]
    with place.untouched():
        answer = place.ask("PUT", "k", asked, headers, BODY)
    assert (answer.status, answer.code) == (400, code), answer


def test_a_good_md5_is_taken(place: Place) -> None:
    digest = base64_of(hashlib.md5(BODY).digest())
    assert place.ask("PUT", "k", headers={"content-md5": digest}, body=BODY).status == 200


TRAILER_FAULTS: list[tuple[str, dict[str, str], list[tuple[str, str]], str]] = [
    ("wrong", {"x-amz-trailer": "x-amz-checksum-crc32"}, [("x-amz-checksum-crc32", "AAAAAA==")], "BadDigest"),
    ("absent", {"x-amz-trailer": "x-amz-checksum-crc32"}, [], "MalformedTrailerError"),
    ("another", {"x-amz-trailer": "x-amz-checksum-crc32"}, [("x-amz-checksum-sha1", "AAAA")], "MalformedTrailerError"),
    ("unannounced", {}, [("x-amz-checksum-crc32", SUMS["crc32"](BODY))], "MalformedTrailerError"),
    ("no checksum", {"x-amz-trailer": "x-amz-meta-a"}, [("x-amz-meta-a", "1")], "InvalidRequest"),
    ("two", {"x-amz-trailer": "x-amz-checksum-crc32,x-amz-checksum-sha1"}, [], "InvalidRequest"),
    ("header too", {"x-amz-trailer": "x-amz-checksum-crc32", "x-amz-checksum-sha1": SUMS["sha1"](BODY)},
     [("x-amz-checksum-crc32", SUMS["crc32"](BODY))], "InvalidRequest"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "trailers", "code"), [row[1:] for row in TRAILER_FAULTS], ids=[row[0] for row in TRAILER_FAULTS]
)
def test_trailers_are_those_announced(
    either: Place, headers: dict[str, str], trailers: list[tuple[str, str]], code: str
) -> None:
    either.put("k", b"old")
    with either.untouched():
        answer = put_framed(either, UNSIGNED_TRAILER, chunks([BODY], trailers), headers, decoded=len(BODY))
    assert (answer.status, answer.code) == (400, code), answer


PROOFS: list[dict[str, str]] = [
    {"content-md5": "?"},
    {"x-amz-checksum-crc32": "?"},
    {"x-amz-checksum-crc64nvme": "?"},
    {"x-amz-checksum-sha256": "?"},
]


def test_a_delete_of_many_needs_one_proof_of_its_body(local: Place) -> None:
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    target = local.target(query=[("delete", "")])
    local.put("k", BODY)
    with local.untouched():
        unproven = Draft(local.wire, "POST", target, body=body, payload=UNSIGNED).send()
        assert (unproven.status, unproven.code) == (400, "InvalidRequest")
        wrong = Draft(local.wire, "POST", target, {"content-md5": WRONG_MD5}, body, UNSIGNED).send()
        assert (wrong.status, wrong.code) == (400, "BadDigest")
    for headers in PROOFS:
        name = next(iter(headers))
        value = base64_of(hashlib.md5(body).digest()) if name == "content-md5" else SUMS[name.rpartition("-")[2]](body)
        local.put("k", BODY)
        assert Draft(local.wire, "POST", target, {name: value}, body, UNSIGNED).send().status == 200
        assert local.wire.keys(local.bucket) == []
    assert Draft(local.wire, "POST", target, body=body).send().status == 200


def test_no_other_document_needs_a_proof(local: Place) -> None:
    upload = text(local.ask("POST", "k", [("uploads", "")]), "UploadId") or ""
    part = local.ask("PUT", "k", [("partNumber", "1"), ("uploadId", upload)], body=BODY)
    line = f"<Part><PartNumber>1</PartNumber><ETag>{part.headers['etag']}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{line}</CompleteMultipartUpload>".encode()
    target = local.target("k", [("uploadId", upload)])
    assert Draft(local.wire, "POST", target, body=body, payload=UNSIGNED).send().status == 200


def test_the_hash_of_nothing_is_no_body(local: Place) -> None:
    with local.untouched():
        answer = Draft(local.wire, "PUT", local.target("k"), body=BODY, payload=EMPTY_SHA256).send()
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
