"""Requests in the form that signatures are computed over."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, unquote_to_bytes

from gateway.s3.forwarding import Networks
from gateway.s3.head import Fields, Head, Query, Target

FieldMap = dict[bytes, bytes]
"""Header fields by lower-case name, several of one name joined by `,`."""

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


@dataclass(frozen=True, slots=True)
class Signable:
    """One request as its signature sees it."""

    head: Head
    target: Target
    fields: FieldMap
    trusted: Networks
    """The proxies whose word on the host is believed."""
    domain: str
    """The parent of virtual hosts, "" if there are none."""


def field_map(fields: Fields) -> FieldMap:
    """Header fields by name, joined."""
    joined = dict(fields)
    if len(joined) == len(fields):
        return joined
    joined.clear()
    for name, value in fields:
        earlier = joined.get(name)
        joined[name] = value if earlier is None else b"%b,%b" % (earlier, value)
    return joined


def canonical_request(
    method: str, path: bytes, query: bytes, headers: bytes, signed_headers: bytes, payload: bytes
) -> bytes:
    """Join the canonical parts. `headers` ends with a newline unless it is empty."""
    return b"\n".join((method.encode("latin-1"), path, query, headers, signed_headers, payload))


def canonical_path(path: bytes) -> bytes:
    """The raw path decoded once and encoded once, so that every way to escape a character is the same.

    Nothing is normalised: `//`, `.`, `..` and a last `/` stay.
    """
    if not path.translate(None, _UNRESERVED + b"/"):
        return path or b"/"
    return quote_from_bytes(unquote_to_bytes(path), safe="/").encode()


def canonical_query(query: Query, *, without: bytes = b"") -> bytes:
    """All parameters, encoded and sorted, except the one of the (lower-case) name `without`."""
    if not query:
        return b""
    encoded = [(_encode(name), _encode(value)) for name, value in query if not without or name.lower() != without]
    encoded.sort()
    return b"&".join([b"%b=%b" % pair for pair in encoded])


def _encode(text: bytes) -> bytes:
    if not text.translate(None, _UNRESERVED):
        return text
    return quote_from_bytes(text, safe="").encode()


def canonical_headers(names: Iterable[bytes], fields: FieldMap, host: bytes) -> bytes:
    """The lines of the signed headers, in the order of `names`; a header that is not there is empty."""
    lines = []
    for name in names:
        if name == b"host":
            value = host
        else:
            value = fields.get(name, b"")
            if b"  " in value or b"\t" in value:
                value = b" ".join(value.split())
            elif name == b"expect" and name not in fields:
                # Proxies answer it themselves and drop it; no client signs another value.
                value = b"100-continue"
        lines.append(b"%b:%b\n" % (name, value))
    return b"".join(lines)


def unsigned(fields: FieldMap, signed: Iterable[bytes]) -> Iterator[bytes]:
    """The header fields that must be signed and are not, by name.

    `range`, `content-type` and `content-length` are left unsigned by many clients, so they are free;
    x-amz-content-sha256 is part of the canonical request anyway.
    """
    names = frozenset(signed)
    if b"host" not in names:
        yield b"host"
    for name in fields:
        if name in names:
            continue
        if name == b"content-md5" or (name.startswith(b"x-amz-") and name != b"x-amz-content-sha256"):
            yield name
