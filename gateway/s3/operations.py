"""One dataclass per S3 operation: a request whose every parameter has become a value.

`s3/choice.py` makes them, `handlers/` answer them. The class name is the operation's name in
metrics and logs; `action` is the policy action asked of the bucket or of `bucket/key`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from gateway.model import Bucket, Checksum, ChecksumSpec, ChecksumType, ContentHeaders, Key, Metadata, Tags
from gateway.s3.guards import DeleteConditions, ReadConditions, TagList, WriteConditions

# What several operations share.


@dataclass(frozen=True, slots=True)
class RangeSpec:
    """One byte range before the object's size is known: `first-last`, `first-`, or the last `suffix` bytes.

    `last` is included, as in HTTP; `s3/ranges.py` turns this into a Span.
    """

    first: int | None = None
    last: int | None = None
    suffix: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What a client asks to keep beside the bytes. `tags` None: no x-amz-tagging was sent."""

    content: ContentHeaders = ContentHeaders()
    metadata: Metadata = ()
    tags: Tags | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A copy's source."""

    bucket: Bucket
    key: Key
    version_id: str | None = None
    conditions: ReadConditions = ReadConditions()


@dataclass(frozen=True, slots=True)
class ReadSpec:
    """How GET or HEAD wants an object.

    `if_range` is a tag, or a date in unix seconds. `overrides` are response headers by their names,
    which replace the stored ones in 200 and 206. `revalidate` and `bypass` are what Cache-Control
    asks of the gateway: to ask the backend first, or to leave its cache alone.
    """

    version_id: str | None = None
    range: RangeSpec | None = None
    if_range: TagList | int | None = None
    part_number: int | None = None
    conditions: ReadConditions = ReadConditions()
    overrides: tuple[tuple[str, str], ...] = ()
    with_checksum: bool = False
    revalidate: bool = False
    bypass: bool = False


class ListStyle(Enum):
    """Which of the listings answers."""

    V1 = "V1"
    V2 = "V2"


# The service and buckets.


@dataclass(frozen=True, slots=True)
class ListBuckets:
    action: ClassVar[str] = "s3:ListAllMyBuckets"
    prefix: str = ""
    buckets_max: int = 10_000
    token: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class CreateBucket:
    action: ClassVar[str] = "s3:CreateBucket"
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class HeadBucket:
    action: ClassVar[str] = "s3:ListBucket"
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class DeleteBucket:
    action: ClassVar[str] = "s3:DeleteBucket"
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class ListObjects:
    """ListObjects or ListObjectsV2. `marker` is V1's; `token` and `start_after` are V2's (None: not sent)."""

    action: ClassVar[str] = "s3:ListBucket"
    bucket: Bucket
    style: ListStyle
    prefix: bytes = b""
    delimiter: bytes = b""
    keys_max: int = 1000
    url_encoded: bool = False
    marker: bytes = b""
    start_after: bytes | None = None
    token: str | None = None
    fetch_owner: bool = False


@dataclass(frozen=True, slots=True)
class ListMultipartUploads:
    action: ClassVar[str] = "s3:ListBucketMultipartUploads"
    bucket: Bucket
    prefix: bytes = b""
    delimiter: bytes = b""
    uploads_max: int = 1000
    url_encoded: bool = False
    key_marker: bytes = b""
    upload_id_marker: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteObjects:
    """The keys are in the body."""

    action: ClassVar[str] = "s3:DeleteObject"
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class PostObject:
    """A browser form; its fields, the key among them, are in the body."""

    action: ClassVar[str] = "s3:PutObject"
    bucket: Bucket


class BucketTruth(Enum):
    """Sub-resources of a bucket whose answer is known without asking any store."""

    LOCATION = "location"
    VERSIONING = "versioning"
    ACL = "acl"
    OWNERSHIP_CONTROLS = "ownershipControls"
    REQUEST_PAYMENT = "requestPayment"
    POLICY = "policy"
    POLICY_STATUS = "policyStatus"
    CORS = "cors"
    TAGGING = "tagging"
    LIFECYCLE = "lifecycle"
    ENCRYPTION = "encryption"
    WEBSITE = "website"
    REPLICATION = "replication"
    OBJECT_LOCK = "object-lock"
    PUBLIC_ACCESS_BLOCK = "publicAccessBlock"
    LOGGING = "logging"
    NOTIFICATION = "notification"
    ACCELERATE = "accelerate"


class Verb(Enum):
    GET = "GET"
    PUT = "PUT"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True)
