"""Which names buckets and keys may have ("Amazon S3 User Guide", General purpose bucket naming rules)."""

from gateway.errors import ArgumentInvalid, BucketNameInvalid, KeyTooLong, UriInvalid
from gateway.model import KEY_SIZE_MAX, Key, is_bucket_name


def check_bucket(name: str) -> None:
    """`BucketNameInvalid` unless a bucket may be created under `name`."""
    if not is_bucket_name(name):
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
