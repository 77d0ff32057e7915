"""Multipart uploads from their beginning to their end, copies of parts included."""

import zlib
from base64 import b64encode
from hashlib import md5

import pytest

from gateway.model import MIB
from tests.handlers.node import Body, Node, Reply

PART = bytes(range(256)) * (5 * MIB // 256)
TAIL = b"the tail"


def crc_of(data: bytes) -> str:
    return b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def begin(node: Node, key: str = "k", headers: dict[str, str] | None = None, bucket: str = "demo") -> str:
    return node.request("POST", f"/{bucket}/{key}?uploads", headers=headers).text("UploadId")


def put_part(node: Node, upload: str, number: int, data: bytes, headers: dict[str, str] | None = None) -> Reply:
    return node.request("PUT", f"/demo/k?partNumber={number}&uploadId={upload}", data, headers)


def claim(*parts: tuple[int, str], more: str = "") -> bytes:
    entries = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag>{more}</Part>" for n, tag in parts)
    return f"<CompleteMultipartUpload>{entries}</CompleteMultipartUpload>".encode()


def complete(node: Node, upload: str, document: bytes, headers: dict[str, str] | None = None) -> Reply:
    return node.request("POST", f"/demo/k?uploadId={upload}", document, headers)


def test_parts_become_one_object_with_what_was_given_at_the_beginning(node: Node) -> None:
    upload = begin(node, headers={"content-type": "video/mp4", "x-amz-meta-a": "1", "x-amz-tagging": "t=1"})
    second = put_part(node, upload, 2, TAIL).fields["etag"]
    first = put_part(node, upload, 1, PART).fields["etag"]
    reply = complete(node, upload, claim((1, first), (2, second)))
    assert reply.status == 200
    assert reply.text("ETag") == f'"{md5(md5(PART).digest() + md5(TAIL).digest()).hexdigest()}-2"'
    assert reply.text("Location") == "http://s3.test/demo/k"
    read = node.request("GET", "/demo/k")
    assert read.body == PART + TAIL
    assert (read.fields["content-type"], read.fields["x-amz-meta-a"]) == ("video/mp4", "1")
    assert node.request("GET", "/demo/k?tagging").texts("Value") == ["1"]
    part = node.request("GET", "/demo/k?partNumber=2")
    assert (part.status, part.body, part.fields["x-amz-mp-parts-count"]) == (206, TAIL, "2")
    assert node.request("GET", "/demo/k?partNumber=3").code == "InvalidPartNumber"
    assert complete(node, upload, claim((1, first), (2, second))).text("ETag") == reply.text("ETag")


def test_a_completed_upload_answers_again_even_under_conditions_that_its_own_success_broke(node: Node) -> None:
    upload = begin(node)
    etag = put_part(node, upload, 1, TAIL).fields["etag"]
    first = complete(node, upload, claim((1, etag)), {"if-none-match": "*"})
    again = complete(node, upload, claim((1, etag)), {"if-none-match": "*"})
    assert (first.status, again.status) == (200, 200)
    assert again.text("ETag") == first.text("ETag")
    node.request("PUT", "/demo/k", b"other")
    assert complete(node, upload, claim((1, etag))).code == "NoSuchUpload"


def test_conditions_of_complete_leave_the_upload_alive(node: Node) -> None:
    node.request("PUT", "/demo/k", b"there")
    upload = begin(node)
    etag = put_part(node, upload, 1, TAIL).fields["etag"]
    assert complete(node, upload, claim((1, etag)), {"if-none-match": "*"}).code == "PreconditionFailed"
    assert node.request("GET", "/demo/k").body == b"there"
    assert complete(node, upload, claim((1, etag))).status == 200
    assert node.request("GET", "/demo/k").body == TAIL


@pytest.mark.parametrize(
    ("document", "headers", "code"),
    [
        (b"", {}, "MalformedXML"),
        (claim(), {}, "MalformedXML"),
        (claim((1, "ETAG1"), (9, "ETAG2")), {}, "InvalidPart"),
        (claim((1, "ETAG2")), {}, "InvalidPart"),
        (claim((2, "ETAG2"), (1, "ETAG1")), {}, "InvalidPartOrder"),
        (claim((2, "ETAG2"), (3, "ETAG3")), {}, "EntityTooSmall"),
        (claim((1, "ETAG1")), {"x-amz-mp-object-size": "7"}, "InvalidRequest"),
        (claim((1, "ETAG1")), {"x-amz-checksum-crc32": "AAAAAA=="}, "InvalidRequest"),
        (claim((1, "ETAG1")), {"if-match": "*"}, "NoSuchKey"),
    ],
)
def test_a_refused_complete_changes_nothing(node: Node, document: bytes, headers: dict[str, str], code: str) -> None:
    upload = begin(node)
    etags = [put_part(node, upload, number, data).fields["etag"] for number, data in ((1, PART), (2, TAIL), (3, TAIL))]
    for at, etag in enumerate(etags, 1):
        document = document.replace(b"ETAG%d" % at, etag.encode())
    assert complete(node, upload, document, headers).code == code
    assert node.request("GET", "/demo/k").code == "NoSuchKey"
    assert node.request("GET", f"/demo/k?uploadId={upload}").texts("PartNumber") == ["1", "2", "3"]


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_the_checksum_of_the_whole_comes_from_the_parts(node: Node, kind: str) -> None:
    asked = {"x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": kind}
    begun = node.request("POST", "/demo/k?uploads", headers=asked)
    assert begun.fields["x-amz-checksum-algorithm"] == "CRC32"
    assert begun.fields["x-amz-checksum-type"] == kind
    upload = begun.text("UploadId")
    # One part with its checksum sent, one whose checksum the node computes.
    first = put_part(node, upload, 1, PART, {"x-amz-checksum-crc32": crc_of(PART)})
    second = put_part(node, upload, 2, TAIL)
    assert second.fields["x-amz-checksum-crc32"] == crc_of(TAIL)
    raw = zlib.crc32(PART).to_bytes(4, "big") + zlib.crc32(TAIL).to_bytes(4, "big")
    expected = crc_of(PART + TAIL) if kind == "FULL_OBJECT" else f"{crc_of(raw)}-2"
    document = claim((1, first.fields["etag"]), (2, second.fields["etag"]))
    wrong = {"x-amz-checksum-crc32": crc_of(b"other")}
    assert complete(node, upload, document, wrong).code == "BadDigest"
    other = "COMPOSITE" if kind == "FULL_OBJECT" else "FULL_OBJECT"
    assert complete(node, upload, document, {"x-amz-checksum-type": other}).code == "BadDigest"
    reply = complete(node, upload, document, {"x-amz-checksum-crc32": expected, "x-amz-checksum-type": kind})
    assert reply.text("ChecksumCRC32") == expected
    head = node.request("HEAD", "/demo/k", headers={"x-amz-checksum-mode": "enabled"})
    assert head.fields["x-amz-checksum-crc32"] == expected


def test_a_part_with_a_checksum_of_another_algorithm_is_refused(node: Node) -> None:
    upload = begin(node, headers={"x-amz-checksum-algorithm": "SHA256"})
    assert put_part(node, upload, 1, TAIL, {"x-amz-checksum-crc32": crc_of(TAIL)}).code == "InvalidRequest"
    assert node.request("GET", f"/demo/k?uploadId={upload}").texts("PartNumber") == []


@pytest.mark.parametrize("upload", ["nonsense", "", "AAAA"])
@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "GET"])
def test_an_upload_id_that_is_not_ours_names_no_upload(node: Node, upload: str, method: str) -> None:
    query = f"partNumber=1&uploadId={upload}" if method == "PUT" else f"uploadId={upload}"
    body = Body([b"x"])
    reply = node.request(method, f"/demo/k?{query}", body, {"content-length": "1"})
    assert (reply.status, reply.code) == (404, "NoSuchUpload")
    assert not body.asked


