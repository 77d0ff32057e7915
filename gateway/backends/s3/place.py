"""Where a bucket of an S3 store lies: its endpoint, and the path and URL of each key. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.backends.keys import check_reserved, check_size, is_utf8
from gateway.backends.signing import encoded_path
from gateway.config.places import S3Options
from gateway.errors import KeyUnusable
from gateway.model import Key

_URI = re.compile(r"s3://([^/]*)(?:/(.*))?", re.DOTALL)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, and the prefix that is put before every key, at an endpoint."""

    origin: str
    """Scheme and authority, as a URL begins."""
    host: str
    """The `Host` header."""
    bucket: str
    root: str
    """The encoded path of the bucket, without a slash at the end."""
    prefix: bytes

    def path(self, key: Key) -> str:
        """The encoded path of a key; `KeyTooLong` or `KeyUnusable` for what is none here."""
        check_size(key)
        check_reserved(key)
        if not key or 0 in key or not (key.isascii() or is_utf8(key)):
            raise KeyUnusable
        return self.own_path(key)

    def own_path(self, key: bytes) -> str:
        """The same for a key that may be one of the gateway's own."""
        return f"{self.root}/{encoded_path(self.prefix + key)}"

    @property
    def list_path(self) -> str:
        """The encoded path of what concerns the bucket as a whole."""
        return self.root or "/"


def place_of(uri: str, options: S3Options, region: str) -> S3Place:
    """The place that `uri`, as `s3://bucket/prefix`, names in a region."""
    match = _URI.fullmatch(uri)
    assert match is not None, "the configuration let through a uri that names no bucket"
    bucket, prefix = match[1], match[2] or ""
    parts = urlsplit(endpoint_of(options, region))
    host = (parts.hostname or "").lower()
    authority = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != _DEFAULT_PORTS[parts.scheme]:
        authority = f"{authority}:{parts.port}"
    if options.addressing == "virtual":
        authority = f"{bucket}.{authority}"
    return S3Place(
        origin=f"{parts.scheme}://{authority}",
        host=authority,
        bucket=bucket,
        root="" if options.addressing == "virtual" else f"/{bucket}",
        prefix=prefix.encode(),
    )


def text_of(name: bytes) -> str:
    """Bytes of a key as text in a query; what is no UTF-8 passes as lone surrogates."""
    return name.decode("utf-8", "surrogateescape")


def endpoint_of(options: S3Options, region: str) -> str:
    """The URL of the store: the one that was given, or that of AWS in a region."""
    if options.endpoint_url:
        return options.endpoint_url
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{region}.{domain}"
