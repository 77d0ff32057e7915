"""Uploads in parts: upload ids, the body of Complete, and the documents."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import DigestWrong, PartInvalid, PartOrderInvalid, UploadMissing, XmlMalformed
from gateway.model import PART_NUMBER_MAX, Algorithm, Bucket, Checksum, ChecksumSpec, ETag, Key
from gateway.s3 import checksums, xml
from gateway.s3.dates import xml_date
from gateway.s3.documents import Owner, checksum_elements, key_text, owner_element
from gateway.s3.headers import quoted
from gateway.s3.listing import Names
from gateway.s3.operations import ListMultipartUploads, ListParts
from gateway.s3.parameters import invalid, parse_integer
from gateway.s3.seal import Sealer, pack, unpack
from gateway.s3.stored import STORAGE_CLASS


@dataclass(frozen=True, slots=True)
class UploadTicket:
    """What an UploadId means: an open upload at a mount's store, whose own name for it is `native`."""

    mount: str
    key: Key
    native: str
    started_s: int

    def seal(self, sealer: Sealer) -> str:
        """The UploadId."""
        return sealer.seal(pack((self.mount.encode(), self.key, self.native.encode(), str(self.started_s).encode())))


def open_ticket(sealer: Sealer, upload_id: str, mount: str, key: Key) -> UploadTicket:
    """The upload of this key; `UploadMissing` for an id that is not ours, another mount's or another key's."""
    ticket = _opened(sealer, upload_id)
    if ticket is None or ticket.mount != mount or ticket.key != key:
        raise UploadMissing(UploadId=upload_id)
    return ticket


def open_marker(sealer: Sealer, op: ListMultipartUploads, mount: str) -> UploadTicket | None:
    """The upload after which a page begins; None without a key-marker, as the other counts only beside it."""
    if op.upload_id_marker is None or not op.key_marker:
        return None
    ticket = _opened(sealer, op.upload_id_marker)
    if ticket is None or ticket.mount != mount or ticket.key != op.key_marker:
        raise invalid("upload-id-marker", op.upload_id_marker, "Invalid uploadId marker")
    return ticket


def _opened(sealer: Sealer, upload_id: str) -> UploadTicket | None:
    opened = sealer.open(upload_id)
    if opened is None:
        return None
    mount, key, native, started_s = unpack(opened)
    return UploadTicket(mount.decode(), Key(key), native.decode(), int(started_s))


# The body of Complete.


@dataclass(frozen=True, slots=True)
class ClaimedPart:
    """A part as the client remembers it."""

    number: int
    etag: ETag
    checksum: Checksum | None = None


def read_complete(body: bytes) -> list[ClaimedPart]:
    """The parts to join, ascending.

    A number repeated right after itself counts once, by its last entry: an uploader sent that part again.
    Raises `XmlMalformed` (no part among others), `ArgumentInvalid`, `PartOrderInvalid`, `PartInvalid`.
    """
    parts: list[ClaimedPart] = []
    for entry in xml.read(body, "CompleteMultipartUpload").all("Part"):
        part = _claimed(entry)
        if parts and part.number < parts[-1].number:
            raise PartOrderInvalid
        if parts and part.number == parts[-1].number:
            parts.pop()
        parts.append(part)
    if not parts:
        raise XmlMalformed
    return parts


def _claimed(entry: xml.Element) -> ClaimedPart:
    number = parse_integer((entry.value("PartNumber") or "").strip())
    etag = entry.value("ETag")
    if number is None or etag is None:
        raise XmlMalformed
    if not 1 <= number <= PART_NUMBER_MAX:
        raise invalid("PartNumber", str(number), f"Part number must be an integer between 1 and {PART_NUMBER_MAX}")
    return ClaimedPart(number, ETag(etag.strip().strip('"')), _claimed_checksum(entry))


def _claimed_checksum(entry: xml.Element) -> Checksum | None:
    for algorithm in Algorithm:
        text = entry.value(f"Checksum{algorithm.value}")
        if text is not None:
            try:
                return checksums.parse(algorithm, text.strip())
            except DigestWrong:
                raise PartInvalid from None
    return None


# The documents.


def initiate_document(bucket: Bucket, key: Key, upload_id: str) -> bytes:
    """The answer of CreateMultipartUpload."""
    return xml.document("InitiateMultipartUploadResult", _object(bucket, key), xml.leaf("UploadId", upload_id))


