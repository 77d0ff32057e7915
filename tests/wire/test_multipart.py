"""Uploads in parts."""

import base64
import hashlib
import zlib
from collections.abc import Sequence

import pytest

from tests.real.node import Node
from tests.real.wire import Answer, Query
from tests.wire.place import Place, text, texts, tree

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
FIRST = b"a" * (5 * MIB)
LAST = b"tail"


def begin(place: Place, key: str = "k", headers: dict[str, str] | None = None) -> str:
    """CreateMultipartUpload; returns the id."""
    answer = place.ask("POST", key, [("uploads", "")], headers)
    assert (answer.status, text(answer, "Bucket"), text(answer, "Key")) == (200, place.bucket, key), answer
    return text(answer, "UploadId") or ""


def send_part(
    place: Place, upload: str, number: int | str, body: bytes, headers: dict[str, str] | None = None, key: str = "k"
) -> Answer:
    """UploadPart."""
    return place.ask("PUT", key, [("partNumber", str(number)), ("uploadId", upload)], headers, body)


def part_of(place: Place, upload: str, number: int, body: bytes) -> tuple[int, str]:
    """UploadPart; returns number and ETag, as Complete wants them."""
    answer = send_part(place, upload, number, body)
    assert answer.status == 200, answer
    return number, answer.headers["etag"]


def document(parts: Sequence[tuple[int, str]], extra: str = "") -> bytes:
    lines = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag>{extra}</Part>" for n, etag in parts)
    return f"<CompleteMultipartUpload>{lines}</CompleteMultipartUpload>".encode()


def complete(place: Place, upload: str, body: bytes, headers: dict[str, str] | None = None, key: str = "k") -> Answer:
    """CompleteMultipartUpload."""
    return place.ask("POST", key, [("uploadId", upload)], headers, body)


def md5_of_parts(*bodies: bytes) -> str:
    whole = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()
    return f'"{whole}-{len(bodies)}"'


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_parts_become_an_object_with_all_that_was_given_at_the_start(place: Place) -> None:
    place.put("k", b"old")
    upload = begin(place, headers={"content-type": "text/plain", "x-amz-meta-colour": "blue", "cache-control": "no"})
    parts = [part_of(place, upload, 1, FIRST), part_of(place, upload, 3, LAST)]
    assert parts[0][1] == f'"{hashlib.md5(FIRST).hexdigest()}"'
    assert place.wire.get(place.bucket, "k") == b"old", "nothing changes before Complete"
    answer = complete(place, upload, document(parts))
    assert answer.status == 200, answer
    etag = md5_of_parts(FIRST, LAST)
    assert (text(answer, "ETag"), text(answer, "Bucket"), text(answer, "Key")) == (etag, place.bucket, "k")
    assert text(answer, "Location") == f"http://{place.wire.host}/{place.bucket}/k"
    made = place.ask("GET", "k")
    assert made.body == FIRST + LAST
    assert made.headers["etag"] == etag
    assert made.headers["x-amz-meta-colour"] == "blue"
    assert (made.headers["content-type"], made.headers["cache-control"]) == ("text/plain", "no")
    assert texts(place.ask("GET"), "Contents/ETag") == [etag]
    assert place.uploads() == []


def test_an_etag_is_the_same_everywhere_and_after_a_restart(node: Node, local: Place) -> None:
    upload = begin(local)
    answer = complete(local, upload, document([part_of(local, upload, 1, LAST)]))
    etag = text(answer, "ETag") or ""
    assert etag == md5_of_parts(LAST)
    plain = local.put("plain", LAST)
    copied = text(local.ask("PUT", "copy", headers={"x-amz-copy-source": f"{local.bucket}/k"}), "ETag") or ""
    node.restart()
    for key, expected in (("k", etag), ("plain", plain), ("copy", copied)):
        assert local.ask("HEAD", key).headers["etag"] == expected
        assert local.ask("GET", key, headers={"if-match": expected}).status == 200
    assert texts(local.ask("GET"), "Contents/ETag") == [copied, etag, plain]
    # Whatever the copy is called, 32 digits alone would have to be the MD5 of its bytes.
    assert copied in (etag, plain) or copied.endswith('-1"')


def test_the_body_that_ends_last_wins_and_parts_left_out_are_dropped(place: Place) -> None:
    upload = begin(place)
    part_of(place, upload, 2, b"other")
    part_of(place, upload, 1, b"first try")
    again = part_of(place, upload, 1, b"second try")
    assert complete(place, upload, document([again])).status == 200
    assert place.wire.get(place.bucket, "k") == b"second try"
    assert place.uploads() == []


