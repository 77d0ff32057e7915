"""What the cache holds of one object, and why: the answer to `forebay explain`."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.cache.freshness import Demand, Trust, age_s, judge
from gateway.cache.misses import Miss, Misses
from gateway.cache.peers import Peers
from gateway.model import BLOCK_SIZE, Key, Known
from gateway.mounts import Mount
from gateway.store.store import BlockStore

LOOKUP_MAX = 64
"""Blocks looked up at once."""
BLOCKS_MAX = 65_536
"""Blocks that an explanation looks at, from the first."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`present` are runs of blocks that are here, [first, stop); `age_s` and `trust` are those of the info, if any."""

    mount: Mount
    owner: str | None
    known: Known | None
    trust: Trust
    age_s: int
    blocks: int
    present: tuple[range, ...]
    last_miss: Miss | None


def explain(store: BlockStore, misses: Misses, peers: Peers, mount: Mount, key: Key, now_s: float) -> Explanation:
    """Reads the index only: nothing is asked of the backend, and nothing counts as a read."""
    known = store.known(mount.bucket, key)
    owner = peers.owner_of(mount.bucket, key, 0)
    blocks = 0 if known is None else -(-known.info.size // BLOCK_SIZE)
    return Explanation(
        mount=mount,
        owner=None if owner is None else owner.name,
        known=known,
        trust=judge(known, mount.policy, Demand.NORMAL, now_s),
        age_s=0 if known is None else age_s(known, now_s),
        blocks=blocks,
        present=() if known is None else tuple(_present(store, mount, key, known, min(blocks, BLOCKS_MAX))),
        last_miss=misses.last(mount.bucket, key),
    )


def _present(store: BlockStore, mount: Mount, key: Key, known: Known, blocks: int) -> Iterator[range]:
    content = store.content(mount.bucket, key, known.info.version, known.info.size)
    first: int | None = None
    for start in range(0, blocks, LOOKUP_MAX):
        places = store.places(content, start, min(LOOKUP_MAX, blocks - start))
        for number, place in enumerate(places, start):
            if place is None and first is not None:
                yield range(first, number)
                first = None
            elif place is not None and first is None:
                first = number
    if first is not None:
        yield range(first, blocks)
