"""Uploads in parts: ids, the body of Complete, documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import (
    ArgumentInvalid,
    GatewayError,
    PartInvalid,
    PartOrderInvalid,
    UploadMissing,
    XmlMalformed,
)
from gateway.model import Algorithm, Bucket, Checksum, ChecksumSpec, ChecksumType, ETag, Key
from gateway.s3 import xml
from gateway.s3.documents import Owner
from gateway.s3.multipart import (
    ClaimedPart,
    PartRow,
    UploadPage,
    UploadRow,
    UploadTicket,
    complete_result,
    initiate_document,
    open_marker,
    open_ticket,
    parts_document,
    read_complete,
    uploads_document,
)
from gateway.s3.operations import ListMultipartUploads, ListParts
from gateway.s3.seal import Sealer

SEALER = Sealer([b"key"], "uploads")
OWNER = Owner("id", "name")
B, K = Bucket("b"), Key("k é".encode())
TICKET = UploadTicket("mount", K, "native", 1_000)
CRC = Checksum(Algorithm.CRC32, b"\0\0\0\1")


@given(st.text(), st.binary(min_size=1), st.text(), st.integers(0))
def test_an_upload_id_opens_for_its_own_mount_and_key(mount: str, key: bytes, native: str, started_s: int) -> None:
    ticket = UploadTicket(mount, Key(key), native, started_s)
    upload_id = ticket.seal(SEALER)
    assert open_ticket(SEALER, upload_id, mount, Key(key)) == ticket


def test_an_upload_id_of_another_mount_key_or_maker_is_no_upload() -> None:
    upload_id = TICKET.seal(SEALER)
    foreign = TICKET.seal(Sealer([b"other"], "uploads"))
    for text, mount, key in (
        (upload_id, "other", K),
        (upload_id, "mount", Key(b"other")),
        (upload_id + "A", "mount", K),
        (foreign, "mount", K),
        ("", "mount", K),
    ):
        with pytest.raises(UploadMissing):
            open_ticket(SEALER, text, mount, key)


def test_an_upload_marker_counts_only_beside_its_own_key_marker() -> None:
    upload_id = TICKET.seal(SEALER)
    assert open_marker(SEALER, ListMultipartUploads(B, upload_id_marker=upload_id), "mount") is None
    op = ListMultipartUploads(B, key_marker=K, upload_id_marker=upload_id)
    assert open_marker(SEALER, op, "mount") == TICKET
    for other in (
        ListMultipartUploads(B, key_marker=b"other", upload_id_marker=upload_id),
        ListMultipartUploads(B, key_marker=K, upload_id_marker="made-up"),
    ):
        with pytest.raises(ArgumentInvalid):
            open_marker(SEALER, other, "mount")


def body(*parts: str) -> bytes:
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()


def part(number: object, etag: str = '"tag"', more: str = "") -> str:
    return f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{more}</Part>"


def test_parts_are_claimed_with_or_without_quotes_and_with_checksums() -> None:
    more = "<ChecksumCRC32>AAAAAQ==</ChecksumCRC32><Made>up</Made>"
    assert read_complete(body(part(1), part(5, "tag"), part(10_000, "&quot;tag&quot;", more))) == [
        ClaimedPart(1, ETag("tag")),
        ClaimedPart(5, ETag("tag")),
        ClaimedPart(10_000, ETag("tag"), CRC),
    ]


def test_a_part_sent_again_counts_once_by_its_last_entry() -> None:
    assert read_complete(body(part(1, "old"), part(1, "new"), part(2))) == [
        ClaimedPart(1, ETag("new")),
        ClaimedPart(2, ETag("tag")),
    ]


@pytest.mark.parametrize(
    ("claimed", "failure"),
    [
        ([], XmlMalformed),
        (["<Part><PartNumber>1</PartNumber></Part>"], XmlMalformed),
        (["<Part><ETag>tag</ETag></Part>"], XmlMalformed),
        ([part("one")], XmlMalformed),
        ([part(0)], ArgumentInvalid),
        ([part(10_001)], ArgumentInvalid),
        ([part(2), part(1)], PartOrderInvalid),
        ([part(1), part(2), part(1)], PartOrderInvalid),
        ([part(1, more="<ChecksumSHA1>AAAA</ChecksumSHA1>")], PartInvalid),
    ],
)
def test_a_list_of_parts_that_cannot_be_joined_is_refused(claimed: list[str], failure: type[GatewayError]) -> None:
    with pytest.raises(failure):
        read_complete(body(*claimed))


def test_an_empty_body_completes_nothing() -> None:
    with pytest.raises(XmlMalformed):
        read_complete(b"")


def test_the_answers_name_object_upload_and_checksum() -> None:
    started = xml.read(initiate_document(B, K, "U"), "InitiateMultipartUploadResult")
    assert [started.value(name) for name in ("Bucket", "Key", "UploadId")] == ["b", "k é", "U"]
    done = xml.read(complete_result("http://h/b/k", B, K, ETag("tag-2"), CRC), "CompleteMultipartUploadResult")
    assert {child.name: child.text for child in done.children} == {
        "Location": "http://h/b/k",
        "Bucket": "b",
        "Key": "k é",
        "ETag": '"tag-2"',
        "ChecksumCRC32": "AAAAAQ==",
        "ChecksumType": "FULL_OBJECT",
    }


def test_a_page_of_parts_says_where_the_next_begins() -> None:
    spec = ChecksumSpec(Algorithm.CRC32, ChecksumType.COMPOSITE)
    rows = [PartRow(8, ETag("a"), 5, 0, CRC), PartRow(9, ETag("b"), 6, 0)]
    document = parts_document(ListParts(B, K, "U", 2, 7), rows, truncated=True, spec=spec, owner=OWNER)
    tree = xml.read(document, "ListPartsResult")
    names = ("PartNumberMarker", "NextPartNumberMarker", "MaxParts", "IsTruncated", "ChecksumAlgorithm", "ChecksumType")
    assert [tree.value(name) for name in names] == ["7", "9", "2", "true", "CRC32", "COMPOSITE"]
    first, second = tree.all("Part")
    assert [first.value(name) for name in ("PartNumber", "ETag", "Size", "ChecksumCRC32")] == [
        "8",
        '"a"',
        "5",
        "AAAAAQ==",
    ]
    assert second.child("ChecksumCRC32") is None


@pytest.mark.parametrize(("prefix", "markers"), [(b"a/", ("k é", "U")), (b"z/", ("z/", ""))])
def test_a_page_of_uploads_ends_at_its_last_item(prefix: bytes, markers: tuple[str, str]) -> None:
    page = UploadPage([UploadRow(K, "U", 1_795_402_800)], [prefix], truncated=True)
    tree = xml.read(uploads_document(ListMultipartUploads(B), page, OWNER), "ListMultipartUploadsResult")
    assert (tree.value("NextKeyMarker"), tree.value("NextUploadIdMarker")) == markers
    (upload,) = tree.all("Upload")
    assert [upload.value(name) for name in ("Key", "UploadId", "Initiated")] == [
        "k é",
        "U",
        "2026-11-23T03:00:00.000Z",
    ]
