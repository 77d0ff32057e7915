"""One disk of the store: finds and reads what lies on it, and hands the rest to its parts."""

import asyncio
import logging
from collections.abc import Callable
from random import SystemRandom

from gateway.kv import KvFailed
from gateway.model import Bucket, Key, Known
from gateway.store import entries, slices, whereabouts
from gateway.store.absent import AbsentKv
from gateway.store.entries import Spot
from gateway.store.eviction import Eviction
from gateway.store.extras import EntryDamaged
from gateway.store.gate import Mode
from gateway.store.ground import Ground
from gateway.store.health import DEGRADED_READS_MAX, STUCK_S, DiskState, Health, is_of_the_process
from gateway.store.index import Index
from gateway.store.keeping import Keeping
from gateway.store.lately import Lately
from gateway.store.making import Making
from gateway.store.pending import Wish
from gateway.store.pins import Pins
from gateway.store.policy import Policy
from gateway.store.records import Flag, RecordDamaged
from gateway.store.resident import Slice, slice_now
from gateway.store.scrub import Scrub
from gateway.store.site import Site
from gateway.store.space import Space
from gateway.store.table import VERIFIED, Segment, Segments
from gateway.store.tending import Tending
from gateway.store.threads import Threads
from gateway.store.upkeep import Upkeep
from gateway.store.values import Content, Held, Outcome, Place
from gateway.store.whereabouts import Whereabouts
from gateway.store.writer import Writer

STOP_S = 4.0
"""Of the 5 s that a clean stop takes at most."""

log = logging.getLogger(__name__)