class BucketSetting:
    """GET, PUT or DELETE of a bucket's sub-resource; `action` is the one AWS names for it.

    `canned_acl` is the x-amz-acl header of a PUT ?acl, already checked to be a canned ACL.
    """

    bucket: Bucket
    truth: BucketTruth
    verb: Verb
    action: str
    canned_acl: str | None = None


# Objects.


@dataclass(frozen=True, slots=True)
class GetObject:
    action: ClassVar[str] = "s3:GetObject"
    bucket: Bucket
    key: Key
    spec: ReadSpec = ReadSpec()


@dataclass(frozen=True, slots=True)
class HeadObject:
    action: ClassVar[str] = "s3:GetObject"
    bucket: Bucket
    key: Key
    spec: ReadSpec = ReadSpec()


@dataclass(frozen=True, slots=True)
class PutObject:
    action: ClassVar[str] = "s3:PutObject"
    bucket: Bucket
    key: Key
    stored: Stored = Stored()
    conditions: WriteConditions = WriteConditions()


@dataclass(frozen=True, slots=True)
class CopyObject:
    """`replaces_metadata` and `replaces_tags`: the directives said REPLACE."""

    action: ClassVar[str] = "s3:PutObject"
    bucket: Bucket
    key: Key
    source: Source
    stored: Stored = Stored()
    replaces_metadata: bool = False
    replaces_tags: bool = False
    conditions: WriteConditions = WriteConditions()
    checksum: ChecksumSpec | None = None


@dataclass(frozen=True, slots=True)
class DeleteObject:
    action: ClassVar[str] = "s3:DeleteObject"
    bucket: Bucket
    key: Key
    version_id: str | None = None
    conditions: DeleteConditions = DeleteConditions()


@dataclass(frozen=True, slots=True)
class ObjectAcl:
    """GET or PUT ?acl of an object."""

    bucket: Bucket
    key: Key
    verb: Verb
    action: str
    canned_acl: str | None = None
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectTagging:
    """GET, PUT or DELETE ?tagging of an object; a PUT's tags are in the body."""

    bucket: Bucket
    key: Key
    verb: Verb
    action: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """GET or PUT ?legal-hold or ?retention: the bucket has no object lock."""

    bucket: Bucket
    key: Key
    verb: Verb
    action: str
    version_id: str | None = None


# Uploads in parts.


@dataclass(frozen=True, slots=True)
class CreateMultipartUpload:
    action: ClassVar[str] = "s3:PutObject"
    bucket: Bucket
    key: Key
    stored: Stored = Stored()
    checksum: ChecksumSpec | None = None


@dataclass(frozen=True, slots=True)
class UploadPart:
    action: ClassVar[str] = "s3:PutObject"
    bucket: Bucket
    key: Key
    upload_id: str
    number: int


@dataclass(frozen=True, slots=True)
class UploadPartCopy:
    """`range` is the copy source range, always with first and last; None: the whole source."""

    action: ClassVar[str] = "s3:PutObject"
    bucket: Bucket
    key: Key
    upload_id: str
    number: int
    source: Source
    range: RangeSpec | None = None


@dataclass(frozen=True, slots=True)
class CompleteMultipartUpload:
    """The parts are in the body. `checksum`, `checksum_type` and `size` are what the headers claim of the whole."""

    action: ClassVar[str] = "s3:PutObject"
    bucket: Bucket
    key: Key
    upload_id: str
    conditions: WriteConditions = WriteConditions()
    checksum: Checksum | None = None
    checksum_type: ChecksumType | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class AbortMultipartUpload:
    action: ClassVar[str] = "s3:AbortMultipartUpload"
    bucket: Bucket
    key: Key
    upload_id: str


@dataclass(frozen=True, slots=True)
class ListParts:
    action: ClassVar[str] = "s3:ListMultipartUploadParts"
    bucket: Bucket
    key: Key
    upload_id: str
    parts_max: int = 1000
    after: int = 0


Operation = (
    ListBuckets
    | CreateBucket
    | HeadBucket
    | DeleteBucket
    | ListObjects
    | ListMultipartUploads
    | DeleteObjects
    | PostObject
    | BucketSetting
    | GetObject
    | HeadObject
    | PutObject
    | CopyObject
    | DeleteObject
    | ObjectAcl
    | ObjectTagging
    | ObjectLock
    | CreateMultipartUpload
    | UploadPart
    | UploadPartCopy
    | CompleteMultipartUpload
    | AbortMultipartUpload
    | ListParts
)
