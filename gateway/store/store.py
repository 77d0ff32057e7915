"""The block store of a node: blocks and infos on its disks, found again after any end."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.clock import Clock
from gateway.config import StoreConfig
from gateway.kv import Kv, SharedCache
from gateway.model import BLOCK_SIZE, Bucket, Info, Key, Known, Version
from gateway.store import disks, entries, names
from gateway.store.disk import SYSTEM_FILES, Buffer, Files
from gateway.store.gate import Gate
from gateway.store.identity import Super
from gateway.store.opening import Means
from gateway.store.pending import Wish
from gateway.store.resident import COPY_MAX, Slice
from gateway.store.rulebook import Rulebook
from gateway.store.shard import Shard
from gateway.store.site import REAL_GEOMETRY, Geometry
from gateway.store.values import NORMAL_TERMS, Content, Disk, Held, Outcome, Place, Pool, Terms, Usage
from gateway.store.whereabouts import Whereabouts

LOOKUP_SLICE = 64
"""Blocks looked up in one stretch of the event loop."""
MANY = 4
"""From so many blocks on one lookup for all of them is cheaper."""
INDEX_CACHE_SHARE = 8
"""Of the store's memory, one part in so many is the block cache of its indexes."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """`object_max` is the size of the largest object that is kept."""

    capacity_bytes: int
    object_max: int


