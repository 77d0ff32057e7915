"""What every store behind a mount promises: the Backend protocol and the values it trades in."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from gateway.errors import GatewayError
from gateway.model import (
    UNCONDITIONAL,
    Checksum,
    ChecksumSpec,
    Condition,
    ContentHeaders,
    ETag,
    Info,
    Key,
    Metadata,
    PartRun,
    Span,
    Tags,
    Version,
)

PART_SIZE_MIN = 5 * 1024 * 1024
RESERVED = b".forebay"
"""The first segment of every name the gateway keeps for itself at a mount's root."""


class Pin(Enum):
    """How a backend keeps one read to one version."""

    REQUEST = "request"
    """By a condition in the request that reads."""
    CHECK = "check"
    """By comparing versions around the opening of the stream."""
    HANDLE = "handle"
    """By holding the one version open."""


class Conditional(Enum):
    """How a backend honours a condition: itself, by comparing first, or not at all."""

    NATIVE = "native"
    CHECKED = "checked"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one mounted store really does; probed, not believed."""

    pin: Pin
    conditional_create: Conditional
    conditional_replace: Conditional
    conditional_complete: Conditional
    conditional_delete: Conditional
    ordered_list: bool = True
    """Listings come in the order of key bytes."""
    start_after: bool = True
    """Listings can begin after any given key."""
    uploads_per_key_many: bool = True
    """Several uploads of one key may be open at once."""
    server_copy_max: int = 0
    """Bytes of the largest copy inside the store; 0: copies go through the gateway."""
    delete_batch_max: int = 1000
    """Keys of one `delete_batch`."""
    part_max: int = 5 * 1024**3
    """Bytes of one part."""
    object_max: int = 50_000 * 1024**3
    """Bytes of one object."""
    metadata_max: int = 2048
    """Bytes of all names and values of user metadata."""
    etag_in_list: bool = True
    """Listings tell the tags that `stat` tells."""
    tags: bool = False
    """Objects can have tags."""
    checksums: bool = True
    """The checksums that writes come with are kept, and told with the info."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """One page of a listing.

    `start_after` is exclusive and need not exist. If it ends with the delimiter and is a common
    prefix of this very query, all keys under it are out. `token` resumes at this backend only and
    wins over `start_after`. At most `limit` (1..1000) entries and prefixes together.
    """

    prefix: bytes = b""
    delimiter: bytes = b""
    start_after: bytes = b""
    token: str | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing: the same values `stat` would give."""

    key: Key
    version: Version
    size: int
    modified_s: int
    etag: ETag
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class ListPage:
    """Entries and common prefixes, each sorted by bytes; together they are one stretch of the listing.

    `token` is None exactly when nothing follows.
    """

    entries: tuple[Entry, ...]
    prefixes: tuple[bytes, ...]
    token: str | None


@dataclass(frozen=True, slots=True)
class WriteSpec:
    """What is stored beside the bytes, and the condition of the commit."""

    content: ContentHeaders = ContentHeaders()
    metadata: Metadata = ()
    tags: Tags = ()
    condition: Condition = UNCONDITIONAL
    checksum: ChecksumSpec | None = None
    """For uploads: the checksum its parts carry. Plain writes take it from the body."""
    write_id: str = ""
    """Names this one write; kept with the object, told by `stat` as `Info.write_id`, never shown to clients."""


class Body(Protocol):
    """The bytes of a write, and the verdict on them."""

    @property
    def size(self) -> int:
        """Bytes in all, known beforehand."""
        ...

    def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """Yields the bytes in pieces of at most 1 MiB; may be called once.

        Ends normally only after the verdict (length, signature, hash, checksum) was good, else
        raises. A writer therefore commits nothing before the iteration has ended. A piece is
        valid until the next one is asked for.
        """
        ...

    @property
    def checksum(self) -> Checksum | None:
        """What the client proved about the whole body; known once `pieces` has ended."""
        ...


class Reading(Protocol):
    """An open stream of one version of an object."""

    @property
    def info(self) -> Info: ...

    def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """Yields exactly the bytes of the span, in order, at most 1 MiB each, else raises.

        A piece is valid until the next one is asked for.
        """
        ...


