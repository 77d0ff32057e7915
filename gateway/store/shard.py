"""One disk of the store: finds and reads what lies on it, and hands the rest to its parts."""

import asyncio
import errno
import logging
from concurrent.futures import Executor, ThreadPoolExecutor

from gateway.model import Bucket, Key, Known
from gateway.store import entries, slices
from gateway.store.entries import Spot
from gateway.store.eviction import Eviction
from gateway.store.extras import EntryDamaged
from gateway.store.health import Health
from gateway.store.index import Index
from gateway.store.keeping import Keeping
from gateway.store.making import Making
from gateway.store.pending import Wish
from gateway.store.records import RecordDamaged
from gateway.store.resident import Slice, slice_now
from gateway.store.site import Site
from gateway.store.table import Segment, Segments
from gateway.store.tending import Tending
from gateway.store.upkeep import Upkeep
from gateway.store.values import Content, Held, Outcome, Place
from gateway.store.writer import Writer

STOP_S = 4.0
"""Of the 5 s that a clean stop takes at most."""

_OF_THE_PROCESS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Failures that say nothing of the disk."""

log = logging.getLogger(__name__)


class Shard:
    """Belongs to the event loop. `number` is its place among the shards of the store."""

    def __init__(self, number: int, site: Site, index: Index, readers: Executor) -> None:
        self.number = number
        self.site = site
        self.index = index
        self._readers = readers
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._tending = ThreadPoolExecutor(1, thread_name_prefix="store-tend")
        self.table = Segments(site.files, site.geometry.open_files_max)
        health = Health(site.directory)
        tending = Tending(site, self.table, self._tending)
        self.eviction = Eviction(site, index, self.table, health, tending)
        self.making = Making(site, index, self.table, health, tending)
        self.upkeep = Upkeep(site, index, self.table, health, tending, self.eviction)
        self.keeping = Keeping(site, index, self.table, health)
        self.writer = Writer(site, self._writing, self.making, self.upkeep, health, self.keeping.found)
        self.damaged = 0
        self.at_rest = True

    async def keep(self, wish: Wish) -> Outcome:
        """As `BlockStore.keep`."""
        return await self.keeping.keep(self.writer, wish)

    def distrust(self) -> None:
        """As `BlockStore.distrust`."""
        if not self.index.distrust():
            self.site.trust_nothing_at_next_start()

    def held(self, bucket: Bucket, key: Key, oh: bytes) -> Held | None:
        """As `BlockStore.held`."""
        value = self.index.object_value(oh)
        entry = self.index.entry(value) if value is not None else None
        if entry is None:
            return None
        content = Content(bucket, key, oh, entry.vh, entry.info.size)
        place = None if entry.spot is None else self._place(content, 0, entry.spot)
        return Held(Known(entry.info, entry.validated_s, entry.complete), content, place)

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
        segment_id, record_offset, ordinal, _, data_offset, data_size, expires_s, header_crc = spot
        segment = self.table.get(segment_id)
        if segment is None or ordinal >= len(segment.marks):
            return None
        if not record_offset < data_offset < data_offset + data_size <= self.site.segment_size:
            return None
        if expires_s and expires_s <= self.site.clock.now_s():
            return None
        return Place(
            content, number, self.number, segment_id, record_offset, ordinal, data_offset, data_size, header_crc
        )

    def read_now(self, place: Place, start: int, stop: int) -> memoryview | None:
        """As `BlockStore.read_now`."""
        segment = self.table.get(place.segment)
        return slices.read_now(segment, place, start, stop) if segment is not None else None

    def slice_now(self, place: Place, start: int, stop: int, copy_max: int) -> Slice | None:
        """As `BlockStore.slice_now`."""
        segment = self.table.get(place.segment)
        return None if segment is None else slice_now(self.table, segment, place, start, stop, copy_max)

    async def read(self, place: Place, start: int, stop: int) -> memoryview | None:
        """As `BlockStore.read`."""
        segment = self.table.get(place.segment)
        if segment is None or place.ordinal >= len(segment.marks):
            return None
        if whole := slices.worth_whole(segment, place, start, stop):
            first, last = 0, place.data_size
        else:
            first, last = start, stop
        try:
            data = await self._read(segment, place, first, last)
        except (RecordDamaged, OSError) as error:
            if segment.doomed or (isinstance(error, OSError) and error.errno in _OF_THE_PROCESS):
                return None
            self.damaged += 1
            self.keeping.damaged(_key(place), place.segment, place.record_offset)
            return None
        slices.count_hit(segment, place, verified=whole)
        return data[start - first : stop - first]

    async def _read(self, segment: Segment, place: Place, start: int, stop: int) -> memoryview:
        files, loop = self.site.files, asyncio.get_running_loop()
        self.table.used(segment)
        reading: asyncio.Future[memoryview] | None = None
        try:
            if segment.fd < 0:
                await self._opened(segment)
            reading = loop.run_in_executor(self._readers, slices.read_checked, files, segment.fd, place, start, stop)
            return await asyncio.shield(reading)
        finally:
            # Who asked may leave while the thread still reads: the descriptor must stay what it is until then.
            if reading is None or reading.done():
                self.table.released(segment)
            else:
                reading.add_done_callback(lambda _: self.table.released(segment))

    async def _opened(self, segment: Segment) -> None:
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(self._readers, self.site.files.open, segment.path)
        opening.add_done_callback(lambda done: self._take(segment, done))
        await asyncio.shield(opening)

    def _take(self, segment: Segment, opening: asyncio.Future[int]) -> None:
        if not opening.cancelled() and opening.exception() is None:
            self.table.opened(segment, opening.result())

    async def stop(self) -> None:
        """Writes what waits and lets it outlive a loss of power, within `STOP_S`; `at_rest` says whether it did."""
        self.at_rest = False
        try:
            async with asyncio.timeout(STOP_S):
                await self.writer.drain()
                await self.upkeep.settled()
                await self.upkeep.measure(self.upkeep.space.room().share_bytes)
                loop = asyncio.get_running_loop()
                self.at_rest = await loop.run_in_executor(self._tending, self.index.sync)
        except TimeoutError:
            log.warning("a disk of the store did not come to rest in time", extra={"path": self.site.directory})

    def close(self) -> None:
        """Frees what the system lent; what is not at rest stays as it is, as if the process was killed. Blocks."""
        self._writing.shutdown(wait=self.at_rest, cancel_futures=True)
        self._tending.shutdown(wait=self.at_rest, cancel_futures=True)
        if self.at_rest:
            self.table.close()
            self.index.close()


def _key(place: Place) -> bytes:
    content = place.content
    return entries.info_key(content.oh) if content.whole else entries.block_key(content.vh, place.number)
