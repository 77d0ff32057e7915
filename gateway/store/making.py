"""New segments for a shard, under ids that no start ever gives out again."""

import errno
import logging
from collections.abc import Callable

from gateway.store import entries, segments
from gateway.store.entries import SegmentEntry, State
from gateway.store.ground import Ground
from gateway.store.pending import OpenSegment
from gateway.store.segments import Kind, Sums
from gateway.store.table import Segment

FULL_RETRY_S = 30.0
"""How long a full file system is left alone before it is asked again."""
IDS_RESERVED = 64

log = logging.getLogger(__name__)


class Making:
    """Belongs to the event loop."""

    def __init__(self, ground: Ground) -> None:
        self._site = ground.site
        self._index = ground.index
        self._space = ground.space
        self._table = ground.table
        self._health = ground.health
        self._tending = ground.tending
        self._full_until_s = 0.0
        self.next_id = 1
        self.reserved_id = 1
        """Ids below it are reserved: no later start gives them out again."""
        self.last_position = 0
        """The largest `log_position` of all segments."""

    async def next_segment(self, kind: Kind, first_seq: int, *, moves: Callable[[], bool]) -> OpenSegment | None:
        """A new segment to write to; None if there is no room and will not be any soon, or the disk fails.

        `moves`: what an eviction moves waits for it.
        """
        now_s = self._site.clock.monotonic_s()
        if now_s < self._full_until_s or not await self._space.has_one(moves=moves):
            return None
        try:
            return await self._make(kind, first_seq)
        except OSError as error:
            if error.errno != errno.ENOSPC or moves():
                self._health.write_failed(error, now_s)
                return None
        # Somebody else has filled the file system: what one of our segments takes may be enough for another.
        try:
            return await self._make(kind, first_seq) if await self._space.evicted_one() else None
        except OSError as error:
            self._full_until_s = now_s + FULL_RETRY_S
            log.warning("the file system is full", extra={"path": self._site.directory, "error": str(error)})
            return None

    def next_position(self) -> int:
        """A place at the head of a log."""
        self.last_position += 1
        return self.last_position

    async def _make(self, kind: Kind, first_seq: int) -> OpenSegment | None:
        number = await self._new_id()
        if number is None:
            return None
        self._space.being_made += 1
        try:
            return await self._made(number, kind, first_seq)
        finally:
            self._space.being_made -= 1
            self._space.wanted.set()

    async def _made(self, number: int, kind: Kind, first_seq: int) -> OpenSegment:
        site, now_s = self._site, self._site.now_s()
        created_us = int(site.clock.now_s() * 1e6)
        head = segments.header(site.uuid, number, created_us, first_seq, site.segment_size, kind)
        fd = await self._tending.call(site.files.create, site.path_of(number), site.segment_size, head)
        entry = SegmentEntry(State.OPEN, Sums(0, 0, 0), first_seq, now_s, self.next_position(), kind)
        segment = Segment(number, site.path_of(number), entry)
        self._table.add(segment)
        self._table.opened(segment, fd)
        self._space.being_written += 1
        return OpenSegment(segment)

    async def _new_id(self) -> int | None:
        if self.next_id >= self.reserved_id:
            reserved = self.next_id + IDS_RESERVED
            item = (entries.NEXT_SEGMENT_KEY, entries.pack_counter(reserved))
            if not self._index.write([item]) or not await self._tending.call(self._index.sync):
                return None
            self.reserved_id = reserved
        self.next_id += 1
        return self.next_id - 1
