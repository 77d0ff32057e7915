"""How people name objects, `s3://bucket/key`, and all that begins alike, `s3://bucket/prefix`."""

from urllib.parse import unquote_to_bytes

from gateway.errors import ArgumentInvalid
from gateway.model import KEY_SIZE_MAX, Bucket, Key

SCHEME = "s3://"


def object_of(uri: str) -> tuple[Bucket, Key]:
    """Bucket and key of an object; bytes that are no text may be percent-encoded. Raises `ArgumentInvalid`."""
    bucket, key = _split(uri)
    if not bucket or not 0 < len(key) <= KEY_SIZE_MAX:
        raise ArgumentInvalid("An object is named like s3://bucket/key.", ArgumentName="uri")
    return Bucket(bucket), Key(key)


def prefix_of(uri: str) -> tuple[Bucket, bytes]:
    """Bucket and prefix; without a prefix it is all of the bucket. Raises `ArgumentInvalid`."""
    bucket, prefix = _split(uri)
    if not bucket or len(prefix) > KEY_SIZE_MAX:
        raise ArgumentInvalid("Name a bucket or a prefix in it, like s3://bucket/prefix.", ArgumentName="uri")
    return Bucket(bucket), prefix


def text_of(name: bytes) -> str:
    """A key or prefix for a person to read."""
    return name.decode("utf-8", "backslashreplace")


def _split(uri: str) -> tuple[str, bytes]:
    if not uri.startswith(SCHEME):
        return "", b""
    bucket, _, rest = uri.removeprefix(SCHEME).partition("/")
    return bucket, unquote_to_bytes(rest) if "%" in rest else rest.encode()
