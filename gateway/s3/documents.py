"""The XML documents that several operations share: owners, checksums, buckets, copies, deletes, forms."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import GatewayError, XmlMalformed
from gateway.model import Bucket, Checksum, ETag, Key
from gateway.s3 import checksums, xml
from gateway.s3.dates import xml_date
from gateway.s3.errors import row_of
from gateway.s3.guards import DeleteConditions
from gateway.s3.headers import quoted
from gateway.s3.names import check_key
from gateway.s3.operations import ListBuckets
from gateway.s3.parameters import invalid
from gateway.s3.seal import Sealer, pack, unpack
from gateway.s3.validators import parse_size, parse_tag_list, parse_time

DELETES_MAX = 1000
"""Keys of one DeleteObjects (Amazon S3 API Reference, DeleteObjects)."""

_BUCKET_TOKEN = b"buckets"
"""Tells a token of ListBuckets from one of ListObjects, which the same sealer opens."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a bucket or an object, as S3 shows it; `id` is opaque to clients."""

    id: str
    name: str


def owner_element(owner: Owner, name: str = "Owner") -> str:
    """`Owner`, or with another name `Initiator`."""
    return xml.element(name, xml.leaf("ID", owner.id), xml.leaf("DisplayName", owner.name))


def checksum_elements(checksum: Checksum | None) -> str:
    """`ChecksumCRC32` and its like, and the type; nothing for None."""
    if checksum is None:
        return ""
    return xml.leaf(f"Checksum{checksum.algorithm.value}", checksums.text_of(checksum)) + xml.leaf(
        "ChecksumType", checksum.type.value
    )


def key_text(key: bytes) -> str:
    """A key as text; what backends find that is not UTF-8 never gets this far."""
    return key.decode("utf-8", "replace")


# ListBuckets.


@dataclass(frozen=True, slots=True)
class BucketRow:
    """A bucket in ListBuckets."""

    name: Bucket
    created_s: int


@dataclass(frozen=True, slots=True)
class BucketPage:
    """A page of ListBuckets, by name; `token` None if nothing follows."""

    rows: Sequence[BucketRow]
    token: str | None


def seal_bucket_token(sealer: Sealer, last: Bucket) -> str:
    """The continuation token after the bucket `last`."""
    return sealer.seal(pack((_BUCKET_TOKEN, last.encode())))


def open_bucket_token(op: ListBuckets, sealer: Sealer) -> str:
    """The name after which the page begins, "" for the first; `ArgumentInvalid` for a token not ours."""
    if op.token is None:
        return ""
    opened = sealer.open(op.token)
    fields = [] if opened is None else unpack(opened)
    if fields[:1] != [_BUCKET_TOKEN]:
        raise invalid("continuation-token", op.token, "The continuation token provided is incorrect")
    return fields[1].decode()


def list_buckets(op: ListBuckets, page: BucketPage, owner: Owner, region: str) -> bytes:
    """`ListAllMyBucketsResult`; `owner` is the caller."""
    buckets = [
        xml.element(
            "Bucket",
            xml.leaf("Name", row.name),
            xml.leaf("CreationDate", xml_date(row.created_s)),
            xml.leaf("BucketRegion", region),
        )
        for row in page.rows
    ]
    return xml.document(
        "ListAllMyBucketsResult",
        owner_element(owner),
        xml.element("Buckets", *buckets),
        xml.optional("Prefix", op.prefix or None),
        xml.optional("ContinuationToken", page.token),
    )


def check_location(body: bytes) -> None:
    """`XmlMalformed` unless the body of CreateBucket is empty or a configuration; every location is taken."""
    if body.strip():
        xml.read(body, "CreateBucketConfiguration")


# Copies and forms.


def copy_result(etag: ETag, modified_s: int, checksum: Checksum | None) -> bytes:
    """The answer of CopyObject."""
    return _copied("CopyObjectResult", etag, modified_s, checksum)


def copy_part_result(etag: ETag, modified_s: int, checksum: Checksum | None) -> bytes:
    """The answer of UploadPartCopy."""
    return _copied("CopyPartResult", etag, modified_s, checksum)


def _copied(root: str, etag: ETag, modified_s: int, checksum: Checksum | None) -> bytes:
    return xml.document(
        root,
        xml.leaf("LastModified", xml_date(modified_s)),
        xml.leaf("ETag", quoted(etag)),
        checksum_elements(checksum),
    )


def post_response(location: str, bucket: Bucket, key: Key, etag: ETag) -> bytes:
    """The answer of a form with `success_action_status` 201."""
    return xml.bare_document(
        "PostResponse",
        xml.leaf("Location", location),
        xml.leaf("Bucket", bucket),
        xml.leaf("Key", key_text(key)),
        xml.leaf("ETag", quoted(etag)),
    )


# DeleteObjects.


@dataclass(frozen=True, slots=True)
class Deletion:
    """One object of DeleteObjects; `error` says why its key cannot be one, and then nothing else counts."""

    key: Key
    version_id: str | None = None
    conditions: DeleteConditions = DeleteConditions()
    error: GatewayError | None = None


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """The body of DeleteObjects. `quiet`: only errors are answered."""

    deletions: tuple[Deletion, ...]
    quiet: bool


def read_delete(body: bytes) -> DeleteRequest:
    """The keys to delete; `XmlMalformed` unless there are 1 to 1,000."""
    tree = xml.read(body, "Delete")
    deletions = tuple(_deletion(entry) for entry in tree.all("Object"))
    if not 1 <= len(deletions) <= DELETES_MAX:
        raise XmlMalformed
    return DeleteRequest(deletions, quiet=(tree.value("Quiet") or "").strip().lower() == "true")


def delete_result(request: DeleteRequest, errors: Sequence[GatewayError | None]) -> bytes:
    """`DeleteResult`: one line per deletion, in order, from its error or None; the good ones not if quiet."""
    lines = [
        _deleted(deletion, quiet=request.quiet) if error is None else _failed(deletion, error)
        for deletion, error in zip(request.deletions, errors, strict=True)
    ]
    return xml.document("DeleteResult", *lines)


def _deletion(entry: xml.Element) -> Deletion:
    name = entry.value("Key")
    if name is None:
        raise XmlMalformed
    key, version_id = Key(name.encode()), entry.value("VersionId") or None
    try:
        check_key(key)
        return Deletion(key, version_id, _delete_conditions(entry))
    except GatewayError as error:
        # One bad key is that key's error; the others are deleted all the same.
        return Deletion(key, version_id, error=error)


def _delete_conditions(entry: xml.Element) -> DeleteConditions:
    etag = entry.value("ETag")
    return DeleteConditions(
        if_match=None if etag is None else parse_tag_list(etag),
        size=parse_size("Size", entry.value("Size")),
        modified_s=parse_time("LastModifiedTime", entry.value("LastModifiedTime")),
    )


def _deleted(deletion: Deletion, *, quiet: bool) -> str:
    if quiet:
        return ""
    return xml.element("Deleted", *_named(deletion))


def _failed(deletion: Deletion, error: GatewayError) -> str:
    said = xml.leaf("Code", row_of(error).code) + xml.leaf("Message", xml.carried(str(error)))
    return xml.element("Error", *_named(deletion), said)


def _named(deletion: Deletion) -> tuple[str, str]:
    return xml.leaf("Key", key_text(deletion.key)), xml.optional("VersionId", deletion.version_id)