def test_an_upload_id_is_good_for_its_own_key_and_bucket_only(node: Node) -> None:
    upload = begin(node)
    for target in ("/demo/j", "/other/k"):
        assert node.request("PUT", f"{target}?partNumber=1&uploadId={upload}", b"x").code == "NoSuchUpload"


def test_an_aborted_upload_leaves_nothing(node: Node) -> None:
    upload = begin(node)
    put_part(node, upload, 1, TAIL)
    assert node.request("DELETE", f"/demo/k?uploadId={upload}").status == 204
    assert node.request("DELETE", f"/demo/k?uploadId={upload}").code == "NoSuchUpload"
    body = Body([b"late"])
    late = node.request("PUT", f"/demo/k?partNumber=2&uploadId={upload}", body, {"content-length": "4"})
    assert late.code == "NoSuchUpload"
    assert not body.asked
    assert node.request("GET", "/demo?uploads").texts("UploadId") == []


def test_a_truncated_part_is_no_part(node: Node) -> None:
    upload = begin(node)
    target = f"/demo/k?partNumber=1&uploadId={upload}"
    reply = node.request("PUT", target, Body([b"half"], breaks_off=True), {"content-length": "8"})
    assert reply.code == "IncompleteBody"
    assert node.request("GET", f"/demo/k?uploadId={upload}").texts("PartNumber") == []


