"""Keeps room in a shard: makes segments, seals them, evicts the oldest, and measures what the disk has left."""

import asyncio
import errno
import functools
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import ParamSpec, TypeVar

from gateway.store import capacity, entries, logs, sealing, segments
from gateway.store.capacity import Room
from gateway.store.entries import SegmentEntry, State
from gateway.store.health import Health
from gateway.store.index import Index
from gateway.store.pending import OpenSegment
from gateway.store.segments import Kind, Row, Sums
from gateway.store.site import Site
from gateway.store.table import Segment, Segments

AHEAD_SEGMENTS = 2
"""Free room that eviction keeps, in segments, so that who writes need not wait for it."""
EVICTION_SLICE = 64
"""Records that are dropped in one stretch of the event loop."""
MEASURE_EVERY_S = 5.0
ROOM_WAIT_S = 1.0
"""How long a writer waits for an eviction before its blocks are refused."""
FULL_RETRY_S = 30.0
"""How long a full file system is left alone before it is asked again."""
IDS_RESERVED = 64

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)


class Upkeep:
    """One task does all of it, so no two things happen to a segment at once; what blocks runs in `thread`."""

    def __init__(self, site: Site, index: Index, table: Segments, health: Health, thread: Executor) -> None:
        self._site = site
        self._index = index
        self._table = table
        self._health = health
        self._thread = thread
        self._room = Room(0, 0, site.segment_size, site.geometry.slack_min_bytes)
        self._full: deque[OpenSegment] = deque()
        self._unsynced: deque[Segment] = deque()
        self._wake = asyncio.Event()
        self._measured_at_s = site.clock.monotonic_s()
        self._being_made = 0
        self._is_stuck = False
        self._is_busy = False
        self._rounds = 0
        self._owed = 0
        """Segments to evict although there seems to be room."""
        self._full_until_s = 0.0
        self.next_id = 1
        self.reserved_id = 1
        """Ids below it are reserved: no later start gives them out again."""
        self.evicted_bytes = 0

    def room(self) -> Room:
        """What is used, and of how much."""
        return replace(self._room, segments=self._table.count + self._being_made)

    async def next_segment(self, first_seq: int) -> OpenSegment | None:
        """A new segment to write to; None if there is no room and will not be any soon, or the disk fails."""
        now_s = self._site.clock.monotonic_s()
        if now_s < self._full_until_s or not await self._holds(lambda: self.room().missing_bytes <= 0):
            return None
        try:
            return await self._make(first_seq)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                self._health.write_failed(error, now_s)
                return None
        # Somebody else has filled the file system: what one of our segments takes may be enough for another.
        self._owed = 1
        try:
            return await self._make(first_seq) if await self._holds(lambda: not self._owed) else None
        except OSError as error:
            self._full_until_s = now_s + FULL_RETRY_S
            log.warning("the file system is full", extra={"path": self._site.directory, "error": str(error)})
            return None

    async def _holds(self, condition: Callable[[], bool]) -> bool:
        """Lets upkeep work until it holds; False if it does not soon, or cannot."""
        try:
            async with asyncio.timeout(ROOM_WAIT_S):
                while not condition():
                    if self._is_stuck:
                        return False
                    self._table.changed.clear()
                    self._wake.set()
                    await self._table.changed.wait()
        except TimeoutError:
            return False
        return True

    async def _make(self, first_seq: int) -> OpenSegment | None:
        number = await self._new_id()
        if number is None:
            return None
        self._being_made += 1
        try:
            return await self._made(number, first_seq)
        finally:
            self._being_made -= 1

    async def _made(self, number: int, first_seq: int) -> OpenSegment:
        site, now_s = self._site, self._site.now_s()
        created_us, kind = int(site.clock.now_s() * 1e6), Kind.MAIN
        head = segments.header(site.uuid, number, created_us, first_seq, site.segment_size, kind)
        fd = await self._in_thread(site.files.create, site.path_of(number), site.segment_size, head)
        entry = SegmentEntry(State.OPEN, Sums(0, 0, 0), first_seq, now_s, log_position=number, kind=kind)
        segment = Segment(number, site.path_of(number), entry)
        self._table.add(segment)
        self._table.opened(segment, fd)
        self._wake.set()
        return OpenSegment(segment)

    async def _new_id(self) -> int | None:
        if self.next_id >= self.reserved_id:
            reserved = self.next_id + IDS_RESERVED
            item = (entries.NEXT_SEGMENT_KEY, entries.pack_counter(reserved))
            if not self._index.write([item]) or not await self._in_thread(self._index.sync):
                return None
            self.reserved_id = reserved
        self.next_id += 1
        return self.next_id - 1

    def full(self, opened: OpenSegment) -> None:
        """Nothing more is written to it."""
        self._full.append(opened)
        self._wake.set()

    def found(self, segment: Segment) -> None:
        """A sealed segment of before the start that may not outlive a loss of power yet."""
        self._unsynced.append(segment)
        self._wake.set()

    async def run(self) -> None:
        """Does what is to do, whenever there is something, until it is cancelled."""
        while True:
            try:
                async with asyncio.timeout(MEASURE_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
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
            self._wake.set()
            await self._table.changed.wait()

    async def once(self) -> None:
        """Measures if it is time, then does all there is to do now."""
        self._is_busy = True
        try:
            if self._site.clock.monotonic_s() - self._measured_at_s >= MEASURE_EVERY_S:
                await self.measure(self._room.share_bytes)
            while await self._step():
                self._is_stuck = False
                self._table.changed.set()
        finally:
            self._is_busy = False
            self._is_stuck = self.room().missing_bytes > 0
            self._rounds += 1
            self._table.changed.set()

    async def _step(self) -> bool:
        if self._full:
            await self._seal(self._full.popleft())
            return True
        if self._owed or self.room().missing_for(AHEAD_SEGMENTS) > 0:
            self._owed = 0
            victim = logs.victim(self._table.all())
            if victim is not None:
                return await self.evict(victim)
        if self._unsynced:
            await self._sync(self._unsynced.popleft())
            return True
        return False

    async def make_room(self) -> None:
        """Evicts until what is used fits into the share; a smaller one than before is reached here."""
        while self.room().missing_for(0) > 0 and (victim := logs.victim(self._table.all())) is not None:
            if not await self.evict(victim):
                return

    async def measure(self, share_bytes: int) -> None:
        """Reads what index and file system take now, and sees to updates that nobody waits for any more."""
        site, used_bytes = self._site, self.room().used_bytes
        self._measured_at_s = site.clock.monotonic_s()
        if not self._index.write_waiting():
            await self._in_thread(site.trust_nothing_at_next_start)
        index_bytes = await self._in_thread(self._index.size_bytes)
        try:
            free_bytes = await self._in_thread(site.files.free_bytes, site.directory)
            total_bytes = await self._in_thread(site.files.total_bytes, site.directory)
        except OSError as error:
            self._health.write_failed(error, site.clock.monotonic_s())
            return
        limit_bytes = capacity.limit_bytes(used_bytes, free_bytes, total_bytes, site.min_free_percent)
        self._room = replace(self._room, share_bytes=share_bytes, index_bytes=index_bytes, limit_bytes=limit_bytes)

    def removing(self, removed_bytes: int) -> None:
        """So much of an older shard's directory is still there."""
        self._room = replace(self._room, removed_bytes=removed_bytes)

    async def _seal(self, opened: OpenSegment) -> None:
        segment, sums = opened.segment, opened.sums
        segment.entry = replace(segment.entry, sums=sums)
        if not sums.records:
            await self._end(segment)
            return
        async with self.reading(segment) as fd:
            try:
                await self._in_thread(sealing.write_footer, self._site, fd, opened.rows, sums)
            except OSError as error:
                # Without a footer whoever evicts it reads its records one by one.
                self._health.write_failed(error, self._site.clock.monotonic_s())
        self._enter(segment, State.SEALED)
        self._unsynced.append(segment)

    async def _sync(self, segment: Segment) -> None:
        if segment.doomed:
            return
        async with self.reading(segment) as fd:
            try:
                await self._in_thread(self._site.files.sync, fd)
            except OSError as error:
                self._health.write_failed(error, self._site.clock.monotonic_s())
                return
        if await self._in_thread(self._index.sync):
            self._enter(segment, State.SYNCED)

    def _enter(self, segment: Segment, state: State) -> bool:
        segment.entry = replace(segment.entry, state=state)
        return self._index.write([(entries.segment_key(segment.id), entries.pack_segment(segment.entry))])

    async def evict(self, segment: Segment) -> bool:
        """Drops a segment with all that is found in it; False if the index does not take it now."""
        before = segment.entry.state
        if not self._enter(segment, State.EVICTING):
            segment.entry = replace(segment.entry, state=before)
            return False
        for rows in await self._slices(segment):
            if not self._drop(segment, rows):
                segment.entry = replace(segment.entry, state=before)
                return False
            await asyncio.sleep(0)
        await self._end(segment)
        return True

    async def _slices(self, segment: Segment) -> list[Sequence[Row]]:
        try:
            async with self.reading(segment) as fd:
                rows = await self._in_thread(sealing.rows_of, self._site, segment, fd)
        except OSError as error:
            # Its entries stay, and are misses: they name a segment that is not there.
            log.warning("a segment is dropped unread", extra={"path": segment.path, "error": str(error)})
            return []
        return [rows[start : start + EVICTION_SLICE] for start in range(0, len(rows), EVICTION_SLICE)]

    def _drop(self, segment: Segment, rows: Sequence[Row]) -> bool:
        values = self._index.values([row.key for row in rows])
        live = [
            row
            for row, value in zip(rows, values, strict=True)
            if value is not None and entries.lies_at(value, segment.id, row.offset)
        ]
        if live and not self._index.write([(row.key, None) for row in live]):
            return False
        size = sum(row.data_size for row in live)
        self._table.lose(segment, size)
        self.evicted_bytes += size
        return True

    async def _end(self, segment: Segment) -> None:
        self._index.write([(entries.segment_key(segment.id), None)])
        self._table.doom(segment)
        try:
            await self._in_thread(self._site.files.unlink, segment.path)
        except OSError as error:
            # It goes on to take space, and is an orphan that the next start removes.
            self._health.write_failed(error, self._site.clock.monotonic_s())
            return
        self._table.unlinked(segment)

    @asynccontextmanager
    async def reading(self, segment: Segment) -> AsyncIterator[int]:
        """A descriptor of the segment that stays open within. Raises `OSError`."""
        self._table.used(segment)
        try:
            if segment.fd < 0:
                self._table.opened(segment, await self._in_thread(self._site.files.open, segment.path))
            yield segment.fd
        finally:
            self._table.released(segment)

    async def _in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, functools.partial(call, *args, **kwargs))
