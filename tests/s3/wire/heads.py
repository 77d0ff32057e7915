"""Request heads made by hand, and what the wire makes of them."""

from gateway.model import ETag, Info, Key, PartRun, Version
from gateway.s3.choice import choose
from gateway.s3.head import Head
from gateway.s3.operations import Operation
from gateway.s3.target import resolve

DOMAIN = "s3.example.org"


def head(method: str, target: str | bytes, fields: dict[str, str] | None = None) -> Head:
    """A head with a Host; a field of this name in `fields` takes its place."""
    said = {"host": "gateway.example.org:9000"} | (fields or {})
    raw = target if isinstance(target, bytes) else target.encode()
    return Head(method, raw, tuple((name.encode(), value.encode("latin-1")) for name, value in said.items()))


def chosen(method: str, target: str | bytes, fields: dict[str, str] | None = None) -> Operation:
    """The operation of such a request."""
    request = head(method, target, fields)
    return choose(request, resolve(request, DOMAIN))


def info(etag: str = "tag", *, size: int = 10, modified_s: int = 1_000, parts: tuple[PartRun, ...] = ()) -> Info:
    """An object that is there."""
    return Info(Version(b"version of " + etag.encode()), size, modified_s, ETag(etag), parts=parts)


KEY = Key(b"key")
