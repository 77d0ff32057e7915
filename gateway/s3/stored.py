"""What a write keeps beside the bytes, and which headers may ask for more: the closed lists.

Headers that would change what is stored are known by name; none of them is ignored in silence.
"""

import re

from gateway.errors import (
    AclUnsupported,
    ArgumentInvalid,
    GatewayError,
    MetadataTooLarge,
    RequestInvalid,
    StorageClassInvalid,
    Unsupported,
)
from gateway.model import Metadata
from gateway.s3 import tagging
from gateway.s3.headers import Sent, content_fields, metadata_fields, read_content, read_metadata
from gateway.s3.operations import Stored
from gateway.s3.parameters import invalid

METADATA_SIZE_MAX = 2048
"""Bytes of all names and values ("Amazon S3 User Guide", Working with object metadata)."""

CANNED_ACLS = frozenset(
    (
        "private",
        "public-read",
        "public-read-write",
        "authenticated-read",
        "aws-exec-read",
        "bucket-owner-read",
        "bucket-owner-full-control",
        "log-delivery-write",
    )
)
OWNER_ONLY_ACLS = frozenset(("private", "bucket-owner-full-control"))
"""The canned ACLs that say what is true here: the owner alone, and everything."""

STORAGE_CLASS = "STANDARD"
_STORAGE_CLASSES = frozenset(
    (
        "REDUCED_REDUNDANCY",
        "STANDARD_IA",
        "ONEZONE_IA",
        "INTELLIGENT_TIERING",
        "GLACIER",
        "DEEP_ARCHIVE",
        "OUTPOSTS",
        "GLACIER_IR",
        "SNOW",
        "EXPRESS_ONEZONE",
        "FSX_OPENZFS",
        "FSX_ONTAP",
        "AWS_BACKUP_WARM",
        "AWS_BACKUP_LOW_COST_WARM",
    )
)

# RFC 9110, sections 5.1 and 5.5.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_UNSUPPORTED = frozenset(
    ("x-amz-website-redirect-location", "x-amz-write-offset-bytes", "x-amz-if-match-initiated-time")
)
_UNSUPPORTED_PREFIXES = ("x-amz-server-side-encryption", "x-amz-copy-source-server-side-encryption", "x-amz-fwd-")
_ACCEPTED_VALUES = {
    "x-amz-object-ownership": "BucketOwnerEnforced",
    "x-amz-bucket-object-lock-enabled": "false",
    "x-amz-bucket-namespace": "global",
}


def check_headers(sent: Sent) -> None:
    """Refuse what no operation here can honour; holds for every request."""
    for name, value in sent.values.items():
        if not name.startswith("x-amz-"):
            continue
        if name in _UNSUPPORTED or name.startswith(_UNSUPPORTED_PREFIXES):
            raise unsupported_header(name)
        if name.startswith("x-amz-grant-"):
            raise AclUnsupported
        if name.startswith("x-amz-object-lock-"):
            raise object_lock_missing()
        if name in _ACCEPTED_VALUES and value.lower() != _ACCEPTED_VALUES[name].lower():
            raise unsupported_header(name)


def read_stored(sent: Sent) -> Stored:
    """What a client asks to keep. Raises by the tables of headers that modify a write."""
    canned_acl(sent)
    _check_storage_class(sent.text("x-amz-storage-class"))
    content, metadata = read_content(sent), read_metadata(sent)
    for name, value in (*content_fields(content), *metadata_fields(metadata)):
        _check_field(name, value)
    _check_size(metadata)
    tags = sent.text("x-amz-tagging")
    return Stored(content, metadata, None if tags is None else tagging.read_header(tags))


def canned_acl(sent: Sent) -> str | None:
    """The canned ACL that was sent; it is a word of the API, but widens nobody's access."""
    acl = sent.text("x-amz-acl")
    if acl is not None and acl not in CANNED_ACLS:
        raise invalid("x-amz-acl", acl, "The canned ACL is not known.")
    return acl


def replaces(sent: Sent, name: str) -> bool:
    """Whether a directive (`COPY`, the default, or `REPLACE`) says REPLACE."""
    directive = sent.text(name)
    if directive not in (None, "COPY", "REPLACE"):
        raise ArgumentInvalid(f"Unknown {name}.", ArgumentName=name, ArgumentValue=directive or "")
    return directive == "REPLACE"


def unsupported_header(name: str) -> GatewayError:
    """What to raise for a header that nothing here implements."""
    return Unsupported(f"The header {name} is not implemented.", Header=name)


def object_lock_missing() -> GatewayError:
    """What to raise for requests that need object lock."""
    return RequestInvalid("Bucket is missing Object Lock Configuration")


def _check_storage_class(name: str | None) -> None:
    if name in (None, STORAGE_CLASS):
        return
    if name in _STORAGE_CLASSES:
        raise Unsupported(f"The storage class {name} is not implemented.", Header="x-amz-storage-class")
    raise StorageClassInvalid


def _check_field(name: str, value: str) -> None:
    # What a form or a presigned URL says did not come as a field, but leaves as one: a line end would begin another.
    if not _TOKEN.fullmatch(name) or _CONTROL.search(value):
        raise invalid(name, value, "This cannot be the name and the value of a header field.")


def _check_size(metadata: Metadata) -> None:
    size = sum(len(name) + len(value) for name, value in metadata)
    if size > METADATA_SIZE_MAX:
        raise MetadataTooLarge(Size=size, MaxSizeAllowed=METADATA_SIZE_MAX)
