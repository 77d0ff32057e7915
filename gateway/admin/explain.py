"""What the cache holds of one object, and why."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from gateway.admin.policy import Policy, policy_of
from gateway.admin.service import AdminService
from gateway.admin.uris import object_of, text_of
from gateway.cache.explain import Gating, Run
from gateway.cache.freshness import Trust
from gateway.model import BLOCK_SIZE

_TRUST: dict[Trust, Literal["fresh", "expired", "unknown", "bypassed"]] = {
    Trust.FRESH: "fresh",
    Trust.EXPIRED: "expired",
    Trust.UNKNOWN: "unknown",
    Trust.BYPASSED: "bypassed",
}


class Reason(BaseModel):
    """Why, and when (unix seconds)."""

    reason: str
    at_s: float


class BlockRun(BaseModel):
    """Blocks that lie in one segment of one disk and are alike, from `first` to `last`; `disk` is its path.

    `hits` is a counter up to 3 that evictions lower. `pinned_until_s` is null where they are not pinned, 0 where they
    are for good; `expires_s` is null where they stay as long as there is room. Both are unix seconds.
    """

    first: int
    last: int
    disk: str
    log: Literal["small", "main", "pinned"]
    segment: int
    state: Literal["open", "sealed", "synced", "evicting"]
    hits: int
    verified: bool
    pinned_until_s: int | None
    expires_s: int | None


class Gate(BaseModel):
    """What a disk does with new blocks of this bucket once it `is_full`: `churn` takes all, `hold` hardly any.

    Where the bucket's admission is `auto` it goes by byte hit ratios since its last look: had what was there stayed
    (`snapshot`), had all been taken (`shadow`), and what there was (`real`).
    """

    disk: str
    mode: Literal["churn", "hold"]
    is_full: bool
    snapshot: float
    shadow: float
    real: float


class Explained(BaseModel):
    """An object as this node's cache knows it; fields of the info are null where none is kept.

    `info` is `fresh` (used as it is), `expired` (the backend is asked first), `unknown` or `bypassed`.
    `blocks_present` are runs of block numbers, both ends included; `runs` tells where they lie, up to the first 1,000.
    `gates` are those of the disks that its blocks may lie on, none where the bucket is not cached.
    `age_s` is null for an info that is asked for whatever its age. `last_miss` is why the backend was asked last,
    `last_refusal` why a block was not kept; `evicted_s` and `invalidated_s` are when somebody gave such an order last.
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
    runs: list[BlockRun]
    gates: list[Gate]
    last_miss: Reason | None
    last_refusal: Reason | None
    evicted_s: int | None
    invalidated_s: int | None


async def collect(service: AdminService, uri: str) -> Explained:
    """Reads the index of this node; asks no backend. Raises `ArgumentInvalid` and `BucketMissing`."""
    bucket, key = object_of(uri)
    mount = service.mounts.get(bucket)
    found = await service.cache.explain(mount, key)
    known = found.known
    info = None if known is None else known.info
    paths = [str(path) for path in service.config.store.paths]
    return Explained(
        uri=uri,
        bucket=bucket,
        key=text_of(key),
        backend=mount.place.backend,
        place=mount.place.uri,
        owner=found.owner or service.config.node.name,
        replicas=1,
        policy=policy_of(mount),
        info=_TRUST[found.trust],
        version=None if info is None else info.version.decode("utf-8", "backslashreplace"),
        etag=None if info is None else info.etag,
        size=None if info is None else info.size,
        age_s=found.age_s if known is not None and known.validated_s else None,
        block_size=BLOCK_SIZE,
        blocks=found.blocks,
        blocks_present=_joined(found.runs),
        runs=[_run(paths, run) for run in found.runs],
        gates=[_gate(paths, gating) for gating in found.gatings],
        last_miss=Reason(reason=miss.reason.value, at_s=miss.at_s) if (miss := found.last_miss) else None,
        last_refusal=Reason(reason=refusal.outcome.value, at_s=refusal.at_s)
        if (refusal := found.last_refusal)
        else None,
        evicted_s=found.evicted_s or None,
        invalidated_s=found.invalidated_s or None,
    )


def _gate(paths: Sequence[str], gating: Gating) -> Gate:
    ratios = dataclasses.asdict(gating.ratios)
    return Gate(disk=paths[gating.disk], mode=gating.mode.value, is_full=gating.is_full, **ratios)


def _run(paths: Sequence[str], run: Run) -> BlockRun:
    where = run.where
    return BlockRun(
        first=run.first,
        last=run.stop - 1,
        disk=paths[run.disk],
        log=where.log.name.lower(),
        segment=where.segment,
        state=where.state.name.lower(),
        hits=where.hits,
        verified=where.verified,
        pinned_until_s=where.pinned_until_s,
        expires_s=where.expires_s or None,
    )


def _joined(runs: Sequence[Run]) -> list[tuple[int, int]]:
    """Runs of blocks that are here, wherever they lie."""
    joined: list[tuple[int, int]] = []
    for run in runs:
        if joined and joined[-1][1] == run.first - 1:
            joined[-1] = (joined[-1][0], run.stop - 1)
        else:
            joined.append((run.first, run.stop - 1))
    return joined
