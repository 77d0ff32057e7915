"""What the cache holds of one object, and why: the answer to `forebay explain`."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.cache.freshness import Demand, Trust, age_s, judge
from gateway.cache.misses import Miss, Misses, Refusal
from gateway.cache.peers import Peers
from gateway.cache.present import block_count, present
from gateway.model import Key, Known
from gateway.mounts import Mount
from gateway.store.gate import Mode, Ratios
from gateway.store.store import BlockStore
from gateway.store.whereabouts import Whereabouts

BLOCKS_MAX = 65_536
"""Blocks that an explanation looks at, from the first."""
RUNS_MAX = 1000
"""Runs that it tells of, from the first."""


@dataclass(frozen=True, slots=True)
class Run:
    """The blocks [first, stop) are here, all in one segment of one disk and alike."""

    first: int
    stop: int
    disk: int
    where: Whereabouts


@dataclass(frozen=True, slots=True)
class Gating:
    """Whether a disk lets in new blocks of a mount, once it `is_full`, and what its gate goes by."""

    disk: int
    mode: Mode
    is_full: bool
    ratios: Ratios


@dataclass(frozen=True, slots=True)
class Explanation:
    """`age_s` and `trust` are those of the info, if any. `evicted_s` and `invalidated_s` are when somebody last said
    so of the object (unix seconds, 0 for never). Disks are numbered in the order of `store.paths`; `gatings` are those
    that the object's blocks may lie on, none where the mount is not cached."""

    mount: Mount
    owner: str | None
    known: Known | None
    trust: Trust
    age_s: int
    blocks: int
    runs: tuple[Run, ...]
    gatings: tuple[Gating, ...]
    last_miss: Miss | None
    last_refusal: Refusal | None
    evicted_s: int
    invalidated_s: int


async def explain(store: BlockStore, misses: Misses, peers: Peers, mount: Mount, key: Key, now_s: float) -> Explanation:
    """Reads the index only: nothing is asked of the backend, and nothing counts as a read."""
    bucket, known = mount.bucket, store.known(mount.bucket, key)
    owner = peers.owner_of(bucket, key, 0)
    evicted_s, invalidated_s = store.told(bucket, key)
    return Explanation(
        mount=mount,
        owner=None if owner is None else owner.name,
        known=known,
        trust=judge(known, mount.policy, Demand.NORMAL, now_s),
        age_s=0 if known is None else age_s(known, now_s),
        blocks=0 if known is None else block_count(known.info.size),
        runs=() if known is None else tuple(await _runs(store, mount, key, known)),
        gatings=tuple(_gatings(store, mount, key, 0 if known is None else known.info.size)),
        last_miss=misses.last(bucket, key),
        last_refusal=misses.last_refusal(bucket, key),
        evicted_s=evicted_s,
        invalidated_s=invalidated_s,
    )


def _gatings(store: BlockStore, mount: Mount, key: Key, size: int) -> Iterator[Gating]:
    if not mount.policy.is_cached:
        return
    gates = store.gates()
    for disk in store.disks_of(mount.bucket, key, size):
        gate = gates[disk]
        yield Gating(disk, gate.mode_of(mount.policy.terms.admission), gate.is_full, gate.ratios)


async def _runs(store: BlockStore, mount: Mount, key: Key, known: Known) -> list[Run]:
    content = store.content(mount.bucket, key, known.info.version, known.info.size)
    runs: list[Run] = []
    async for number, place in present(store, content, min(block_count(known.info.size), BLOCKS_MAX)):
        where = store.describe(place)
        if where is None:
            continue
        last = runs[-1] if runs else None
        if last is not None and (last.stop, last.disk) == (number, place.shard) and last.where == where:
            runs[-1] = Run(last.first, number + 1, place.shard, where)
        elif len(runs) == RUNS_MAX:
            break
        else:
            runs.append(Run(number, number + 1, place.shard, where))
    return runs