class Shard:
    """Belongs to the event loop. `number` is its place among the shards of the store."""

    def __init__(self, number: int, site: Site, index: Index, read_threads: int) -> None:
        self.number = number
        self.site = site
        self.index = index
        self._reading = Threads("store-read", read_threads, site.clock)
        self._writing = Threads("store-write", 1, site.clock)
        self._tending = Threads("store-tend", 1, site.clock)
        self._scrubbing = Threads("store-scrub", 1, site.clock, is_patient=True)
        self._reads = 0
        policy = Policy(_mode_before(index), SystemRandom())
        self.table = table = Segments(site.files, site.geometry.open_files_max, policy.gate)
        self.health = Health(site.directory)
        tending = Tending(site, table, self._tending)
        self.ground = ground = Ground(site, index, table, self.health, tending, Space(site, table), policy)
        self.pins = Pins(ground)
        self.making = Making(ground)
        self.keeping = Keeping(ground, self.pins)
        self.writer = Writer(ground, self._writing, self.making, self.keeping.found)
        self.eviction = Eviction(ground, self.making, self.writer, self.pins)
        self.upkeep = Upkeep(ground, self.eviction, self.pins)
        self.scrub = Scrub(ground, self._scrubbing, self._is_damaged, self.upkeep.condemn)
        self._lately = Lately()
        self.damaged = 0
        self.at_rest = True
        self._close_index: Callable[[], None] = index.close

    async def keep(self, wish: Wish) -> Outcome:
        """As `BlockStore.keep`."""
        return await self.keeping.keep(self.writer, wish)

    def heed_index(self) -> None:
        """From now on what the index fails at counts against the disk."""
        loop, clock = asyncio.get_running_loop(), self.site.clock

        def heard(error: KvFailed, reads: bool) -> None:
            # It may have failed in a thread.
            loop.call_soon_threadsafe(index_failed, error, reads)

        def index_failed(error: KvFailed, reads: bool) -> None:
            was_full = self.health.index_full
            self.health.index_failed(error, clock.monotonic_s(), reads=reads)
            if self.health.index_full and not was_full:
                self.upkeep.space.wanted.set()

        self.index.heed(heard)

    def state(self) -> DiskState:
        """What its disk is good for."""
        return self.health.state(self.site.clock.monotonic_s())

    def distrust(self) -> None:
        """As `BlockStore.distrust`."""
        if not self.index.distrust():
            # Upkeep sees to it, too, until the index has taken it; the loop does not wait for a disk that fails.
            self._tending.let(self.site.trust_nothing_at_next_start)

    def held(self, bucket: Bucket, key: Key, oh: bytes) -> Held | None:
        """As `BlockStore.held`."""
        value = self.index.object_value(oh)
        if value is None:
            return None
        held = self._lately.find(value, self.index.trust_epoch)
        return held if held is not None else self._unpacked(bucket, key, oh, value)

    def _unpacked(self, bucket: Bucket, key: Key, oh: bytes, value: bytes) -> Held | None:
        entry = self.index.entry(value)
        if entry is None:
            return None
        content, spot = Content(bucket, key, oh, entry.vh, entry.info.size), entry.spot
        place = None if spot is None else self._place(content, 0, spot)
        held = Held(Known(entry.info, entry.validated_s, entry.complete), content, place)
        if spot is None or (place is not None and not spot.expires_s):
            # What depends on the time is looked at each time.
            self._lately.note(value, self.index.trust_epoch, held)
        return held

    def whole(self, content: Content) -> Place | None:
        """The place of the only block of a whole object."""
        value = self.index.object_value(content.oh)
        if value is None:
            return None
        try:
            spot = entries.unpack_spot(value) if entries.vh_of(value) == content.vh else None
        except EntryDamaged:
            return None
        return self._place(content, 0, spot) if spot is not None else None

    def piece(self, content: Content, number: int, value: bytes | None) -> Place | None:
        """The place of a piece, by what the index holds under its key."""
        try:
            spot = entries.unpack_spot(value) if value is not None else None
        except EntryDamaged:
            return None
        return self._place(content, number, spot) if spot is not None else None

    def _place(self, content: Content, number: int, spot: Spot) -> Place | None:
        segment_id, record_offset, ordinal, flags, data_offset, data_size, expires_s, header_crc = spot
        segment = self.table.get(segment_id)
        if segment is None or ordinal >= len(segment.marks):
            return None
        if not record_offset < data_offset < data_offset + data_size <= self.site.segment_size:
            return None
        if expires_s and expires_s <= self.site.clock.now_s():
            if not flags & Flag.PINNED:
                return None
            # What has ended is its pin.
            self.pins.note_end(_key(content, number))
        return Place(
            content, number, self.number, segment_id, record_offset, ordinal, data_offset, data_size, header_crc
        )

    def read_now(self, place: Place, start: int, stop: int) -> memoryview | None:
        """As `BlockStore.read_now`."""
        segment = self.table.get(place.segment)
        if segment is None or place.ordinal >= len(segment.marks):
            return None
        return slices.read_now(segment, place, start, stop, self.table.gate)

    def slice_now(self, place: Place, start: int, stop: int, copy_max: int) -> Slice | None:
        """As `BlockStore.slice_now`."""
        segment = self.table.get(place.segment)
        if segment is None or place.ordinal >= len(segment.marks):
            return None
        return slice_now(self.table, segment, place, start, stop, copy_max)

    def pin(self, place: Place, until_s: int) -> bool:
        """As `BlockStore.pin`."""
        key = _key(place.content, place.number)
        return self.pins.pin(key, (place.segment, place.record_offset), until_s)

    def unpin(self, place: Place) -> bool:
        """As `BlockStore.unpin`."""
        return self.pins.unpin(_key(place.content, place.number), (place.segment, place.record_offset))

    def describe(self, place: Place) -> Whereabouts | None:
        """As `BlockStore.describe`."""
        segment, value = self.table.get(place.segment), self.index.value(_key(place.content, place.number))
        if segment is None or value is None or not entries.lies_at(value, place.segment, place.record_offset):
            return None
        spot = entries.unpack_spot(value)
        return None if spot is None else whereabouts.of(segment, spot)

    async def read(self, place: Place, start: int, stop: int) -> memoryview | None:
        """As `BlockStore.read`."""
        segment = self.table.get(place.segment)
        if segment is None or place.ordinal >= len(segment.marks) or not self._may_read():
            return None
        if whole := slices.worth_whole(segment, place, start, stop):
            first, last = 0, place.data_size
        else:
            first, last = start, stop
        try:
            data = await self._read(segment, place, first, last)
        except (RecordDamaged, OSError) as error:
            self._failed_to_read(segment, place, error)
            return None
        if whole:
            segment.marks[place.ordinal] |= VERIFIED
        slices.count_hit(segment, place, self.table.gate)
        return data[start - first : stop - first]

    def _may_read(self) -> bool:
        return self._reads < DEGRADED_READS_MAX or self.state() is DiskState.HEALTHY

    def _failed_to_read(self, segment: Segment, place: Place, error: RecordDamaged | OSError) -> None:
        if segment.doomed or self.health.given_up.is_set():
            return
        if isinstance(error, OSError):
            if is_of_the_process(error):
                return
            self.health.read_failed(error, self.site.clock.monotonic_s())
        self._is_damaged(_key(place.content, place.number), place.segment, place.record_offset)

    def _is_damaged(self, key: bytes, segment: int, record_offset: int) -> None:
        self.damaged += 1
        self.keeping.damaged(key, segment, record_offset)

    async def _read(self, segment: Segment, place: Place, start: int, stop: int) -> memoryview:
        reading: asyncio.Future[memoryview] | None = None
        self.table.used(segment)
        self._reads += 1
        try:
            if segment.fd < 0:
                await self._opened(segment)
            files = self.site.files
            reading = self._reading.start(slices.read_checked, files, segment.fd, place, start, stop)
            return await self._reading.ended(reading)
        finally:
            # Who asked may leave while the thread still reads: the descriptor must stay what it is until then.
            if reading is None or reading.done():
                self._released(segment)
            else:
                reading.add_done_callback(lambda _: self._released(segment))

    def _released(self, segment: Segment) -> None:
        self._reads -= 1
        self.table.released(segment)

    async def _opened(self, segment: Segment) -> None:
        opening = self._reading.start(self.site.files.open, segment.path)
        opening.add_done_callback(lambda done: self._take(segment, done))
        await self._reading.ended(opening)

    def _take(self, segment: Segment, opening: asyncio.Future[int]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self.table.opened(segment, opening.result())

    def watch(self) -> None:
        """Gives the disk up if one of its calls takes too long; to be called every second."""
        # Who scrubs gives way to others and may be long about it.
        if max(threads.slowest_s() for threads in self._threads if threads is not self._scrubbing) > STUCK_S:
            self.health.give_up(TimeoutError("a call takes too long"))

    @property
    def _threads(self) -> tuple[Threads, ...]:
        return self._reading, self._writing, self._tending, self._scrubbing

    def give_up(self) -> None:
        """Nothing is found in it any more, and nobody waits for it. What its threads still do has no effect."""
        self._close_index = self.index.swap(AbsentKv(stalls=False)).close
        for threads in self._threads:
            threads.give_up()
        self.at_rest = False
        self.table.changed.set()

    @property
    def is_left(self) -> bool:
        """After `give_up`: whether no thread and no reader is in it any more, so that `end` may be called."""
        return all(threads.is_idle for threads in self._threads) and not self.table.has_readers

    def end(self) -> None:
        """Frees what the system lent, after `give_up`. Blocks."""
        self.table.close()
        self._close_index()

    async def stop(self) -> None:
        """Writes what waits and lets it outlive a loss of power, within `STOP_S`; `at_rest` says whether it did."""
        if self.health.given_up.is_set():
            return
        self.at_rest = False
        try:
            async with asyncio.timeout(STOP_S):
                await self._come_to_rest()
                await self.upkeep.measure(self.upkeep.space.room().share_bytes)
                await self.upkeep.save_hits()
                self.at_rest = await self._tending.run(self.index.sync)
        except (TimeoutError, OSError):
            log.warning("a disk of the store did not come to rest in time", extra={"path": self.site.directory})

    async def _come_to_rest(self) -> None:
        await self.writer.drain()
        await self.upkeep.settled()
        while self.ground.space.being_written and not self.health.given_up.is_set():
            # What was worth keeping of a last victim.
            await self.writer.drain()
            await self.upkeep.settled()

    def close(self) -> None:
        """Frees what the system lent; what is not at rest stays as it is, as if the process was killed. Blocks."""
        for threads in self._threads:
            threads.close(waits=self.at_rest)
        if self.at_rest:
            self.table.close()
            self.index.close()


def _key(content: Content, number: int) -> bytes:
    return entries.info_key(content.oh) if content.whole else entries.block_key(content.vh, number)


def _mode_before(index: Index) -> Mode:
    value = index.value(entries.GATE_MODE_KEY)
    return next((mode for mode in Mode if mode.value.encode() == value), Mode.CHURN)
