"""Header fields as values, and values as header fields."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.model import ContentHeaders, Info, Metadata
from gateway.s3.dates import http_date
from gateway.s3.head import Head, Target
from gateway.s3.presigned import moved_headers

META_PREFIX = "x-amz-meta-"
CONTENT_TYPE_DEFAULT = "binary/octet-stream"
_CONTROLS = bytes(byte for byte in range(0x20) if byte != 0x09) + b"\x7f"


@dataclass(frozen=True, slots=True)
class Sent:
    """The header fields of a request by lower-case name; what is said in a presigned URL included.

    Values are header text (latin-1), several of one name joined by `,`.
    """

    values: Mapping[str, str]

    def text(self, name: str) -> str | None:
        return self.values.get(name)


def read_sent(head: Head, target: Target) -> Sent:
    """What a request says in its fields and, if it is presigned, in its query.

    A parameter counts as a header unless the header itself is there.
    """
    values: dict[str, str] = {}
    for name, value in head.fields:
        _add(values, name.decode("latin-1"), value.decode("latin-1"))
    if target.query:
        moved: dict[str, str] = {}
        for parameter, text in moved_headers(target.query):
            _add(moved, parameter, text)
        values = moved | values
    return Sent(values)


def form_sent(fields: Mapping[str, str]) -> Sent:
    """The fields of a POST form, which act as headers; names lower case, values of any text."""
    renamed = {"acl": "x-amz-acl", "tagging": "x-amz-tagging"}
    return Sent({renamed.get(name, name): value.encode().decode("latin-1") for name, value in fields.items()})


def object_fields(info: Info, overrides: tuple[tuple[str, str], ...] = ()) -> list[tuple[str, str]]:
    """The fields of a 200 or 206 of GET and HEAD; `overrides` replace stored ones."""
    content = dict(content_fields(info.content))
    content.setdefault("content-type", CONTENT_TYPE_DEFAULT)
    content.update(overrides)
    return [
        ("etag", quoted(info.etag)),
        ("last-modified", http_date(info.modified_s)),
        ("accept-ranges", "bytes"),
        *content.items(),
        *metadata_fields(info.metadata),
    ]


def lines_of(fields: Iterable[tuple[str, str]]) -> str:
    """Fields as lines of a head. Values are header text, as are the lines."""
    lines = [f"{name}: {value}\r\n" for name, value in fields]
    text = "".join(lines)
    said = text.encode("latin-1")
    assert len(said.translate(None, _CONTROLS)) == len(said) - 2 * len(lines), "a control character breaks the head"
    return text


def object_lines(info: Info) -> str | None:
    """`object_fields` without overrides as lines of a head, for objects that nothing unusual is kept with."""
    content = info.content
    if (
        info.metadata
        or content.cache_control is not None
        or content.content_disposition is not None
        or content.content_encoding is not None
        or content.content_language is not None
        or content.expires is not None
    ):
        return None
    kind = CONTENT_TYPE_DEFAULT if content.content_type is None else content.content_type
    if not (kind.isascii() and kind.isprintable() and info.etag.isascii() and info.etag.isprintable()):
        # A control character would break the head.
        return None
    modified = http_date(info.modified_s)
    return f'etag: "{info.etag}"\r\nlast-modified: {modified}\r\naccept-ranges: bytes\r\ncontent-type: {kind}\r\n'


def not_modified_fields(info: Info) -> list[tuple[str, str]]:
    """The fields of a 304."""
    kept = [("etag", quoted(info.etag)), ("last-modified", http_date(info.modified_s))]
    return kept + [field for field in content_fields(info.content) if field[0] in ("cache-control", "expires")]


def quoted(etag: str) -> str:
    """An entity tag as HTTP and XML carry it."""
    return f'"{etag}"'


def content_fields(content: ContentHeaders) -> list[tuple[str, str]]:
    """The stored headers that there are."""
    fields = (
        ("content-type", content.content_type),
        ("cache-control", content.cache_control),
        ("content-disposition", content.content_disposition),
        ("content-encoding", content.content_encoding),
        ("content-language", content.content_language),
        ("expires", content.expires),
    )
    return [(name, value) for name, value in fields if value is not None]


def metadata_fields(metadata: Metadata) -> list[tuple[str, str]]:
    """User metadata as fields."""
    return [(META_PREFIX + name, value) for name, value in metadata]


def read_content(sent: Sent) -> ContentHeaders:
    """The headers to keep, verbatim but for `aws-chunked`, which is framing."""
    return ContentHeaders(
        content_type=sent.text("content-type"),
        cache_control=sent.text("cache-control"),
        content_disposition=sent.text("content-disposition"),
        content_encoding=_stored_encoding(sent.text("content-encoding")),
        content_language=sent.text("content-language"),
        expires=sent.text("expires"),
    )


def read_metadata(sent: Sent) -> Metadata:
    """User metadata, sorted by name; its size is not judged here."""
    size = len(META_PREFIX)
    return tuple(sorted((name[size:], value) for name, value in sent.values.items() if name.startswith(META_PREFIX)))


def _stored_encoding(text: str | None) -> str | None:
    if text is None:
        return None
    codings = [coding.strip() for coding in text.split(",")]
    if not any(coding.lower() == "aws-chunked" for coding in codings):
        return text
    return ", ".join(coding for coding in codings if coding and coding.lower() != "aws-chunked") or None


def _add(values: dict[str, str], name: str, value: str) -> None:
    values[name] = f"{values[name]},{value}" if name in values else value
