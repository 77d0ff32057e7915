"""Reads all that lies on a disk once a week, and drops what is not what it should be; then sweeps the index."""

import asyncio
import itertools
import logging
import random
from collections.abc import Callable

from gateway.kv import KvFailed
from gateway.store import entries, sweep, verifying
from gateway.store.entries import State
from gateway.store.ground import Ground
from gateway.store.segments import Row, SegmentDamaged
from gateway.store.sweep import Placeless
from gateway.store.table import Segment
from gateway.store.threads import Threads

EVERY_S = 7 * 24 * 3600
LOOK_EVERY_S = 60.0
"""How often it is asked whether the time has come."""
BAD_RECORDS_MAX = 3
"""A segment with more of them is dropped."""
SWEEP_SLICE = 256
SWEEP_PAUSE_S = 0.001
"""Between two slices of the index, so that hits go first."""

log = logging.getLogger(__name__)

Entry = tuple[bytes, bytes]


class Scrub:
    """Belongs to the event loop; what blocks runs in a thread that gives way to all others.

    `damaged` is told of each record that is not what it should be, `condemned` of a segment that is to be dropped.
    """

    def __init__(
        self,
        ground: Ground,
        thread: Threads,
        damaged: Callable[[bytes, int, int], None],
        condemned: Callable[[Segment], None],
    ) -> None:
        self._ground = ground
        self._thread = thread
        self._damaged = damaged
        self._condemned = condemned
        self._done_bytes = 0
        self._all_bytes = 0
        self.bad_records = 0

    @property
    def progress(self) -> float:
        """How much of the disk has been read, from 0 to 1; 0 while it rests."""
        return self._done_bytes / self._all_bytes if self._all_bytes else 0.0

    @property
    def scrubbed_s(self) -> int:
        """When it was last done, unix time; 0 for never."""
        return self._ground.index.counter(entries.SCRUBBED_KEY)

    async def run(self) -> None:
        """Verifies what a loss of power may have spoilt, then all of it whenever a week has passed."""
        while True:
            try:
                await self.verify_suspects()
                if self._is_due():
                    await self.once()
            except (OSError, KvFailed) as error:
                # Whoever keeps and reads meets the same and draws the conclusions; here it is tried again later.
                log.info("scrubbing a disk was broken off", extra={"error": str(error)})
            await asyncio.sleep(LOOK_EVERY_S)

    def _is_due(self) -> bool:
        if not self.scrubbed_s:
            # A new store, or one of before: nothing on it is a week old as far as is known.
            self._written_down()
            return False
        return self._ground.now_s - self.scrubbed_s >= EVERY_S

    def _written_down(self) -> None:
        self._ground.index.write([(entries.SCRUBBED_KEY, entries.pack_counter(self._ground.now_s))])

    async def verify_suspects(self) -> None:
        """Reads segments that may not have reached the medium before power was lost, from the medium."""
        for segment in self._ground.table.all():
            if segment.entry.suspect and not segment.doomed:
                await self._segment(segment, from_medium=True)
                if not segment.doomed:
                    segment.believe(self._ground.index)

    async def once(self) -> None:
        """Reads everything, at the configured rate, and sweeps."""
        segments = [one for one in self._ground.table.all() if one.entry.state in (State.SEALED, State.SYNCED)]
        self._done_bytes, self._all_bytes = 0, max(1, sum(one.entry.sums.data_bytes for one in segments))
        try:
            for segment in segments:
                if not segment.doomed:
                    await self._segment(segment, from_medium=False)
            await self.sweep()
        finally:
            self._done_bytes = self._all_bytes = 0
        self._written_down()

    async def _segment(self, segment: Segment, *, from_medium: bool) -> None:
        site, table = self._ground.site, self._ground.table
        is_synced = segment.entry.state is State.SYNCED
        table.used(segment)
        try:
            if segment.fd < 0:
                table.opened(segment, await self._thread.run(site.files.open, segment.path))
            fd = segment.fd
            if from_medium:
                await self._thread.run(site.files.drop_cached, fd, 0, site.segment_size)
            rows = await self._thread.run(verifying.rows_of, site, segment, fd, is_synced=is_synced)
            bad = 0
            for row in rows:
                if segment.doomed:
                    return
                bad += not await self._is_whole(segment, fd, row)
            if bad > BAD_RECORDS_MAX:
                self._drop(segment, f"{bad} records are damaged")
        except SegmentDamaged as error:
            self._drop(segment, str(error))
        finally:
            table.released(segment)

    async def _is_whole(self, segment: Segment, fd: int, row: Row) -> bool:
        site = self._ground.site
        is_whole = await self._thread.run(verifying.is_whole, site.files, segment.id, fd, row)
        self._done_bytes += row.data_size
        if not is_whole:
            self.bad_records += 1
            self._damaged(row.key, segment.id, row.offset)
        await asyncio.sleep(row.data_size / site.scrub_bytes_per_s)
        return is_whole

    def _drop(self, segment: Segment, reason: str) -> None:
        log.warning("a segment is damaged and dropped", extra={"path": segment.path, "error": reason})
        self._condemned(segment)

    async def sweep(self) -> None:
        """Throws away what nothing is found by: entries without a record, drafts that expired, too many infos."""
        placeless = Placeless(random.SystemRandom())
        for prefix in (entries.BLOCK_PREFIX, entries.INFO_PREFIX):
            await self._each_slice(prefix, lambda rows: self._clean(rows, placeless))
        until_s = placeless.drop_until_s()
        if until_s is not None:
            await self._each_slice(entries.INFO_PREFIX, lambda rows: self._thin_out(rows, until_s))

    async def _each_slice(self, prefix: bytes, look: Callable[[list[Entry]], None]) -> None:
        scan = self._ground.index.scan(prefix)
        while rows := await self._thread.run(lambda: list(itertools.islice(scan, SWEEP_SLICE))):
            look(rows)
            await asyncio.sleep(SWEEP_PAUSE_S)

    def _clean(self, rows: list[Entry], placeless: Placeless) -> None:
        changes = []
        for key, value in rows:
            change = sweep.fate(key, value, self._holds, self._ground.now_s)
            if change is not None:
                changes.append((key, value, change[1]))
            if (left := value if change is None else change[1]) is not None:
                placeless.see(key, left)
        self._replace(changes)

    def _thin_out(self, rows: list[Entry], until_s: int) -> None:
        self._replace(
            [
                (key, value, None)
                for key, value in rows
                if sweep.is_placeless(key, value) and entries.validated_s_of(value) <= until_s
            ]
        )

    def _replace(self, changes: list[tuple[bytes, bytes, bytes | None]]) -> None:
        """Changes entries that are still what they were when they were scanned."""
        now = self._ground.index.values([key for key, _, _ in changes])
        same = [(key, fresh) for (key, value, fresh), found in zip(changes, now, strict=True) if found == value]
        if same:
            self._ground.index.write(same)

    def _holds(self, number: int, ordinal: int) -> bool:
        segment = self._ground.table.get(number)
        return segment is not None and ordinal < len(segment.marks)