def test_any_node_state_survives_between_the_steps(node: Node, local: Place) -> None:
    upload = begin(local)
    first = part_of(local, upload, 1, FIRST)
    node.restart()
    last = part_of(local, upload, 2, LAST)
    assert complete(local, upload, document([first, last])).status == 200
    assert local.wire.get(local.bucket, "k") == FIRST + LAST


COMPLETE_FAULTS: list[tuple[str, bytes, dict[str, str], int, str]] = [
    ("descending", document([(2, "{2}"), (1, "{1}")]), {}, 400, "InvalidPartOrder"),
    ("missing part", document([(1, "{1}"), (9, "{2}")]), {}, 400, "InvalidPart"),
    ("wrong ETag", document([(1, "{2}"), (2, "{2}")]), {}, 400, "InvalidPart"),
    ("too small", document([(2, "{2}"), (3, "{3}")]), {}, 400, "EntityTooSmall"),
    ("no part", b"<CompleteMultipartUpload/>", {}, 400, "MalformedXML"),
    ("empty", b"", {}, 400, "MalformedXML"),
    ("other root", b"<Other/>", {}, 400, "MalformedXML"),
    ("no number", b"<CompleteMultipartUpload><Part><ETag>a</ETag></Part></CompleteMultipartUpload>", {}, 400,
     "MalformedXML"),
    ("number 0", document([(0, "{1}")]), {}, 400, "InvalidArgument"),
    ("number 10001", document([(10001, "{1}")]), {}, 400, "InvalidArgument"),
    ("size", document([(1, "{1}"), (2, "{2}")]), {"x-amz-mp-object-size": "1"}, 400, "InvalidRequest"),
    ("size no number", document([(1, "{1}")]), {"x-amz-mp-object-size": "x"}, 400, "InvalidArgument"),
    ("if-none-match", document([(1, "{1}"), (2, "{2}")]), {"if-none-match": "*"}, 412, "PreconditionFailed"),
    ("content-md5", document([(1, "{1}")]), {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, 400, "BadDigest"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"), [row[1:] for row in COMPLETE_FAULTS], ids=[row[0] for row in COMPLETE_FAULTS]
)
def test_an_upload_lives_on_after_a_complete_that_is_refused(
    place: Place, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    place.put("k", b"old")
    upload = begin(place)
    bodies = {1: FIRST, 2: LAST, 3: b"more"}
    parts = {number: part_of(place, upload, number, body) for number, body in bodies.items()}
    etags = {f"{{{number}}}": etag for number, (_, etag) in parts.items()}
    for placeholder, etag in etags.items():
        body = body.replace(placeholder.encode(), etag.encode())
    with place.untouched():
        answer = complete(place, upload, body, headers)
    assert (answer.status, answer.code) == (status, code), answer
    if code == "EntityTooSmall":
        found = [text(answer, name) for name in ("ProposedSize", "MinSizeAllowed", "PartNumber", "ETag")]
        assert found == [str(len(LAST)), str(5 * MIB), "2", parts[2][1].strip('"')]
    good = complete(place, upload, document([parts[1], parts[2]]), {"x-amz-mp-object-size": str(5 * MIB + 4)})
    assert good.status == 200, good
    assert place.wire.get(place.bucket, "k") == FIRST + LAST


def test_a_part_that_was_sent_again_may_be_named_twice(place: Place) -> None:
    upload = begin(place)
    stale = part_of(place, upload, 1, b"stale")
    part = part_of(place, upload, 1, b"fresh")
    answer = complete(place, upload, document([stale, part], extra="<Unknown>1</Unknown>"))
    assert answer.status == 200, answer
    assert place.wire.get(place.bucket, "k") == b"fresh"


@pytest.mark.parametrize("quoted", [True, False])
def test_quotes_around_the_etag_of_a_part_are_optional(place: Place, quoted: bool) -> None:
    upload = begin(place)
    number, etag = part_of(place, upload, 1, b"x")
    assert complete(place, upload, document([(number, etag if quoted else etag.strip('"'))])).status == 200


@pytest.mark.parametrize("headers", [{}, {"if-none-match": "*"}])
def test_a_repeated_complete_answers_the_same(place: Place, headers: dict[str, str]) -> None:
    upload = begin(place)
    parts = [part_of(place, upload, 1, FIRST), part_of(place, upload, 2, LAST)]
    answers = [complete(place, upload, document(parts), headers) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200], answers
    assert text(answers[0], "ETag") == text(answers[1], "ETag")
    other = complete(place, upload, document(parts[:1]), headers)
    assert (other.status, other.code) == (404, "NoSuchUpload")
    place.ask("DELETE", "k")
    gone = complete(place, upload, document(parts), headers)
    assert (gone.status, gone.code) == (404, "NoSuchUpload")


def test_an_aborted_upload_leaves_nothing(place: Place) -> None:
    before = place.state()
    upload = begin(place)
    part = part_of(place, upload, 1, b"x")
    answer = place.ask("DELETE", "k", [("uploadId", upload)])
    assert (answer.status, answer.body) == (204, b"")
    assert place.state() == before
    for gone in (
        place.ask("DELETE", "k", [("uploadId", upload)]),
        place.ask("GET", "k", [("uploadId", upload)]),
        send_part(place, upload, 1, b"x"),
        complete(place, upload, document([part])),
    ):
        assert (gone.status, gone.code, text(gone, "UploadId")) == (404, "NoSuchUpload", upload)
    assert place.state() == before


def test_an_id_is_good_for_its_own_key_only(place: Place) -> None:
    upload = begin(place)
    with place.untouched():
        for key, identity in (("other", upload), ("k", upload[:-2] + "AA"), ("k", "nonsense"), ("k", "")):
            answer = send_part(place, identity, 1, b"x", key=key)
            assert (answer.status, answer.code) == (404, "NoSuchUpload"), (key, identity)
            answer = place.ask("GET", key, [("uploadId", identity)])
            assert (answer.status, answer.code) == (404, "NoSuchUpload"), (key, identity)
        elsewhere = place.wire.request("PUT", f"/demo/k?partNumber=1&uploadId={upload}", body=b"x")
        assert elsewhere.code == "NoSuchUpload"


@pytest.mark.parametrize("number", ["0", "10001", "-1", "x", ""])
def test_a_part_number_is_1_to_10000(local: Place, number: str) -> None:
    upload = begin(local)
    with local.untouched():
        answer = send_part(local, upload, number, b"x")
    assert (answer.status, answer.code, text(answer, "ArgumentName")) == (400, "InvalidArgument", "partNumber")


def test_the_last_part_number_is_good(place: Place) -> None:
    upload = begin(place)
    assert complete(place, upload, document([part_of(place, upload, 10000, b"")])).status == 200
    assert place.wire.get(place.bucket, "k") == b""


# Checksums of uploads.

SPECS = [
    ("CRC32", None, "COMPOSITE"),
    ("crc32", "full_object", "FULL_OBJECT"),
    ("CRC32C", "COMPOSITE", "COMPOSITE"),
    ("CRC64NVME", None, "FULL_OBJECT"),
    ("SHA1", None, "COMPOSITE"),
    ("SHA256", None, "COMPOSITE"),
]


@pytest.mark.parametrize(("algorithm", "type_", "chosen"), SPECS)
def test_the_checksum_of_an_upload_is_echoed_and_its_parts_have_one(
    place: Place, algorithm: str, type_: str | None, chosen: str
) -> None:
    headers = {"x-amz-checksum-algorithm": algorithm, **({"x-amz-checksum-type": type_} if type_ else {})}
    answer = place.ask("POST", "k", [("uploads", "")], headers)
    assert answer.headers["x-amz-checksum-algorithm"] == algorithm.upper()
    assert answer.headers["x-amz-checksum-type"] == chosen
    upload = text(answer, "UploadId") or ""
    part = send_part(place, upload, 1, b"x")
    name = f"x-amz-checksum-{algorithm.lower()}"
    value = part.headers[name]
    listed = tree(place.ask("GET", "k", [("uploadId", upload)]))
    assert listed.findtext("ChecksumAlgorithm") == algorithm.upper()
    assert listed.findtext("ChecksumType") == chosen
    assert listed.findtext(f"Part/Checksum{algorithm.upper()}") == value
    done = complete(place, upload, document([(1, part.headers["etag"])]))
    whole = text(done, f"Checksum{algorithm.upper()}") or ""
    assert text(done, "ChecksumType") == chosen
    assert whole == value if chosen == "FULL_OBJECT" else whole.endswith("-1")
    head = place.ask("HEAD", "k", headers={"x-amz-checksum-mode": "ENABLED"})
    assert (head.headers[name], head.headers["x-amz-checksum-type"]) == (whole, chosen)


def test_checksums_of_parts_make_the_whole(place: Place) -> None:
    for type_, whole in (
        ("FULL_OBJECT", crc32(FIRST + LAST)),
        ("COMPOSITE", crc32(zlib.crc32(FIRST).to_bytes(4, "big") + zlib.crc32(LAST).to_bytes(4, "big")) + "-2"),
    ):
        upload = begin(place, headers={"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": type_})
        parts = []
        for number, body in ((1, FIRST), (2, LAST)):
            answer = send_part(place, upload, number, body, {"x-amz-checksum-crc32": crc32(body)})
            parts.append((number, answer.headers["etag"]))
        refused = complete(place, upload, document(parts), {"x-amz-checksum-crc32": crc32(b"other")})
        assert (refused.status, refused.code) == (400, "BadDigest")
        other = "COMPOSITE" if type_ == "FULL_OBJECT" else "FULL_OBJECT"
        wrong = complete(place, upload, document(parts), {"x-amz-checksum-type": other})
        assert (wrong.status, wrong.code) == (400, "BadDigest")
        part = complete(place, upload, document(parts, extra=f"<ChecksumCRC32>{crc32(LAST)}</ChecksumCRC32>"))
        assert (part.status, part.code) == (400, "InvalidPart")
        done = complete(place, upload, document(parts), {"x-amz-checksum-crc32": whole, "x-amz-checksum-type": type_})
        assert (done.status, text(done, "ChecksumCRC32")) == (200, whole), done


CREATE_FAULTS = [
    {"x-amz-checksum-type": "FULL_OBJECT"},
    {"x-amz-checksum-algorithm": "MD4"},
    {"x-amz-checksum-algorithm": "SHA512"},
    {"x-amz-checksum-algorithm": "SHA256", "x-amz-checksum-type": "FULL_OBJECT"},
    {"x-amz-checksum-algorithm": "CRC64NVME", "x-amz-checksum-type": "COMPOSITE"},
    {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "nonsense"},
]


@pytest.mark.parametrize("headers", CREATE_FAULTS)
def test_an_upload_cannot_have_a_checksum_that_cannot_be(place: Place, headers: dict[str, str]) -> None:
    with place.untouched():
        answer = place.ask("POST", "k", [("uploads", "")], headers)
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_a_part_with_another_checksum_than_the_uploads_is_refused(place: Place) -> None:
    upload = begin(place, headers={"x-amz-checksum-algorithm": "SHA256"})
    with place.untouched():
        other = send_part(place, upload, 1, b"x", {"x-amz-checksum-crc32": crc32(b"x")})
        wrong = send_part(place, upload, 1, b"x", {"x-amz-checksum-sha256": base64.b64encode(bytes(32)).decode()})
        digest = send_part(place, upload, 1, b"x", {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="})
    assert (other.status, other.code) == (400, "InvalidRequest")
    assert (wrong.status, wrong.code) == (400, "BadDigest")
    assert (digest.status, digest.code) == (400, "BadDigest")


# Parts that are copied.


@pytest.mark.parametrize(
    ("range_", "start", "stop"), [(None, 0, 10), ("bytes=0-9", 0, 10), ("bytes=2-4", 2, 5), ("bytes=9-9", 9, 10)]
)
def test_a_part_can_be_copied_from_another_object(place: Place, range_: str | None, start: int, stop: int) -> None:
    body = b"0123456789"
    place.put("source", body)
    upload = begin(place)
    headers = {"x-amz-copy-source": f"/{place.bucket}/source"}
    if range_:
        headers["x-amz-copy-source-range"] = range_
    answer = place.ask("PUT", "k", [("partNumber", "1"), ("uploadId", upload)], headers)
    etag = f'"{hashlib.md5(body[start:stop]).hexdigest()}"'
    assert (answer.status, text(answer, "ETag")) == (200, etag), answer
    assert b"<CopyPartResult" in answer.body
    assert complete(place, upload, document([(1, etag)])).status == 200
    assert place.wire.get(place.bucket, "k") == body[start:stop]


@pytest.mark.parametrize(
    ("range_", "status", "code"),
    [
        ("bytes=2-", 400, "InvalidArgument"),
        ("bytes=-3", 400, "InvalidArgument"),
        ("bytes=5-2", 400, "InvalidArgument"),
        ("bytes=0-1,3-4", 400, "InvalidArgument"),
        ("nonsense", 400, "InvalidArgument"),
        ("bytes=10-12", 416, "InvalidRange"),
        ("bytes=2-10", 416, "InvalidRange"),
    ],
)
def test_a_range_of_a_copied_part_is_exact(place: Place, range_: str, status: int, code: str) -> None:
    place.put("source", b"0123456789")
    upload = begin(place)
    headers = {"x-amz-copy-source": f"{place.bucket}/source", "x-amz-copy-source-range": range_}
    with place.untouched():
        answer = place.ask("PUT", "k", [("partNumber", "1"), ("uploadId", upload)], headers)
    assert (answer.status, answer.code) == (status, code), answer


# Lists.


def test_parts_are_listed_in_pages(place: Place) -> None:
    upload = begin(place)
    parts = [part_of(place, upload, number, b"x" * number) for number in (1, 2, 5, 9)]
    whole = place.ask("GET", "k", [("uploadId", upload)])
    assert texts(whole, "Part/PartNumber") == ["1", "2", "5", "9"]
    assert texts(whole, "Part/ETag") == [etag for _, etag in parts]
    assert texts(whole, "Part/Size") == ["1", "2", "5", "9"]
    assert (text(whole, "StorageClass"), text(whole, "IsTruncated")) == ("STANDARD", "false")
    assert text(whole, "Initiator/ID") == text(whole, "Owner/ID")
    found: list[str] = []
    marker = "0"
    while True:
        query = [("uploadId", upload), ("max-parts", "2"), ("part-number-marker", marker)]
        page = place.ask("GET", "k", query)
        found += texts(page, "Part/PartNumber")
        assert (text(page, "MaxParts"), text(page, "PartNumberMarker")) == ("2", marker)
        if text(page, "IsTruncated") == "false":
            break
        marker = text(page, "NextPartNumberMarker") or ""
    assert found == ["1", "2", "5", "9"]
    none = place.ask("GET", "k", [("uploadId", upload), ("max-parts", "0")])
    assert (texts(none, "Part"), text(none, "IsTruncated")) == ([], "false")


@pytest.mark.parametrize("name", ["max-parts", "part-number-marker"])
def test_parameters_of_a_list_of_parts_are_checked(local: Place, name: str) -> None:
    upload = begin(local)
    answer = local.ask("GET", "k", [("uploadId", upload), (name, "x")])
    assert (answer.status, answer.code, text(answer, "ArgumentName")) == (400, "InvalidArgument", name)


def uploads(place: Place, *query: tuple[str, str]) -> Answer:
    answer = place.ask("GET", query=[("uploads", ""), *query])
    assert answer.status == 200, answer
    return answer


def test_uploads_are_listed_by_key_then_start(place: Place) -> None:
    keys = ["b/1", "a", "c d", "b/2", "a"]
    ids = [begin(place, key) for key in keys]
    whole = uploads(place)
    assert texts(whole, "Upload/Key") == ["a", "a", "b/1", "b/2", "c d"]
    assert set(texts(whole, "Upload/UploadId")) == set(ids)
    assert texts(whole, "Upload/StorageClass") == ["STANDARD"] * 5
    assert texts(uploads(place, ("prefix", "b")), "Upload/Key") == ["b/1", "b/2"]
    rolled = uploads(place, ("delimiter", "/"))
    assert texts(rolled, "Upload/Key") == ["a", "a", "c d"]
    assert texts(rolled, "CommonPrefixes/Prefix") == ["b/"]
    encoded = uploads(place, ("encoding-type", "url"), ("prefix", "c "))
    assert (texts(encoded, "Upload/Key"), text(encoded, "Prefix")) == (["c%20d"], "c%20")
    assert texts(uploads(place, ("key-marker", "a")), "Upload/Key") == ["b/1", "b/2", "c d"]


@pytest.mark.parametrize("size", ["1", "2", "4"])
@pytest.mark.parametrize("query", [[], [("delimiter", "/")]])
def test_pages_of_uploads_join_to_the_whole(place: Place, size: str, query: Query) -> None:
    for key in ("b/1", "a", "c", "b/2", "a", "a"):
        begin(place, key)
    whole = uploads(place, *query)
    expected = sorted(texts(whole, "Upload/UploadId")) + texts(whole, "CommonPrefixes/Prefix")
    found: list[str] = []
    prefixes: list[str] = []
    markers: Query = []
    while True:
        page = uploads(place, *query, ("max-uploads", size), *markers)
        found += texts(page, "Upload/UploadId")
        prefixes += texts(page, "CommonPrefixes/Prefix")
        if text(page, "IsTruncated") == "false":
            break
        markers = [
            ("key-marker", text(page, "NextKeyMarker") or ""),
            ("upload-id-marker", text(page, "NextUploadIdMarker") or ""),
        ]
    assert sorted(found) + prefixes == expected


@pytest.mark.parametrize(("name", "value"), [("max-uploads", "x"), ("encoding-type", "x"), ("max-uploads", "-1")])
def test_parameters_of_a_list_of_uploads_are_checked(local: Place, name: str, value: str) -> None:
    answer = local.ask("GET", query=[("uploads", ""), (name, value)])
    assert (answer.status, answer.code, text(answer, "ArgumentName")) == (400, "InvalidArgument", name)
