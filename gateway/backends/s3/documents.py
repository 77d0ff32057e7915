"""The XML documents of the S3 protocol, as a client reads and writes them. Pure."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote_to_bytes
from xml.parsers import expat
from xml.sax.saxutils import escape

from gateway.backends.base import Entry, Part
from gateway.backends.s3.headers import checksum_of, version_of
from gateway.errors import BackendBroken
from gateway.model import Algorithm, Checksum, ChecksumSpec, ChecksumType, ETag, Key, Tags

Record = Mapping[str, str]
"""The texts inside one element, by the names of the elements around them."""


@dataclass(slots=True)
class Listing:
    """One page in the order the store sent it."""

    entries: list[Entry] = field(default_factory=list)
    prefixes: list[bytes] = field(default_factory=list)
    token: str | None = None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An open upload as the store lists it."""

    key: bytes
    native: str
    started_s: int


def listing_of(document: bytes, prefix_size: int) -> Listing:
    """A page of ListObjectsV2 with `encoding-type=url`; `prefix_size` bytes are cut off the front of each key."""
    page = Listing()
    top: dict[str, str] = {}

    def took(name: str, record: dict[str, str]) -> None:
        if name == "Contents":
            etag, size = ETag(record["ETag"].strip('"')), int(record["Size"])
            key, modified_s = Key(decoded(record["Key"])[prefix_size:]), seconds_of(record["LastModified"])
            page.entries.append(Entry(key, version_of(etag, size), size, modified_s, etag))
        elif name == "CommonPrefixes":
            page.prefixes.append(decoded(record["Prefix"])[prefix_size:])

    _read(_mended(document), "ListBucket", ("Contents", "CommonPrefixes"), took, top)
    if top.get("IsTruncated") == "true":
        page.token = top.get("NextContinuationToken")
        if page.token is None:
            raise BackendBroken("The store behind this bucket does not say where a listing goes on.")
    return page


def uploads_of(document: bytes) -> tuple[list[OpenUpload], tuple[bytes, str] | None]:
    """A page of ListMultipartUploads with `encoding-type=url`, and the markers of the next page if there is one."""
    uploads: list[OpenUpload] = []
    top: dict[str, str] = {}

    def took(_name: str, record: dict[str, str]) -> None:
        uploads.append(OpenUpload(decoded(record["Key"]), record["UploadId"], seconds_of(record["Initiated"])))

    _read(document, "ListMultipartUploads", ("Upload",), took, top)
    if top.get("IsTruncated") != "true":
        return uploads, None
    return uploads, (decoded(top["NextKeyMarker"]), top.get("NextUploadIdMarker", ""))


def parts_of(document: bytes) -> tuple[list[Part], ChecksumSpec | None, bool]:
    """A page of ListParts: the parts, the checksum they carry, and whether more follow."""
    parts: list[Part] = []
    top: dict[str, str] = {}

    def took(_name: str, record: dict[str, str]) -> None:
        parts.append(
            Part(
                number=int(record["PartNumber"]),
                etag=ETag(record["ETag"].strip('"')),
                size=int(record["Size"]),
                modified_s=seconds_of(record["LastModified"]),
                checksum=_part_checksum(record),
            )
        )

    _read(document, "ListParts", ("Part",), took, top)
    return parts, _checksum_spec(top), top.get("IsTruncated") == "true"


def tags_of(document: bytes) -> Tags:
    """The tags in the answer to GetObjectTagging."""
    tags: list[tuple[str, str]] = []
    _read(document, "Tagging", ("Tag",), lambda _, record: tags.append((record["Key"], record["Value"])), {})
    return tuple(sorted(tags))


def delete_errors_of(document: bytes) -> list[Record]:
    """The keys that DeleteObjects could not delete: `Key`, `Code`, `Message`."""
    errors: list[Record] = []
    _read(document, "DeleteResult", ("Error",), lambda _, record: errors.append(record), {})
    return errors


def fields_of(document: bytes, root: str) -> Record:
    """The texts of a flat document whose root has this name."""
    top: dict[str, str] = {}
    _read(document, root, (), lambda _name, _record: None, top)
    return top


def named(told: Record, name: str) -> str:
    """One text of a document that must be there."""
    try:
        return told[name]
    except KeyError as error:
        raise BackendBroken(f"The store behind this bucket does not say {name}.") from error


def error_of(document: bytes) -> Record:
    """The texts of an error document; empty for anything else."""
    if b"<Error" not in document:
        return {}
    try:
        return fields_of(document, "Error")
    except BackendBroken:
        return {}