def test_parts_are_listed_in_pages(node: Node) -> None:
    upload = begin(node)
    for number in (3, 1, 7):
        put_part(node, upload, number, b"%d" % number)
    page = node.request("GET", f"/demo/k?uploadId={upload}&max-parts=2")
    assert (page.texts("PartNumber"), page.text("IsTruncated")) == (["1", "3"], "true")
    marker = page.text("NextPartNumberMarker")
    rest = node.request("GET", f"/demo/k?uploadId={upload}&part-number-marker={marker}")
    assert (rest.texts("PartNumber"), rest.text("IsTruncated")) == (["7"], "false")
    none = node.request("GET", f"/demo/k?uploadId={upload}&max-parts=0")
    assert (none.texts("PartNumber"), none.text("IsTruncated")) == ([], "false")


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_open_uploads_are_listed_in_pages_that_join(node: Node, size: int) -> None:
    uploads = {begin(node, key) for key in ("a", "a", "b/1", "b/2", "c")}
    seen: list[str] = []
    query = ""
    while True:
        page = node.request("GET", f"/demo?uploads&max-uploads={size}{query}")
        seen += page.texts("UploadId")
        if page.text("IsTruncated") == "false":
            break
        query = f"&key-marker={page.text('NextKeyMarker')}&upload-id-marker={page.text('NextUploadIdMarker')}"
    assert len(seen) == 5
    assert set(seen) == uploads
    rolled = node.request("GET", "/demo?uploads&delimiter=/")
    assert rolled.texts("Prefix") == ["", "b/"]


@pytest.mark.parametrize("bucket", ["demo", "other"])
@pytest.mark.parametrize("algorithm", [None, "CRC32"])
def test_parts_are_copied_from_objects_of_any_bucket(node: Node, bucket: str, algorithm: str | None) -> None:
    node.request("PUT", f"/{bucket}/source", PART + TAIL)
    upload = begin(node, headers={} if algorithm is None else {"x-amz-checksum-algorithm": algorithm})
    target = f"/demo/k?partNumber=%d&uploadId={upload}"
    whole = node.request("PUT", target % 1, headers={"x-amz-copy-source": f"/{bucket}/source"})
    stretch = node.request(
        "PUT",
        target % 2,
        headers={"x-amz-copy-source": f"{bucket}/source", "x-amz-copy-source-range": "bytes=3-10"},
    )
    assert (whole.status, stretch.status) == (200, 200)
    if algorithm:
        assert stretch.text("ChecksumCRC32") == crc_of((PART + TAIL)[3:11])
    done = complete(node, upload, claim((1, whole.text("ETag")), (2, stretch.text("ETag"))))
    assert done.status == 200
    assert node.request("GET", "/demo/k").body == PART + TAIL + (PART + TAIL)[3:11]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"x-amz-copy-source": "demo/none"}, "NoSuchKey"),
        ({"x-amz-copy-source": "nowhere/x"}, "NoSuchBucket"),
        ({"x-amz-copy-source-range": "bytes=0-8"}, "InvalidRange"),
        ({"x-amz-copy-source-range": "bytes=0-"}, "InvalidArgument"),
        ({"x-amz-copy-source-if-match": '"other"'}, "PreconditionFailed"),
        ({"x-amz-copy-source": "demo/source?versionId=v1"}, "NoSuchVersion"),
    ],
)
def test_a_refused_copy_of_a_part_is_no_part(node: Node, headers: dict[str, str], code: str) -> None:
    node.request("PUT", "/demo/source", TAIL)
    upload = begin(node)
    reply = node.request(
        "PUT", f"/demo/k?partNumber=1&uploadId={upload}", headers={"x-amz-copy-source": "demo/source", **headers}
    )
    assert reply.code == code
    assert node.request("GET", f"/demo/k?uploadId={upload}").texts("PartNumber") == []