def complete_result(location: str, bucket: Bucket, key: Key, etag: ETag, checksum: Checksum | None) -> bytes:
    """The answer of CompleteMultipartUpload."""
    return xml.document(
        "CompleteMultipartUploadResult",
        xml.leaf("Location", location),
        _object(bucket, key),
        xml.leaf("ETag", quoted(etag)),
        checksum_elements(checksum),
    )


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part in ListParts."""

    number: int
    etag: ETag
    size: int
    modified_s: int
    checksum: Checksum | None = None


def parts_document(
    op: ListParts, rows: Sequence[PartRow], *, truncated: bool, spec: ChecksumSpec | None, owner: Owner
) -> bytes:
    """`ListPartsResult`; `owner` stands for the initiator too."""
    return xml.document(
        "ListPartsResult",
        _object(op.bucket, op.key),
        xml.leaf("UploadId", op.upload_id),
        owner_element(owner, "Initiator"),
        owner_element(owner),
        xml.leaf("StorageClass", STORAGE_CLASS),
        xml.leaf("PartNumberMarker", op.after),
        xml.optional("NextPartNumberMarker", rows[-1].number if rows else None),
        xml.leaf("MaxParts", op.parts_max),
        xml.flag("IsTruncated", value=truncated),
        _spec_elements(spec),
        *(_part(row) for row in rows),
    )


@dataclass(frozen=True, slots=True)
class UploadRow:
    """An open upload in ListMultipartUploads."""

    key: Key
    upload_id: str
    started_s: int


@dataclass(frozen=True, slots=True)
class UploadPage:
    """A stretch of the open uploads, with common prefixes."""

    rows: Sequence[UploadRow]
    prefixes: Sequence[bytes]
    truncated: bool


def uploads_document(op: ListMultipartUploads, page: UploadPage, owner: Owner) -> bytes:
    """`ListMultipartUploadsResult`; `owner` stands for the initiators too."""
    names = Names(url_encoded=op.url_encoded)
    return xml.document(
        "ListMultipartUploadsResult",
        xml.leaf("Bucket", op.bucket),
        names.leaf("KeyMarker", op.key_marker),
        xml.leaf("UploadIdMarker", op.upload_id_marker or ""),
        _next_markers(page, names) if page.truncated else "",
        names.leaf("Prefix", op.prefix),
        names.optional("Delimiter", op.delimiter or None),
        names.encoding(),
        xml.leaf("MaxUploads", op.uploads_max),
        xml.flag("IsTruncated", value=page.truncated),
        *(_upload(row, names, owner) for row in page.rows),
        *names.common_prefixes(page.prefixes),
    )


def _next_markers(page: UploadPage, names: Names) -> str:
    # The next page begins after the last item; after a common prefix that is no upload, hence no id.
    prefix = page.prefixes[-1] if page.prefixes else b""
    if page.rows and page.rows[-1].key > prefix:
        last = page.rows[-1]
        return names.leaf("NextKeyMarker", last.key) + xml.leaf("NextUploadIdMarker", last.upload_id)
    return names.leaf("NextKeyMarker", prefix) + xml.leaf("NextUploadIdMarker", "")


def _object(bucket: Bucket, key: Key) -> str:
    return xml.leaf("Bucket", bucket) + xml.leaf("Key", key_text(key))


def _spec_elements(spec: ChecksumSpec | None) -> str:
    if spec is None:
        return ""
    return xml.leaf("ChecksumAlgorithm", spec.algorithm.value) + xml.leaf("ChecksumType", spec.type.value)


def _part(row: PartRow) -> str:
    checksum = row.checksum
    return xml.element(
        "Part",
        xml.leaf("PartNumber", row.number),
        xml.leaf("LastModified", xml_date(row.modified_s)),
        xml.leaf("ETag", quoted(row.etag)),
        xml.leaf("Size", row.size),
        "" if checksum is None else xml.leaf(f"Checksum{checksum.algorithm.value}", checksums.text_of(checksum)),
    )


def _upload(row: UploadRow, names: Names, owner: Owner) -> str:
    return xml.element(
        "Upload",
        names.leaf("Key", row.key),
        xml.leaf("UploadId", row.upload_id),
        owner_element(owner, "Initiator"),
        owner_element(owner),
        xml.leaf("StorageClass", STORAGE_CLASS),
        xml.leaf("Initiated", xml_date(row.started_s)),
    )
