"""Which names buckets and keys may have ("Amazon S3 User Guide", General purpose bucket naming rules)."""

import re

from gateway.errors import ArgumentInvalid, BucketNameInvalid, KeyTooLong, UriInvalid
from gateway.model import KEY_SIZE_MAX, Key

_SHAPE = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IPV4 = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
# A label of a host name neither begins nor ends with a dash, and is not empty.
_NOT_HOST_NAMES = ("..", ".-", "-.")


def check_bucket(name: str) -> None:
    """`BucketNameInvalid` unless a bucket may be created under `name`."""
    good = (
        _SHAPE.fullmatch(name) is not None
        and _IPV4.fullmatch(name) is None
        and not name.startswith(_PREFIXES)
        and not name.endswith(_SUFFIXES)
        and not any(sequence in name for sequence in _NOT_HOST_NAMES)
    )
    if not good:
        raise BucketNameInvalid(BucketName=name)


def check_key(key: Key) -> None:
    """`KeyTooLong`, `ArgumentInvalid` (empty, NUL) or `UriInvalid` (not UTF-8) unless objects may have this key."""
    if not key or 0 in key:
        raise ArgumentInvalid("A key has at least one byte and none that is NUL.", ArgumentName="Key")
    if len(key) > KEY_SIZE_MAX:
        raise KeyTooLong(Size=len(key), MaxSizeAllowed=KEY_SIZE_MAX)
    try:
        key.decode()
    except UnicodeDecodeError:
        raise UriInvalid from None
