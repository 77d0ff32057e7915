"""Entity tags: MD5 where it is one, `md5-N` for uploads, opaque for everything else."""

import hashlib
from collections.abc import Sequence

from gateway.backends.base import Part
from gateway.model import ETag, Version


def opaque_etag(version: Version) -> ETag:
    """The tag of a content whose MD5 nobody knows; its `-1` tells every known client that it is no MD5."""
    return ETag(hashlib.blake2b(version, digest_size=16).hexdigest() + "-1")


def joined_etag(parts: Sequence[Part]) -> ETag:
    """The tag of an object uploaded in these parts, whose own tags are MD5s."""
    digests = b"".join(bytes.fromhex(part.etag) for part in parts)
    return ETag(f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(parts)}")


def is_joined(etag: ETag, parts: Sequence[Part]) -> bool:
    """Whether `etag` is that of an object made of these parts; theirs may be any text a client sent."""
    try:
        return etag == joined_etag(parts)
    except ValueError:
        return False