@dataclass(frozen=True, slots=True)
class UploadId:
    """An open multipart upload; `native` is the store's own name for it."""

    key: Key
    native: str
    started_s: int


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was written. In `complete_upload` only number, etag and checksum are compared."""

    number: int
    etag: ETag
    size: int = 0
    modified_s: int = 0
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class PartPage:
    """Parts ascending by number, after the number asked for; `truncated` if more follow."""

    parts: tuple[Part, ...]
    truncated: bool
    spec: WriteSpec
    """What was given at `begin_upload`."""


@dataclass(frozen=True, slots=True)
class UploadQuery:
    """One page of the open uploads, ordered by key, then start, then native id.

    Only uploads of keys greater than `key_marker`, and those of `key_marker` itself that come
    after `upload_marker` where that is given. At most `limit` uploads and prefixes together.
    """

    prefix: bytes = b""
    delimiter: bytes = b""
    key_marker: bytes = b""
    upload_marker: UploadId | None = None
    limit: int = 1000


@dataclass(frozen=True, slots=True)
class UploadPage:
    """Open uploads in order, and common prefixes as in `ListPage`; `truncated` if more follow."""

    uploads: tuple[UploadId, ...]
    prefixes: tuple[bytes, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class Completion:
    """How an upload is to end.

    `size` is what the client says the whole must have, None if it did not say. `checksum` is that of
    the whole, combined from the parts' by the caller, and is kept with the object.
    """

    condition: Condition = UNCONDITIONAL
    size: int | None = None
    checksum: Checksum | None = None


class Backend(Protocol):
    """A store of objects.

    All methods raise `GatewayError` subclasses only. Cancelling any of them leaves nothing behind
    that a reader or a listing could see.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def stat(self, key: Key) -> Info:
        """The newest content; `ObjectMissing` else. A directory is no object, except as the key `dir/`."""
        ...

    def read(self, key: Key, span: Span | None, pin: Version | None) -> AbstractAsyncContextManager[Reading]:
        """Opens one stream, bound to one version from the first byte to the last.

        `span` None is the whole; a span that reaches past the end is cut; one that starts at or
        after the end raises `SpanOutside`. With `pin` any other version raises `VersionChanged`
        before a byte is handed out.
        """
        ...

    async def list(self, query: ListQuery) -> ListPage:
        """One page in the order of key bytes. A write that returned is in the next list."""
        ...

    async def write(self, key: Key, body: Body, spec: WriteSpec) -> Info:
        """All or nothing; returns the info of exactly what was written. The body's own error passes through."""
        ...

    async def copy(self, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        """Inside this backend; `VersionChanged` if the source is no longer `pin`."""
        ...

    async def delete(self, key: Key, pin: Version | None) -> None:
        """A missing object is a success; with `pin`, `ConditionFailed` if another version is there."""
        ...

    async def delete_batch(self, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        """Up to 1,000 keys; per key its error or None, in order. Not atomic."""
        ...

    async def begin_upload(self, key: Key, spec: WriteSpec) -> UploadId:
        """Keeps all state in the store, so any node continues the upload."""
        ...

    async def write_part(self, upload: UploadId, number: int, body: Body) -> Part:
        """Of several bodies under one number, the one that ends last wins."""
        ...

    async def copy_part(self, upload: UploadId, number: int, source: Key, span: Span, pin: Version) -> Part: ...

    async def list_parts(self, upload: UploadId, after: int, limit: int) -> PartPage: ...

    async def complete_upload(self, upload: UploadId, parts: Sequence[Part], completion: Completion) -> Info:
        """Joins `parts` (ascending, at least one); parts left out are dropped.

        `PartInvalid`, `PartTooSmall` and `RequestInvalid` (size) leave the upload alive. Repeated after
        success with the same parts it answers the same, before any condition is looked at.
        """
        ...

    async def abort_upload(self, upload: UploadId) -> None:
        """`UploadMissing` if it is not there."""
        ...

    async def list_uploads(self, query: UploadQuery) -> UploadPage: ...

    async def tags(self, key: Key) -> Tags: ...

    async def set_tags(self, key: Key, tags: Tags) -> None:
        """Replaces all tags; the version stays."""
        ...

    async def probe(self) -> Capabilities:
        """Tries what really holds, under `.forebay/probe/`, and returns it."""
        ...

    async def close(self) -> None: ...


def runs_of(sizes: Sequence[int]) -> tuple[PartRun, ...]:
    """The part layout of an object whose parts have these sizes, in order."""
    runs: list[PartRun] = []
    for size in sizes:
        if runs and runs[-1].size == size:
            runs[-1] = PartRun(runs[-1].count + 1, size)
        else:
            runs.append(PartRun(1, size))
    return tuple(runs)
