"""The cache of a node: the bytes of an object from the nearest place, and every write on its way to the backend."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.backends.base import Body, Completion, ListPage, ListQuery, Part, UploadId, WriteSpec
from gateway.budget import Budget
from gateway.cache import listings, pins
from gateway.cache.ahead import Marks
from gateway.cache.drafts import DraftMap
from gateway.cache.explain import Explanation, explain
from gateway.cache.fills import Means
from gateway.cache.flights import Flights
from gateway.cache.freshness import Demand, Trust, age_s
from gateway.cache.hits import Hits
from gateway.cache.infos import Infos, Seen
from gateway.cache.misses import MissReason
from gateway.cache.openings import Boarding, Openings
from gateway.cache.peers import NoPeers, Peers
from gateway.cache.pins import Pinned
from gateway.cache.prefetched import Prefetched
from gateway.cache.reader import Places, Reader
from gateway.cache.staleness import Staleness
from gateway.cache.views import CachedView, View, Want, direct_view, word_of
from gateway.cache.words import Source
from gateway.cache.writes import Writes
from gateway.clock import Clock
from gateway.errors import GatewayError, ObjectMissing, SpanOutside
from gateway.metrics import Metrics
from gateway.model import Info, Key, Version
from gateway.mounts import Mount
from gateway.store.store import BlockStore
from gateway.timing import Stage, timed


@dataclass(frozen=True, slots=True)
class Headline:
    """What HEAD answers, and how it came about."""

    info: Info
    source: Source
    age_s: int
    is_stale: bool = False


class Cache:
    """Reads and writes of all mounts of a node; those of mounts that are not cached pass through.

    `memory` bounds the bytes on their way from backends. Tasks run in `tasks`, which must outlive every request.
    """

    def __init__(
        self, store: BlockStore, memory: Budget, clock: Clock, metrics: Metrics, tasks: asyncio.TaskGroup
    ) -> None:
        self.store = store
        self.memory = memory
        self._peers: Peers = NoPeers()
        self._clock = clock
        self._infos = Infos(store, clock, tasks)
        self._flights = Flights(Means(store, self._infos, memory, tasks))
        self._openings = Openings(store, self._infos, self._flights, clock, tasks)
        self._drafts = DraftMap()
        marks = Marks()
        self._places = Places(store, self._flights, self._drafts, self._infos, marks, Prefetched(marks), clock, metrics)
        self._writes = Writes(store, self._infos, self._drafts, memory, clock, tasks)
        self._staleness = Staleness(metrics)
        self.hits = Hits(self._places, self._staleness)

    # Reads.

    async def open(self, mount: Mount, key: Key, want: Want) -> View:
        """One version of an object, from the first byte to the last. Raises `ObjectMissing` and the backend's errors.

        A view whose version is gone raises `VersionChanged` from its pieces; opened again, it shows the new one.
        """
        if not mount.policy.is_cached or want.demand is Demand.BYPASS:
            if mount.policy.is_cached:
                self._infos.misses.note(mount.bucket, key, MissReason.BYPASS, self._clock.now_s())
            with timed(Stage.BACKEND):
                return await direct_view(mount.backend, key, want)
        with timed(Stage.INFO):
            seen, boarding = await self._find(mount, key, want)
            if boarding is None:
                await self._openings.begun(mount, key)
        reader = Reader(self._places, mount, key, seen, boarding)
        return CachedView(reader, seen, self._age_s(mount, seen))

    async def head(self, mount: Mount, key: Key, demand: Demand, *, complete: bool) -> Headline:
        """The info of an object, without its bytes."""
        if not mount.policy.is_cached or demand is Demand.BYPASS:
            with timed(Stage.BACKEND):
                return Headline(await mount.backend.stat(key), Source.BYPASS, 0)
        with timed(Stage.INFO):
            seen, boarding = await self._find(mount, key, Want(info_first=True, complete=complete, demand=demand))
        if boarding is not None:
            boarding.fill.leave(boarding.rider)
        return Headline(seen.info, word_of(seen, filled=None), self._age_s(mount, seen), seen.is_stale)

    async def list(self, mount: Mount, query: ListQuery) -> ListPage:
        """As `Backend.list`; the page refreshes what is known of its keys."""
        if not mount.policy.is_cached:
            return await mount.backend.list(query)
        return await listings.observed(self.store, self._infos, self._clock, mount, query)

    async def explain(self, mount: Mount, key: Key) -> Explanation:
        """What the cache holds of an object, and why."""
        return await explain(self.store, self._infos.misses, self._peers, mount, key, self._clock.now_s())

    # Orders of people. Those for all keys that begin with `prefix` cost the same for any number of objects.

    async def evict(self, mount: Mount, prefix: bytes) -> None:
        """Nothing that was kept is found any more, as if it had never been read."""
        try:
            await self.store.purge(mount.bucket, prefix)
        finally:
            self._infos.doubt(mount, prefix)

    async def invalidate(self, mount: Mount, prefix: bytes) -> None:
        """The backend is asked before any of it is used again. What has not changed there is not read again."""
        try:
            await self.store.invalidate(mount.bucket, prefix)
        finally:
            self._infos.doubt(mount, prefix)

    async def pin(self, mount: Mount, key: Key, until_s: int) -> Pinned:
        """As `pins.pin`."""
        return await pins.pin(self.store, mount, key, until_s)

    async def unpin(self, mount: Mount, key: Key) -> Pinned:
        """As `pins.unpin`."""
        return await pins.unpin(self.store, mount, key)

    async def forget_bucket(self, mount: Mount) -> None:
        """A bucket made anew under this name knows nothing of this one."""
        if mount.policy.is_cached:
            await self.evict(mount, b"")

    # Writes: as the backend's operations of the same names.

    async def write(self, mount: Mount, key: Key, body: Body, spec: WriteSpec) -> Info:
        return await (
            self._writes.write(mount, key, body, spec)
            if mount.policy.is_cached
            else mount.backend.write(key, body, spec)
        )

    async def copy(self, mount: Mount, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        if not mount.policy.is_cached:
            return await mount.backend.copy(source, pin, key, spec)
        return await self._writes.copy(mount, source, pin, key, spec)

    async def delete(self, mount: Mount, key: Key, pin: Version | None) -> None:
        if not mount.policy.is_cached:
            return await mount.backend.delete(key, pin)
        return await self._writes.delete(mount, key, pin)

    async def delete_batch(self, mount: Mount, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        if not mount.policy.is_cached:
            return await mount.backend.delete_batch(keys)
        return await self._writes.delete_batch(mount, keys)

    async def write_part(self, mount: Mount, upload: UploadId, number: int, body: Body) -> Part:
        if not mount.policy.is_cached:
            return await mount.backend.write_part(upload, number, body)
        return await self._writes.write_part(mount, upload, number, body)

    async def complete_upload(
        self, mount: Mount, upload: UploadId, parts: Sequence[Part], completion: Completion, sizes: Mapping[int, int]
    ) -> Info:
        """`sizes` of the parts as far as the caller knows them."""
        if not mount.policy.is_cached:
            return await mount.backend.complete_upload(upload, parts, completion)
        return await self._writes.complete_upload(mount, upload, parts, completion, sizes)

    async def abort_upload(self, mount: Mount, upload: UploadId) -> None:
        if not mount.policy.is_cached:
            return await mount.backend.abort_upload(upload)
        return await self._writes.abort_upload(mount, upload)

    async def _find(self, mount: Mount, key: Key, want: Want) -> tuple[Seen, Boarding | None]:
        """The info that this request goes by; with a place in the fill that brought it, if one did."""
        look = self._infos.look(mount, key, want.demand, complete=want.complete)
        if look.trust is Trust.FRESH:
            assert look.known is not None
            return Seen(look.known), None
        if self._infos.is_absent(mount, key, want.demand):
            raise ObjectMissing
        # Who must know what is there now does not share a question that others sent before.
        ride = mount.policy.freshness_s > 0 and want.demand is Demand.NORMAL
        if look.known is None and self._may_open(mount, key, want, ride=ride):
            try:
                boarding = await self._openings.open(mount, key, want.span)
            except SpanOutside:
                # Conditions come before the range, so the info is needed to say what is wrong.
                pass
            else:
                if boarding.seen.known.complete or not want.complete:
                    return boarding.seen, boarding
                boarding.fill.leave(boarding.rider)
        return await self._infos.ask(mount, key, look.known, ride=ride), None

    def _may_open(self, mount: Mount, key: Key, want: Want, *, ride: bool) -> bool:
        if self._openings.is_there(mount, key):
            return ride and self._openings.can_ride(mount, key)
        return not want.info_first

    def _age_s(self, mount: Mount, seen: Seen) -> int:
        age = age_s(seen.known, self._clock.now_s())
        self._staleness.note(mount, age)
        return age