class BlockStore:
    """One authority for every block and info of this node. All methods belong to one event loop.

    A full, slow, damaged or vanished disk shows as misses and refusals, never as an exception.
    """

    def __init__(self, shards: Sequence[Shard], own: Super, rulebook: Rulebook, sizes: Sizes) -> None:
        self.shards = shards
        self._rulebook = rulebook
        self._is_one = len(shards) == 1
        self._slots = names.slots(own.disks)
        self._secret = own.secret
        self._sizes = sizes

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        config: StoreConfig,
        clock: Clock,
        geometry: Geometry = REAL_GEOMETRY,
        files: Files = SYSTEM_FILES,
        open_kv: Callable[[Path], Kv] | None = None,
    ) -> AsyncIterator["BlockStore"]:
        """Opens or formats the store, and closes it cleanly at the end.

        Raises `ConfigInvalid`: a directory of another node, a foreign or newer format, no room.
        """
        capacity_bytes = geometry.capacity_bytes or config.capacity
        open_kv = open_kv or SharedCache.of(config.index_cache or config.memory // INDEX_CACHE_SHARE).opened
        means = Means(
            files, open_kv, clock, geometry, config.min_free, config.pin_max, config.scrub_rate, config.read_threads
        )
        async with disks.opened(config, capacity_bytes, means) as (shards, own):
            rulebook = await asyncio.to_thread(Rulebook, config.paths, files, clock)
            object_size_max = geometry.object_size_max or capacity_bytes * config.object_max // 100
            yield cls(shards, own, rulebook, Sizes(capacity_bytes, object_size_max))

    def content(self, bucket: Bucket, key: Key, version: Version, size: int) -> Content:
        """The name of one content of an object."""
        oh = self._name_of(bucket, key)
        return Content(bucket, key, oh, names.content_hash(self._secret, oh, version), size)

    def draft(self, bucket: Bucket, key: Key, op: bytes) -> Content:
        """The name of a draft; `op` is 16 random bytes."""
        oh = self._name_of(bucket, key)
        return Content(bucket, key, oh, names.draft_hash(self._secret, oh, op), 0, is_draft=True)

    def known(self, bucket: Bucket, key: Key) -> Known | None:
        """The info kept, whatever its age; None where there is none.

        `validated_s` is 0 if it was validated before the last `distrust` or `invalidate`, by another node, or in the
        future.
        """
        oh = self._name_of(bucket, key)
        known = self._home_of(oh).index.known(oh)
        return None if known is None else self._as_trusted(bucket, key, known)

    def held(self, bucket: Bucket, key: Key) -> Held | None:
        """As `known`, and where the block of a whole object lies, in one look."""
        oh = self._name_of(bucket, key)
        held = self._home_of(oh).held(bucket, key, oh)
        if held is None:
            return None
        known = self._as_trusted(bucket, key, held.known)
        return held if known is held.known else Held(known, held.content, held.place)

    def places(self, content: Content, first: int, count: int) -> list[Place | None]:
        """Where the blocks `first` to `first + count` lie; None for what is not here."""
        if content.whole:
            return [self._home_of(content.oh).whole(content) if first == 0 else None] + [None] * (count - 1)
        found: list[Place | None] = []
        stop = first + count
        while first < stop:
            # Pieces of one stripe lie on one disk.
            end = min(stop, first + LOOKUP_SLICE, (first // names.STRIPE_BLOCKS + 1) * names.STRIPE_BLOCKS)
            found += self._pieces(content, first, end)
            first = end
        return found

    def _pieces(self, content: Content, first: int, stop: int) -> list[Place | None]:
        shard = self._shard_of(content, first)
        keys = [entries.block_key(content.vh, number) for number in range(first, stop)]
        values = shard.index.values(keys) if len(keys) > MANY else [shard.index.value(key) for key in keys]
        return [shard.piece(content, first + at, value) for at, value in enumerate(values)]

    def read_now(self, place: Place, start: int, stop: int) -> memoryview | None:
        """The bytes [start, stop) of a block, if they are verified and in the page cache; never waits for a disk.

        None says nothing about the block: `read` it. Counts as a hit.
        """
        return self.shards[place.shard].read_now(place, start, stop)

    def slice_now(self, place: Place, start: int, stop: int, copy_max: int = COPY_MAX) -> Slice | None:
        """The bytes [start, stop) of a block to be sent from its file, if `read_now` could read them; to be released.

        Up to `copy_max` bytes are read into memory at once. Does not count as a hit until its `count` is called.
        """
        return self.shards[place.shard].slice_now(place, start, stop, copy_max)

    async def read(self, place: Place, start: int, stop: int) -> memoryview | None:
        """The bytes [start, stop) of a block, verified; None if it is damaged or gone, which is a miss from now on."""
        return await self.shards[place.shard].read(place, start, stop)

    async def keep(
        self, content: Content, number: int, data: Buffer, known: Known | None = None, terms: Terms = NORMAL_TERMS
    ) -> Outcome:
        """Keeps a block; returns when it can be found, or why it was refused. An empty object has none.

        `data` must not change before. A whole object needs `known`, which becomes visible with the block, and
        without a place where the block is refused. A whole block whose object was forgotten, or given another
        version, since the call began is dropped. A `known` that says 0 is no news: it becomes visible only with its
        block, and the block is dropped where another version is trusted. Cancelling leaves nothing half visible.
        """
        assert content.whole == (known is not None), "a whole object goes with its info, a piece without"
        assert data, "an empty object is installed"
        shard = self._shard_of(content, number)
        too_large = content.size > self._sizes.object_max
        return await shard.keep(Wish(content, number, data, known, terms, too_large=too_large))

    def pin(self, place: Place, until_s: int) -> bool:
        """Keeps a block from eviction until then (unix seconds, 0 for good).

        False if it is not there any more, if more than `pin_max` of its disk would be pinned, or if the disk fails.
        """
        return self.shards[place.shard].pin(place, until_s)

    def unpin(self, place: Place) -> bool:
        """Ends the pin of a block, which then stays as long as any other; False if there is none, or the disk fails."""
        return self.shards[place.shard].unpin(place)

    def describe(self, place: Place) -> Whereabouts | None:
        """Where and how a block is kept; None if it is not there any more."""
        return self.shards[place.shard].describe(place)

    async def install(self, bucket: Bucket, key: Key, known: Known) -> None:
        """Keeps an info; when it returns nobody can see an older one. An equal version keeps its place."""
        oh = self._name_of(bucket, key)
        vh = names.content_hash(self._secret, oh, known.info.version)
        await self._home_of(oh).keeping.install(oh, vh, known)

    async def forget(self, bucket: Bucket, key: Key) -> None:
        """Drops the info; when it returns nobody can see it. Blocks stay under their version's name."""
        oh = self._name_of(bucket, key)
        await self._home_of(oh).keeping.forget(oh)

    def refresh(self, rows: Sequence[tuple[Bucket, Key, Info]], validated_s: int) -> None:
        """Confirms infos that are still what `known` says; others are left. May be skipped under pressure."""
        by_shard: dict[int, list[tuple[bytes, bytes, Info]]] = {}
        for bucket, key, info in rows:
            oh = self._name_of(bucket, key)
            row = (oh, names.content_hash(self._secret, oh, info.version), info)
            by_shard.setdefault(self._home_of(oh).number, []).append(row)
        for number, its_rows in by_shard.items():
            self.shards[number].keeping.refresh(its_rows, validated_s)

    async def purge(self, bucket: Bucket, prefix: bytes = b"") -> None:
        """Nothing kept before of the keys that begin with `prefix` is found from when it returns on.

        Nor is what was on its way then: a `Content` made before names nothing any more. Costs the same for any number
        of objects; their space comes free as that of others that nobody reads.
        """
        await self._rulebook.purge(bucket, prefix)

    async def invalidate(self, bucket: Bucket, prefix: bytes = b"") -> None:
        """No info of the keys that begin with `prefix` is trusted that was validated up to now; blocks stay.

        Costs the same for any number of objects. Times are whole seconds: what is validated within this one is not
        trusted either.
        """
        await self._rulebook.invalidate(bucket, prefix)

    def told(self, bucket: Bucket, key: Key) -> tuple[int, int]:
        """When the object was last covered by a `purge`, and by an `invalidate` (unix seconds, 0 for never)."""
        rules = self._rulebook.rules
        return rules.serial_of(bucket, key), rules.distrusted_s(bucket, key)

    def disks_of(self, bucket: Bucket, key: Key, size: int) -> Sequence[int]:
        """The disks that blocks of an object of that size may lie on, as numbers in the order of `store.paths`."""
        if size > BLOCK_SIZE:
            return range(len(self.shards))
        return [self._home_of(self._name_of(bucket, key)).number]

    def distrust(self) -> None:
        """From now on no info validated before is trusted: `known` says 0."""
        for shard in self.shards:
            shard.distrust()

    def usage(self) -> Usage:
        """How full it is."""
        rooms = [shard.upkeep.space.room() for shard in self.shards]
        return Usage(
            capacity_bytes=self._sizes.capacity_bytes,
            used_bytes=sum(room.used_bytes for room in rooms),
            live_bytes=sum(shard.table.live_bytes for shard in self.shards),
            index_bytes=sum(room.index_bytes for room in rooms),
            segments=sum(room.segments for room in rooms),
            kept_bytes_total=sum(shard.keeping.kept_bytes for shard in self.shards),
            evicted_bytes_total=sum(shard.eviction.evicted_bytes for shard in self.shards),
            refused_total=sum(shard.keeping.refused for shard in self.shards),
            damaged_total=sum(shard.damaged + shard.eviction.damaged for shard in self.shards),
            pools=self._pools(),
            disks=tuple(Disk(shard.state(), shard.scrub.scrubbed_s, shard.scrub.progress) for shard in self.shards),
            moved_bytes_total=sum(shard.keeping.moved_bytes for shard in self.shards),
        )

    def _name_of(self, bucket: Bucket, key: Key) -> bytes:
        return names.object_hash(self._secret, bucket, key, self._rulebook.rules.serial_of(bucket, key))

    def _as_trusted(self, bucket: Bucket, key: Key, known: Known) -> Known:
        until_s = self._rulebook.rules.distrusted_s(bucket, key)
        return known if known.validated_s > until_s or not until_s else replace(known, validated_s=0)

    def gates(self) -> list[Gate]:
        """What decides on each disk whether new blocks are let in; to be looked at only."""
        return [shard.table.gate for shard in self.shards]

    def _pools(self) -> dict[Pool, int]:
        pools = [shard.table.pools() for shard in self.shards]
        return {pool: sum(its[pool] for its in pools) for pool in Pool}

    def _home_of(self, oh: bytes) -> Shard:
        return self.shards[0 if self._is_one else self._slots[names.slot_of(oh)]]

    def _shard_of(self, content: Content, number: int) -> Shard:
        if self._is_one:
            return self.shards[0]
        if content.whole:
            return self._home_of(content.oh)
        return self._home_of(names.stripe_hash(self._secret, content.vh, number))
