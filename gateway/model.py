"""The values that several houses name: keys, spans, versions, infos, conditions, checksums."""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import NewType

Bucket = NewType("Bucket", str)
"""A bucket's name as the client sees it."""

Key = NewType("Key", bytes)
"""An object's key: percent-decoded UTF-8 bytes, never normalised. Keys sort as bytes."""

Version = NewType("Version", bytes)
"""The strong identity of one content of one object at its backend; two contents never share one."""

ETag = NewType("ETag", str)
"""An entity tag without quotes. 32 hex digits only if they are the MD5 of the bytes."""

MIB = 1024 * 1024
KEY_SIZE_MAX = 1024
"""Bytes of a key ("Amazon S3 User Guide", Naming Amazon S3 objects)."""
BLOCK_SIZE = MIB
"""The unit of caching: an object of at most this size is one block, a larger one is cut into blocks of it from 0."""
PART_NUMBER_MAX = 10_000
"""Parts of an upload are numbered from 1 to here ("Amazon S3 User Guide", multipart upload limits)."""
PIECE_SIZE_MAX = MIB
"""No stream between two parts of the gateway carries a larger piece."""


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes [start, stop) of an object, counted from 0.

    HTTP counts the last byte as included (RFC 9110, section 14.1.2). It is
    converted once, in s3/ranges.py, so no other module adds or subtracts one.
    """

    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


class Algorithm(Enum):
    """A checksum algorithm of the S3 API; the value is its name there."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"


class ChecksumType(Enum):
    """How the checksum of an object of several parts comes about ("Checking object integrity")."""

    FULL_OBJECT = "FULL_OBJECT"
    COMPOSITE = "COMPOSITE"


@dataclass(frozen=True, slots=True)
class ChecksumSpec:
    """Which checksum the parts of an upload carry and what becomes of them."""

    algorithm: Algorithm
    type: ChecksumType


@dataclass(frozen=True, slots=True)
class Checksum:
    """A verified checksum.

    `value` is raw, big-endian. For COMPOSITE it is the algorithm over the
    parts' raw values, and `part_count` says of how many; else `part_count` is 0.
    """

    algorithm: Algorithm
    value: bytes
    type: ChecksumType = ChecksumType.FULL_OBJECT
    part_count: int = 0


@dataclass(frozen=True, slots=True)
class ContentHeaders:
    """The headers a client stores with an object, verbatim; None where it sent none.

    Header text is `str` with one character per byte (latin-1), as HTTP carries it.
    """

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    expires: str | None = None


Metadata = tuple[tuple[str, str], ...]
"""User metadata, sorted by name: lower-case names without `x-amz-meta-`; values are header text (latin-1)."""

Tags = tuple[tuple[str, str], ...]
"""Object tags, sorted by name."""


@dataclass(frozen=True, slots=True)
class PartRun:
    """`count` neighbouring parts of `size` bytes each: the layout of an object uploaded in parts."""

    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Info:
    """What HEAD answers for an object.

    `modified_s` is unix time in whole seconds, the same in GET, HEAD and LIST.
    `parts` is empty for plain objects and where the parts are not known. `write_id` is what the write
    of this version was called (`WriteSpec.write_id`); empty where nobody named it.
    """

    version: Version
    size: int
    modified_s: int
    etag: ETag
    content: ContentHeaders = ContentHeaders()
    metadata: Metadata = ()
    checksum: Checksum | None = None
    parts: tuple[PartRun, ...] = ()
    write_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Known:
    """An info, and when the backend confirmed it.

    `validated_s` is unix time in whole seconds of the moment the question went to the backend; 0: trust it
    never. `complete`: it holds all that `stat` would tell; a ranged read may not tell the checksum.
    """

    info: Info
    validated_s: int
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Unconditional:
    """Write whatever is there."""


@dataclass(frozen=True, slots=True)
class IfAbsent:
    """Write only where no object is."""


@dataclass(frozen=True, slots=True)
class IfVersion:
    """Write only over exactly this version."""

    version: Version


Condition = Unconditional | IfAbsent | IfVersion
UNCONDITIONAL = Unconditional()


def is_bucket_name(name: str) -> bool:
    """Whether a new bucket may have this name ("Amazon S3 User Guide", General purpose bucket naming rules).

    It becomes part of a host name, so besides no dot stands beside a dash.
    """
    return (
        _BUCKET_SHAPE.fullmatch(name) is not None
        and _IPV4_SHAPE.fullmatch(name) is None
        and not name.startswith(_BUCKET_PREFIXES_TAKEN)
        and not name.endswith(_BUCKET_SUFFIXES_TAKEN)
        and not any(sequence in name for sequence in ("..", ".-", "-."))
    )


_BUCKET_SHAPE = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IPV4_SHAPE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_BUCKET_PREFIXES_TAKEN = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_SUFFIXES_TAKEN = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
