"""What the cache holds of one object, and why."""

from typing import Literal
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel

from gateway.admin.policy import Policy, policy_of
from gateway.admin.service import AdminService
from gateway.cache.freshness import Trust
from gateway.errors import ArgumentInvalid
from gateway.model import BLOCK_SIZE, Bucket, Key

SCHEME = "s3://"
_TRUST: dict[Trust, Literal["fresh", "expired", "unknown", "bypassed"]] = {
    Trust.FRESH: "fresh",
    Trust.EXPIRED: "expired",
    Trust.UNKNOWN: "unknown",
    Trust.BYPASSED: "bypassed",
}


class LastMiss(BaseModel):
    """Why the backend was asked last, and when (unix seconds)."""

    reason: str
    at_s: float


class Explained(BaseModel):
    """An object as this node's cache knows it; fields of the info are null where none is kept.

    `info` is `fresh` (used as it is), `expired` (the backend is asked first), `unknown` or `bypassed`.
    `blocks_present` are runs of block numbers, both ends included.
    """

    uri: str
    bucket: str
    key: str
    backend: str
    place: str
    owner: str
    replicas: int
    policy: Policy
    info: Literal["fresh", "expired", "unknown", "bypassed"]
    version: str | None
    etag: str | None
    size: int | None
    age_s: int | None
    block_size: int
    blocks: int
    blocks_present: list[tuple[int, int]]
    last_miss: LastMiss | None


def collect(service: AdminService, uri: str) -> Explained:
    """Reads the index of this node; asks no backend. Raises `ArgumentInvalid` and `BucketMissing`."""
    bucket, key = split_uri(uri)
    mount = service.mounts.get(bucket)
    found = service.cache.explain(mount, key)
    known = found.known
    info = None if known is None else known.info
    return Explained(
        uri=uri,
        bucket=bucket,
        key=key.decode("utf-8", "backslashreplace"),
        backend=mount.place.backend,
        place=mount.place.uri,
        owner=found.owner or service.config.node.name,
        replicas=1,
        policy=policy_of(mount),
        info=_TRUST[found.trust],
        version=None if info is None else info.version.decode("utf-8", "backslashreplace"),
        etag=None if info is None else info.etag,
        size=None if info is None else info.size,
        age_s=None if info is None else found.age_s,
        block_size=BLOCK_SIZE,
        blocks=found.blocks,
        blocks_present=[(run.start, run.stop - 1) for run in found.present],
        last_miss=None
        if found.last_miss is None
        else LastMiss(reason=found.last_miss.reason.value, at_s=found.last_miss.at_s),
    )


def split_uri(uri: str) -> tuple[Bucket, Key]:
    """Bucket and key of `s3://bucket/key`; bytes that are no text may be percent-encoded. Raises `ArgumentInvalid`."""
    bucket, slash, key = uri.removeprefix(SCHEME).partition("/")
    if not uri.startswith(SCHEME) or not bucket or not slash or not key:
        raise ArgumentInvalid("An object is named like s3://bucket/key.", ArgumentName="uri")
    return Bucket(bucket), Key(unquote_to_bytes(key) if "%" in key else key.encode())
