"""Keeps a shard in order: seals what is full, evicts where room is short, measures what the disk has left."""

import asyncio
import logging
from collections import deque
from dataclasses import replace

from gateway.store import capacity, entries, hits, logs, rescue, sealing
from gateway.store.entries import State
from gateway.store.eviction import Eviction
from gateway.store.gate import Mode
from gateway.store.ground import Ground
from gateway.store.pending import OpenSegment
from gateway.store.pins import Pins
from gateway.store.rescue import Rescue
from gateway.store.segments import Kind
from gateway.store.space import AHEAD_SEGMENTS
from gateway.store.table import Segment

MEASURE_EVERY_S = 5.0
FRUITLESS_MAX = 32
"""Victims in a row that bring no room, before new ones are left for later."""

log = logging.getLogger(__name__)


class Upkeep:
    """One task does all of it, so no two things happen to a segment at once."""

    def __init__(self, ground: Ground, eviction: Eviction, pins: Pins) -> None:
        self._ground = ground
        self._site = ground.site
        self._index = ground.index
        self._table = ground.table
        self._health = ground.health
        self._tending = ground.tending
        self._policy = ground.policy
        self._eviction = eviction
        self._rescue = Rescue(ground, eviction)
        self._pins = pins
        self.space = ground.space
        self._unsynced: deque[Segment] = deque()
        self._condemned: deque[Segment] = deque()
        self._measured_at_s = self._counted_at_s = ground.monotonic_s
        self._mode: Mode = ground.policy.gate.mode
        self._fruitless = self._recounted_id = 0
        self._is_busy = False
        self._rounds = 0

    def found(self, segment: Segment) -> None:
        """A sealed segment of before the start that may not outlive a loss of power yet."""
        self._unsynced.append(segment)
        self.space.wanted.set()

    def condemn(self, segment: Segment) -> None:
        """A segment that is damaged: it is dropped with all that is in it."""
        self._condemned.append(segment)
        self.space.wanted.set()

    async def run(self) -> None:
        """Does what is to do, whenever there is something, until it is cancelled."""
        while True:
            try:
                async with asyncio.timeout(rescue.TRY_EVERY_S if self._health.index_full else MEASURE_EVERY_S):
                    await self.space.wanted.wait()
            except TimeoutError:
                pass
            self.space.wanted.clear()
            try:
                await self.once()
            except Exception:
                if self._health.given_up.is_set():
                    return  # whatever it was about, it is with a disk that nobody asks any more
                # A mistake with one segment must not end the upkeep of all others.
                log.exception("upkeep of the store failed")

    async def settled(self) -> None:
        """Returns when all there was to do is done: sealed, evicted, synced."""
        rounds = self._rounds
        while self._has_work(rounds) and not self._health.given_up.is_set():
            self._table.changed.clear()
            self.space.wanted.set()
            await self._table.changed.wait()

    def _has_work(self, rounds: int) -> bool:
        return bool(self.space.to_seal or self._unsynced or self._condemned) or self._is_busy or self._rounds == rounds

    async def once(self) -> None:
        """Measures if it is time, then does all there is to do now."""
        self._is_busy = True
        try:
            if self._site.clock.monotonic_s() - self._measured_at_s >= MEASURE_EVERY_S:
                await self.measure(self.space.room().share_bytes)
            if self._ground.monotonic_s - self._counted_at_s >= hits.SAVE_EVERY_S:
                await self.save_hits()
                await self._recount_one()
            self._fruitless = 0
            if self._health.index_full and not await self._rescue.attempt():
                return
            while await self._step():
                self.write_down()
                self.space.is_stuck = False
                self._table.changed.set()
        finally:
            self._is_busy = False
            self.space.is_stuck = self.space.is_full
            self._rounds += 1
            self._table.changed.set()

    async def _step(self) -> bool:
        if self.space.to_seal:
            await self._seal(self.space.to_seal.popleft())
            return True
        if self._condemned:
            condemned = self._condemned.popleft()
            return condemned.doomed or await self._eviction.drop(condemned, spares_pinned=False)
        if self.space.is_short and await self._evict_some():
            return True
        if await self._pins.clear_ended():
            return True
        if self._unsynced:
            await self._sync(self._unsynced.popleft())
            return True
        return False

    async def _evict_some(self) -> bool:
        """Treats one victim; False if there is none, or they do not help."""
        self._policy.gate.fill_up()
        victim = logs.choose(self._table.all(), self._site.segment_size)
        if victim is None or self._fruitless >= FRUITLESS_MAX:
            self.space.owed = 0
            return False
        before = self.space.room().segments
        if not await self._eviction.treat(victim):
            return False
        if self.space.room().segments < before:
            self._fruitless = self.space.owed = 0
        else:
            self._fruitless += 1
        return True

    async def _recount_one(self) -> None:
        """Looks for pins that have ended unnoticed, in one pinned segment after the other."""
        numbers = sorted(one.id for one in self._table.all() if one.entry.kind is Kind.PINNED)
        later = [number for number in numbers if number > self._recounted_id] or numbers
        segment = self._table.get(later[0]) if later else None
        if segment is not None and segment.entry.state in (State.SEALED, State.SYNCED):
            await self._eviction.recount(segment)
        self._recounted_id = later[0] if later else 0

    async def make_room(self) -> None:
        """Evicts until what is used fits into the share; a smaller one than before is reached here.

        For use before the writer runs: there is no room to keep anything. What is pinned goes last.
        """
        for spares_pinned in (True, False):
            settled = [one for one in self._table.all() if one.entry.state in (State.SEALED, State.SYNCED)]
            for victim in sorted(settled, key=lambda one: (one.entry.kind, one.entry.log_position)):
                if self.space.room().missing_for(0) <= 0:
                    return
                await self._eviction.drop(victim, spares_pinned=spares_pinned)

    async def measure(self, share_bytes: int) -> None:
        """Reads what index and file system take now, and sees to updates that nobody waits for any more."""
        site = self._site
        self._measured_at_s = site.clock.monotonic_s()
        if not self._index.write_waiting():
            await self._tending.call(site.trust_nothing_at_next_start)
        index_bytes = await self._tending.call(self._index.size_bytes)
        used_bytes = self.space.room().used_bytes
        try:
            free_bytes = await self._tending.call(site.files.free_bytes, site.directory)
            total_bytes = await self._tending.call(site.files.total_bytes, site.directory)
        except OSError as error:
            self._health.write_failed(error, site.clock.monotonic_s())
            return
        # What came or went while the system counted must not make room that is not there.
        used_bytes = min(used_bytes, self.space.room().used_bytes)
        limit_bytes = capacity.limit_bytes(used_bytes, free_bytes, total_bytes, site.min_free_percent)
        self.space.measured(share_bytes, index_bytes, limit_bytes)
        records = sum(len(segment.marks) for segment in self._table.all())
        if self.space.is_roomy:
            self._policy.gate.has_room()
        kept_free = AHEAD_SEGMENTS + 1
        self._policy.fit((self.space.room().segments_max - kept_free) * site.segment_size, records)
        self.write_down()

    def write_down(self) -> None:
        """Tells the index what it is to remember of pins and gate."""
        self._pins.write_down()
        mode = self._policy.gate.mode
        if mode is not self._mode and self._index.write([(entries.GATE_MODE_KEY, mode.value.encode())]):
            self._mode = mode

    async def save_hits(self) -> None:
        """Writes the file of hit counters. It may fail: all that is lost is how often blocks were read."""
        site = self._site
        self._counted_at_s = self._ground.monotonic_s
        rows = [hits.of(segment) for segment in self._table.all()]
        self.space.counted(hits.allocated_bytes(rows))
        try:
            await self._tending.call(lambda: site.files.replace(site.hits, hits.pack(rows, site.uuid)))
        except OSError as error:
            self._health.write_failed(error, self._ground.monotonic_s)

    async def _seal(self, opened: OpenSegment) -> None:
        segment, sums = opened.segment, opened.sums
        self.space.being_written -= 1
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
