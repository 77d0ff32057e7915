"""Listings: where a page begins, the token for the next one, and the documents."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.model import Checksum, ETag, Key
from gateway.s3 import xml
from gateway.s3.dates import xml_date
from gateway.s3.documents import Owner, key_text, owner_element
from gateway.s3.headers import quoted
from gateway.s3.operations import ListObjects, ListStyle
from gateway.s3.parameters import invalid
from gateway.s3.seal import Sealer, pack, unpack
from gateway.s3.stored import STORAGE_CLASS
from gateway.s3.target import quote


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a page begins: after `start_after`, or where the backend's own token says."""

    start_after: bytes
    backend_token: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """An object in a listing."""

    key: Key
    size: int
    modified_s: int
    etag: ETag
    checksum: Checksum | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a listing: rows and common prefixes, each sorted.

    `token` is V2's for the next page (`seal_token`); it is there exactly if `truncated`, unless V1 asks.
    """

    rows: Sequence[Row]
    prefixes: Sequence[bytes]
    truncated: bool
    token: str | None = None

    @property
    def last(self) -> bytes | None:
        """The last item, key or prefix: where the next page is cut; None for an empty page."""
        ends = [*(row.key for row in self.rows[-1:]), *self.prefixes[-1:]]
        return max(ends, default=None)


def cut_of(op: ListObjects, sealer: Sealer, mount_name: str) -> Cut:
    """Where the page begins. `ArgumentInvalid` for a token that is not ours, or of another query."""
    if op.style is ListStyle.V1:
        return Cut(op.marker)
    if not op.token:
        return Cut(op.start_after or b"")
    opened = sealer.open(op.token)
    fields = [] if opened is None else unpack(opened)
    if fields[:1] != [_query_hash(op, mount_name)]:
        raise invalid("continuation-token", op.token, "The continuation token provided is incorrect")
    _, last, *backend_token = fields
    return Cut(last, backend_token[0].decode() if backend_token else None)


def seal_token(op: ListObjects, sealer: Sealer, mount_name: str, cut: Cut) -> str:
    """The token of the page that begins at `cut`: it opens on any node, for this very query alone."""
    fields = [_query_hash(op, mount_name), cut.start_after]
    if cut.backend_token is not None:
        fields.append(cut.backend_token.encode())
    return sealer.seal(pack(fields))


def list_document(op: ListObjects, page: Page, owner: Owner) -> bytes:
    """`ListBucketResult` of V1 or V2; `owner` is the bucket's."""
    names = Names(url_encoded=op.url_encoded)
    v2 = op.style is ListStyle.V2
    shown = owner_element(owner) if not v2 or op.fetch_owner else ""
    return xml.document(
        "ListBucketResult",
        xml.leaf("Name", op.bucket),
        names.leaf("Prefix", op.prefix),
        names.optional("Delimiter", op.delimiter or None),
        xml.leaf("MaxKeys", op.keys_max),
        names.encoding(),
        xml.flag("IsTruncated", value=page.truncated),
        _cut_v2(op, page, names) if v2 else _cut_v1(op, page, names),
        *(_contents(row, names, shown) for row in page.rows),
        *names.common_prefixes(page.prefixes),
    )


@dataclass(frozen=True, slots=True)
class Names:
    """How keys and their like are written: as text, or percent-encoded with `encoding-type=url`."""

    url_encoded: bool

    def leaf(self, name: str, value: bytes) -> str:
        """An element that holds a key, a prefix, a delimiter or a marker."""
        # A blank becomes %20 and a plus %2B: right for readers that take `+` for a blank and for others.
        return xml.leaf(name, quote(value) if self.url_encoded else key_text(value))

    def optional(self, name: str, value: bytes | None) -> str:
        return "" if value is None else self.leaf(name, value)

    def encoding(self) -> str:
        """The echo of `encoding-type`."""
        return xml.optional("EncodingType", "url" if self.url_encoded else None)

    def common_prefixes(self, prefixes: Sequence[bytes]) -> list[str]:
        return [xml.element("CommonPrefixes", self.leaf("Prefix", prefix)) for prefix in prefixes]


def _cut_v1(op: ListObjects, page: Page, names: Names) -> str:
    # The last key serves as marker where no delimiter is, so AWS leaves NextMarker out.
    following = page.last if page.truncated and op.delimiter else None
    return names.leaf("Marker", op.marker) + names.optional("NextMarker", following)


def _cut_v2(op: ListObjects, page: Page, names: Names) -> str:
    return "".join(
        (
            xml.leaf("KeyCount", len(page.rows) + len(page.prefixes)),
            names.optional("StartAfter", op.start_after),
            xml.optional("ContinuationToken", op.token),
            xml.optional("NextContinuationToken", page.token),
        )
    )


def _contents(row: Row, names: Names, owner: str) -> str:
    checksum = row.checksum
    return xml.element(
        "Contents",
        names.leaf("Key", row.key),
        xml.leaf("LastModified", xml_date(row.modified_s)),
        xml.leaf("ETag", quoted(row.etag)),
        "" if checksum is None else xml.leaf("ChecksumAlgorithm", checksum.algorithm.value),
        "" if checksum is None else xml.leaf("ChecksumType", checksum.type.value),
        xml.leaf("Size", row.size),
        owner,
        xml.leaf("StorageClass", STORAGE_CLASS),
    )


def _query_hash(op: ListObjects, mount_name: str) -> bytes:
    fields = (mount_name.encode(), op.bucket.encode(), op.prefix, op.delimiter)
    return hashlib.sha256(pack(fields)).digest()[:16]
