"""Eviction of a segment, with all that is found in it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from gateway.store import entries, sealing
from gateway.store.entries import State
from gateway.store.health import Health
from gateway.store.index import Index
from gateway.store.segments import Row
from gateway.store.site import Site
from gateway.store.table import Segment, Segments
from gateway.store.tending import Tending

SLICE = 64
"""Records that are dropped in one stretch of the event loop."""

log = logging.getLogger(__name__)


class Eviction:
    """Belongs to the event loop, and works on one segment at a time."""

    def __init__(self, site: Site, index: Index, table: Segments, health: Health, tending: Tending) -> None:
        self._site = site
        self._index = index
        self._table = table
        self._health = health
        self._tending = tending
        self.evicted_bytes = 0

    async def evict(self, segment: Segment) -> bool:
        """Drops a segment with all that is found in it; False if the index does not take it now."""
        before = segment.entry
        if not segment.enter(replace(before, state=State.EVICTING), self._index):
            segment.entry = before
            return False
        for rows in await self._slices(segment):
            if not self._drop(segment, rows):
                segment.entry = before
                return False
            await asyncio.sleep(0)
        await self.end(segment)
        return True

    async def _slices(self, segment: Segment) -> list[Sequence[Row]]:
        try:
            async with self._tending.reading(segment) as fd:
                rows = await self._tending.call(sealing.rows_of, self._site, segment, fd)
        except OSError as error:
            # Its entries stay, and are misses: they name a segment that is not there.
            log.warning("a segment is dropped unread", extra={"path": segment.path, "error": str(error)})
            return []
        return [rows[start : start + SLICE] for start in range(0, len(rows), SLICE)]

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

    async def end(self, segment: Segment) -> None:
        """Takes a segment in which nothing is found any more from index, table and disk."""
        self._index.write([(entries.segment_key(segment.id), None)])
        self._table.doom(segment)
        try:
            await self._tending.call(self._site.files.unlink, segment.path)
        except OSError as error:
            # It goes on to take space, and is an orphan that the next start removes.
            self._health.write_failed(error, self._site.clock.monotonic_s())
            return
        self._table.unlinked(segment)
