"""The request line and Host as a Target: which bucket, which key, which query. Raw bytes, decoded once."""

from urllib.parse import quote_from_bytes

from gateway.errors import ArgumentInvalid, MethodRefused, RequestMalformed, UriInvalid
from gateway.model import Bucket, Key
from gateway.s3.head import Head, Query, Style, Target

ASTERISK = b"*"
"""The request-target that means the server itself; only OPTIONS may send it (RFC 9112, section 3.2.4)."""

_HEX_DIGITS = "0123456789abcdefABCDEF"
_OCTETS = {(high + low).encode(): bytes([int(high + low, 16)]) for high in _HEX_DIGITS for low in _HEX_DIGITS}


def resolve(head: Head, domain: str) -> Target:
    """Where `head` points; `domain` is the parent of virtual hosts, "" if there are none.

    Nothing is normalised: no `//` merged, no dots resolved, no slash added or cut. Raises `UriInvalid`
    for bad escapes, names that are not UTF-8 and targets of another form, `ArgumentInvalid` for NUL.
    """
    host, path, query = _split(head)
    bucket = virtual_bucket(host, domain)
    if path == ASTERISK:
        return Target(Style.PATH, host, path, None, None, query)
    if bucket is not None:
        return Target(Style.VIRTUAL_HOST, host, path, bucket, _key(path[1:]), query)
    if path == b"/":
        return Target(Style.PATH, host, path, None, None, query)
    name, _, key = path[1:].partition(b"/")
    return Target(Style.PATH, host, path, Bucket(_text(name)), _key(key), query)


def unquote(raw: bytes) -> bytes:
    """Percent-decodes once; `UriInvalid` for an escape that is not `%` and two hex digits."""
    if b"%" not in raw:
        return raw
    head, *escaped = raw.split(b"%")
    try:
        return head + b"".join([_OCTETS[piece[:2]] + piece[2:] for piece in escaped])
    except KeyError:
        raise UriInvalid from None


def quote(raw: bytes, safe: str = "/") -> str:
    """Percent-encodes, in upper case, all but the unreserved characters of RFC 3986 and `safe`."""
    return quote_from_bytes(raw, safe)


def parse_query(raw: bytes) -> Query:
    """Splits at `&`, then at the first `=`; `+` is a space; each side is decoded once."""
    if not raw:
        return ()
    pairs = [piece.partition(b"=") for piece in raw.replace(b"+", b" ").split(b"&") if piece]
    return tuple((unquote(name), unquote(value)) for name, _, value in pairs)


def _split(head: Head) -> tuple[bytes, bytes, Query]:
    target = head.target
    host = head.first(b"host") or b""
    if target[:1] == b"/":
        path, _, query = target.partition(b"?")
        return host, path, parse_query(query)
    if target == ASTERISK and head.method == "OPTIONS":
        return host, target, ()
    if head.method == "CONNECT":
        raise MethodRefused(allow="")
    return _absolute(target)


def _absolute(target: bytes) -> tuple[bytes, bytes, Query]:
    # RFC 9112, section 3.2.2: the authority of an absolute-form target replaces Host.
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        raise UriInvalid
    before, _, query = rest.partition(b"?")
    authority, slash, path = before.partition(b"/")
    if not authority or b"@" in authority:
        raise UriInvalid
    return authority, (slash or b"/") + path, parse_query(query)


def virtual_bucket(host: bytes, domain: str) -> Bucket | None:
    """The bucket that a host names by itself: `<bucket>.<domain>`. None if it names none; raises `RequestMalformed`."""
    if not domain:
        return None
    name = _host_name(host)
    bucket = name.removesuffix("." + domain.lower())
    return Bucket(bucket) if bucket and bucket != name else None


def _host_name(host: bytes) -> str:
    try:
        text = host.decode("ascii").lower()
    except UnicodeDecodeError:
        raise RequestMalformed("The Host header is not a host name.") from None
    if text.startswith("["):
        return text.partition("]")[0] + "]"
    return text.partition(":")[0]


def _key(raw: bytes) -> Key | None:
    if not raw:
        return None
    key = _text(raw).encode()
    if b"\0" in key:
        raise ArgumentInvalid("A key cannot contain NUL.", ArgumentName="Key")
    return Key(key)


def _text(raw: bytes) -> str:
    try:
        return unquote(raw).decode()
    except UnicodeDecodeError:
        raise UriInvalid from None