def tagging(tags: Tags) -> bytes:
    """The document of PutObjectTagging."""
    rows = "".join(f"<Tag>{_leaf('Key', name)}{_leaf('Value', text)}</Tag>" for name, text in tags)
    return _document("Tagging", f"<TagSet>{rows}</TagSet>")


def deletion(keys: Sequence[str]) -> bytes:
    """The document of DeleteObjects; the answer names failures only."""
    return _document("Delete", "<Quiet>true</Quiet>" + "".join(f"<Object>{_leaf('Key', key)}</Object>" for key in keys))


def completion(parts: Sequence[Part]) -> bytes:
    """The document of CompleteMultipartUpload."""
    return _document("CompleteMultipartUpload", "".join(_completed(part) for part in parts))


def new_bucket(region: str) -> bytes:
    """The document of CreateBucket outside the first region."""
    return _document("CreateBucketConfiguration", _leaf("LocationConstraint", region))


def is_xml_text(text: str) -> bool:
    """Whether XML 1.0 can carry the text (section 2.2, Characters)."""
    return all(char in "\t\n\r" or (char >= " " and char not in "\ufffe\uffff") for char in text)


def decoded(text: str) -> bytes:
    """A key under `encoding-type=url`, where a blank is `+` and a plus is `%2B` at every store."""
    return unquote_to_bytes(text.replace("+", " "))


def seconds_of(text: str) -> int:
    """A time as documents write it, as unix time in whole seconds; fractions are cut off, as in headers."""
    return int(datetime.fromisoformat(text).timestamp())


def _read(
    document: bytes,
    root: str,
    items: Sequence[str],
    took: Callable[[str, dict[str, str]], object],
    top: dict[str, str],
) -> None:
    """Hands each of the elements `items` to `took` as a record; texts outside of them go to `top`."""
    record, text, depth = top, "", 0

    def started(name: str, _attributes: Mapping[str, str]) -> None:
        nonlocal record, text, depth
        # Stores differ in the last letters.
        if depth == 0 and not name.startswith(root):
            raise ValueError(f"{name} is not {root}")
        depth += 1
        text = ""
        if name in items:
            record = {}

    def ended(name: str) -> None:
        nonlocal record, depth
        depth -= 1
        if name in items:
            took(name, record)
            record = top
        else:
            record[name] = text

    def texted(data: str) -> None:
        nonlocal text
        text += data

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = started, ended
    parser.CharacterDataHandler = texted
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(document, True)
    except (expat.ExpatError, KeyError, ValueError) as error:
        raise BackendBroken("The store behind this bucket sent a document that cannot be read.") from error


def _mended(document: bytes) -> bytes:
    """Without what XML cannot carry: some stores repeat the question as it came, though keys are encoded."""
    try:
        text = document.decode()
    except UnicodeDecodeError:
        text = document.decode("utf-8", "replace")
    return _UNCARRIED.sub("", text).encode() if _UNCARRIED.search(text) else text.encode()


def _no_doctype(*_arguments: object) -> None:
    raise ValueError("a document with a DTD")


def _part_checksum(record: Record) -> Checksum | None:
    for algorithm in Algorithm:
        text = record.get("Checksum" + algorithm.value)
        if text is not None:
            return checksum_of(algorithm, text, ChecksumType.FULL_OBJECT.value)
    return None


def _checksum_spec(top: Record) -> ChecksumSpec | None:
    try:
        algorithm = Algorithm(top.get("ChecksumAlgorithm", ""))
        return ChecksumSpec(algorithm, ChecksumType(top.get("ChecksumType", ChecksumType.COMPOSITE.value)))
    except ValueError:
        return None


def _completed(part: Part) -> str:
    told = _leaf("PartNumber", str(part.number)) + _leaf("ETag", f'"{part.etag}"')
    if part.checksum is not None:
        told += _leaf("Checksum" + part.checksum.algorithm.value, base64.b64encode(part.checksum.value).decode())
    return f"<Part>{told}</Part>"


def _document(root: str, content: str) -> bytes:
    return f'<{root} xmlns="{_NAMESPACE}">{content}</{root}>'.encode()


def _leaf(name: str, text: str) -> str:
    # A bare carriage return would arrive as a line feed (XML 1.0, section 2.11).
    return f"<{name}>{escape(text, _CARRIAGE_RETURN)}</{name}>"


_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_UNCARRIED = re.compile(
    r"&#(?:x0*(?:[0-8bcBCeE]|1[0-9a-fA-F])|0*(?:[0-8]|1[124-9]|2[0-9]|3[01]));|[\0-\x08\x0b\x0c\x0e-\x1f]"
)
_CARRIAGE_RETURN = {"\r": "&#13;"}
