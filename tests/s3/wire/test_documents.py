"""The documents that several operations share."""

import pytest

from gateway.errors import AccessRefused, ArgumentInvalid, KeyTooLong, XmlMalformed
from gateway.model import Algorithm, Bucket, Checksum, ChecksumType, ETag, Key
from gateway.s3 import xml
from gateway.s3.documents import (
    BucketPage,
    BucketRow,
    DeleteRequest,
    Deletion,
    Owner,
    check_location,
    copy_part_result,
    copy_result,
    delete_result,
    list_buckets,
    open_bucket_token,
    post_response,
    read_delete,
    seal_bucket_token,
)
from gateway.s3.guards import DeleteConditions, TagList
from gateway.s3.operations import ListBuckets
from gateway.s3.seal import Sealer

SEALER = Sealer([b"key"], "tokens")


def test_buckets_are_listed_with_their_owner_and_a_token_that_goes_on() -> None:
    token = seal_bucket_token(SEALER, Bucket("bb"))
    page = BucketPage([BucketRow(Bucket("bb"), 1_795_402_800)], token)
    tree = xml.read(list_buckets(ListBuckets(prefix="b"), page, Owner("id", "me"), "eu-1"), "ListAllMyBucketsResult")
    assert (tree.value("Prefix"), tree.value("ContinuationToken")) == ("b", token)
    (buckets,) = tree.all("Buckets")
    assert [[child.text for child in bucket.children] for bucket in buckets.children] == [
        ["bb", "2026-11-23T03:00:00.000Z", "eu-1"]
    ]
    assert open_bucket_token(ListBuckets(token=token), SEALER) == "bb"
    assert open_bucket_token(ListBuckets(), SEALER) == ""


def test_a_token_that_is_not_ours_lists_no_buckets() -> None:
    with pytest.raises(ArgumentInvalid):
        open_bucket_token(ListBuckets(token="made-up"), SEALER)
    with pytest.raises(ArgumentInvalid):
        open_bucket_token(ListBuckets(token=SEALER.seal(b"")), SEALER)


def test_any_location_is_taken_and_no_other_document() -> None:
    check_location(b"")
    check_location(b"<CreateBucketConfiguration><LocationConstraint>x</LocationConstraint></CreateBucketConfiguration>")
    with pytest.raises(XmlMalformed):
        check_location(b"<Other/>")


def test_copies_answer_tag_time_and_checksum() -> None:
    checksum = Checksum(Algorithm.SHA1, b"\0" * 20, ChecksumType.COMPOSITE, 3)
    for root, document in (("CopyObjectResult", copy_result), ("CopyPartResult", copy_part_result)):
        tree = xml.read(document(ETag("tag"), 1_795_402_800, checksum), root)
        assert {child.name: child.text for child in tree.children} == {
            "LastModified": "2026-11-23T03:00:00.000Z",
            "ETag": '"tag"',
            "ChecksumSHA1": "AAAAAAAAAAAAAAAAAAAAAAAAAAA=-3",
            "ChecksumType": "COMPOSITE",
        }


def test_a_form_is_answered_without_a_namespace() -> None:
    body = post_response("http://h/b/k", Bucket("b"), Key(b"k"), ETag("tag"))
    assert b"xmlns" not in body
    assert xml.read(body, "PostResponse").value("ETag") == '"tag"'


def delete_body(objects: str, more: str = "") -> bytes:
    return f'<Delete xmlns="{xml.NAMESPACE}">{objects}{more}</Delete>'.encode()


def test_deletions_keep_version_and_conditions() -> None:
    objects = (
        "<Object><Key>a&#13;b</Key></Object>"
        "<Object><Key>c</Key><VersionId>v</VersionId><ETag>tag</ETag><Size>3</Size>"
        "<LastModifiedTime>Sun, 06 Nov 1994 08:49:37 GMT</LastModifiedTime></Object>"
    )
    conditions = DeleteConditions(TagList(strong=("tag",)), 3, 784_111_777)
    assert read_delete(delete_body(objects, "<Quiet>true</Quiet>")) == DeleteRequest(
        (Deletion(Key(b"a\rb")), Deletion(Key(b"c"), "v", conditions)), quiet=True
    )


@pytest.mark.parametrize("count", [0, 1001])
def test_there_are_1_to_1000_deletions(count: int) -> None:
    with pytest.raises(XmlMalformed):
        read_delete(delete_body("<Object><Key>k</Key></Object>" * count))
    assert len(read_delete(delete_body("<Object><Key>k</Key></Object>" * 1000)).deletions) == 1000


def test_a_deletion_without_key_spoils_the_document_and_a_bad_key_only_itself() -> None:
    with pytest.raises(XmlMalformed):
        read_delete(delete_body("<Object><VersionId>v</VersionId></Object>"))
    long, empty, size, good = read_delete(
        delete_body(
            f"<Object><Key>{'k' * 1025}</Key></Object><Object><Key/></Object>"
            "<Object><Key>k</Key><Size>x</Size></Object><Object><Key>k</Key></Object>"
        )
    ).deletions
    assert isinstance(long.error, KeyTooLong)
    assert isinstance(empty.error, ArgumentInvalid)
    assert isinstance(size.error, ArgumentInvalid)
    assert good.error is None


@pytest.mark.parametrize("quiet", [False, True])
def test_each_deletion_is_answered_in_order_and_the_good_ones_not_if_quiet(quiet: bool) -> None:
    request = DeleteRequest((Deletion(Key(b"a"), "null"), Deletion(Key(b"b"))), quiet)
    tree = xml.read(delete_result(request, [None, AccessRefused()]), "DeleteResult")
    deleted = [entry.children for entry in tree.all("Deleted")]
    assert [[child.text for child in children] for children in deleted] == ([] if quiet else [["a", "null"]])
    (failed,) = tree.all("Error")
    assert [failed.value(name) for name in ("Key", "Code", "Message")] == ["b", "AccessDenied", "Access Denied"]
