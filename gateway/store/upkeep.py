"""Keeps a shard in order: seals what is full, evicts where room is short, measures what the disk has left."""

import asyncio
import logging
from collections import deque
from dataclasses import replace

from gateway.store import capacity, logs, sealing
from gateway.store.entries import State
from gateway.store.eviction import Eviction
from gateway.store.health import Health
from gateway.store.index import Index
from gateway.store.pending import OpenSegment
from gateway.store.site import Site
from gateway.store.space import Space
from gateway.store.table import Segment, Segments
from gateway.store.tending import Tending

AHEAD_SEGMENTS = 2
"""Free room that eviction keeps, in segments, so that who writes need not wait for it."""
MEASURE_EVERY_S = 5.0

log = logging.getLogger(__name__)


class Upkeep:
    """One task does all of it, so no two things happen to a segment at once."""

    def __init__(
        self, site: Site, index: Index, table: Segments, health: Health, tending: Tending, eviction: Eviction
    ) -> None:
        self._site = site
        self._index = index
        self._table = table
        self._health = health
        self._tending = tending
        self._eviction = eviction
        self.space = Space(site, table)
        self._full: deque[OpenSegment] = deque()
        self._unsynced: deque[Segment] = deque()
        self._measured_at_s = site.clock.monotonic_s()
        self._is_busy = False
        self._rounds = 0

    def full(self, opened: OpenSegment) -> None:
        """Nothing more is written to it."""
        self._full.append(opened)
        self.space.wanted.set()

    def found(self, segment: Segment) -> None:
        """A sealed segment of before the start that may not outlive a loss of power yet."""
        self._unsynced.append(segment)
        self.space.wanted.set()

    async def run(self) -> None:
        """Does what is to do, whenever there is something, until it is cancelled."""
        while True:
            try:
                async with asyncio.timeout(MEASURE_EVERY_S):
                    await self.space.wanted.wait()
            except TimeoutError:
                pass
            self.space.wanted.clear()
            try:
                await self.once()
            except Exception:
                # A mistake with one segment must not end the upkeep of all others.
                log.exception("upkeep of the store failed")

    async def settled(self) -> None:
        """Returns when all there was to do is done: sealed, evicted, synced."""
        rounds = self._rounds
        while self._full or self._unsynced or self._is_busy or self._rounds == rounds:
            self._table.changed.clear()
            self.space.wanted.set()
            await self._table.changed.wait()

    async def once(self) -> None:
        """Measures if it is time, then does all there is to do now."""
        self._is_busy = True
        try:
            if self._site.clock.monotonic_s() - self._measured_at_s >= MEASURE_EVERY_S:
                await self.measure(self.space.room().share_bytes)
            while await self._step():
                self.space.is_stuck = False
                self._table.changed.set()
        finally:
            self._is_busy = False
            self.space.is_stuck = self.space.room().missing_bytes > 0
            self._rounds += 1
            self._table.changed.set()

    async def _step(self) -> bool:
        if self._full:
            await self._seal(self._full.popleft())
            return True
        if self.space.owed or self.space.room().missing_for(AHEAD_SEGMENTS) > 0:
            self.space.owed = 0
            victim = logs.victim(self._table.all())
            if victim is not None:
                return await self._eviction.evict(victim)
        if self._unsynced:
            await self._sync(self._unsynced.popleft())
            return True
        return False

    async def make_room(self) -> None:
        """Evicts until what is used fits into the share; a smaller one than before is reached here."""
        while self.space.room().missing_for(0) > 0 and (victim := logs.victim(self._table.all())) is not None:
            if not await self._eviction.evict(victim):
                return

    async def measure(self, share_bytes: int) -> None:
        """Reads what index and file system take now, and sees to updates that nobody waits for any more."""
        site, used_bytes = self._site, self.space.room().used_bytes
        self._measured_at_s = site.clock.monotonic_s()
        if not self._index.write_waiting():
            await self._tending.call(site.trust_nothing_at_next_start)
        index_bytes = await self._tending.call(self._index.size_bytes)
        try:
            free_bytes = await self._tending.call(site.files.free_bytes, site.directory)
            total_bytes = await self._tending.call(site.files.total_bytes, site.directory)
        except OSError as error:
            self._health.write_failed(error, site.clock.monotonic_s())
            return
        limit_bytes = capacity.limit_bytes(used_bytes, free_bytes, total_bytes, site.min_free_percent)
        self.space.measured(share_bytes, index_bytes, limit_bytes)

    async def _seal(self, opened: OpenSegment) -> None:
        segment, sums = opened.segment, opened.sums
        segment.entry = replace(segment.entry, sums=sums)
        if not sums.records:
            await self._eviction.end(segment)
            return
        async with self._tending.reading(segment) as fd:
            try:
                await self._tending.call(sealing.write_footer, self._site, fd, opened.rows, sums)
            except OSError as error:
                # Without a footer whoever evicts it reads its records one by one.
                self._health.write_failed(error, self._site.clock.monotonic_s())
        segment.enter(replace(segment.entry, state=State.SEALED), self._index)
        self._unsynced.append(segment)

    async def _sync(self, segment: Segment) -> None:
        if segment.doomed:
            return
        async with self._tending.reading(segment) as fd:
            try:
                await self._tending.call(self._site.files.sync, fd)
            except OSError as error:
                self._health.write_failed(error, self._site.clock.monotonic_s())
                return
        if await self._tending.call(self._index.sync):
            segment.enter(replace(segment.entry, state=State.SYNCED), self._index)
