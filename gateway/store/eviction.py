"""Eviction of a segment: what is pinned or was read again is written anew, the rest is found no more."""

import asyncio
import errno
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.store import entries, logs, names, pins, records, sealing, slices
from gateway.store.disk import Files
from gateway.store.entries import Spot, State
from gateway.store.extras import EntryDamaged
from gateway.store.ground import Ground
from gateway.store.logs import Fate, Live
from gateway.store.making import Making
from gateway.store.pending import Keeper
from gateway.store.pins import Pins
from gateway.store.records import Record, RecordDamaged
from gateway.store.segments import Kind, Row
from gateway.store.table import HITS, UNGATED, VERIFIED, Segment
from gateway.store.values import Outcome
from gateway.store.writer import Writer

SLICE = 64
"""Records that are looked up, moved or dropped in one stretch of the event loop."""

_UNREADABLE = frozenset({errno.EIO, errno.ENOENT})
"""Failures that will not pass: the segment itself is at fault."""

log = logging.getLogger(__name__)

Reread = tuple[Record, memoryview] | None


class Resident(NamedTuple):
    """A record of a victim that is found, under `key`."""

    key: bytes
    spot: Spot
    live: Live


class Unmoved(Exception):
    """What must stay could not be written again, or the index does not work; the victim stays as it is."""


class Eviction:
    """Belongs to the event loop, and works on one segment at a time."""

    def __init__(self, ground: Ground, making: Making, writer: Writer, pins: Pins) -> None:
        self._ground = ground
        self._making = making
        self._writer = writer
        self._pins = pins
        self._rotations = 0
        self.evicted_bytes = 0
        self.damaged = 0
        """Records that were to be kept and are not what they should be."""

    async def treat(self, victim: Segment) -> bool:
        """Evicts a victim, or spares it for what is in it; False if neither can be done now."""
        ground, size = self._ground, self._ground.site.segment_size
        rows = await self._rows(victim)
        worthy = await self._worthy(victim, rows) if rows is not None else None
        if rows is None or worthy is None:
            return False
        lives = [resident.live for resident in worthy]
        match logs.fate(lives, ground.policy.gate.mode, self._rotations, size, ground.now_s):
            case Fate.PIN:
                return self._spare(victim, Kind.PINNED)
            case Fate.ROTATE:
                self._rotations += 1
                logs.cool(victim.marks)
                return self._spare(victim, Kind.MAIN)
            case Fate.EVICT:
                self._rotations = 0
                return await self._evict(victim, rows, worthy)

    async def evict(self, victim: Segment) -> bool:
        """Evicts a victim, keeping what is worth it; False if that cannot be done now."""
        rows = await self._rows(victim)
        worthy = await self._worthy(victim, rows) if rows is not None else None
        return rows is not None and worthy is not None and await self._evict(victim, rows, worthy)

    async def drop(self, victim: Segment, *, spares_pinned: bool) -> bool:
        """Evicts a victim with all that is in it; False if the index does not take it, or for what is pinned."""
        rows = await self._rows(victim)
        worthy = await self._worthy(victim, rows) if rows is not None else None
        if rows is None or worthy is None or (spares_pinned and any(resident.live.is_pinned for resident in worthy)):
            return False
        return await self._evict(victim, rows, None)

    async def recount(self, segment: Segment) -> None:
        """Finds out how much of a pinned segment is still pinned."""
        rows = await self._rows(segment)
        for resident in (await self._worthy(segment, rows) if rows else None) or ():
            if resident.spot.is_pinned and not resident.live.is_pinned:
                self._pins.note_end(resident.key)

    def _spare(self, victim: Segment, kind: Kind) -> bool:
        position = self._making.next_position()
        return victim.enter(replace(victim.entry, kind=kind, log_position=position), self._ground.index)

    async def _worthy(self, victim: Segment, rows: Sequence[Row]) -> list[Resident] | None:
        """What is found in it and was read, or may be pinned, in the order it lies there; None if that is not known."""
        ground, now_s, marks = self._ground, self._ground.now_s, victim.marks
        may_be_pinned, failures = ground.table.pinned_bytes > 0, ground.index.failures
        wanted = [row for mark, row in zip(marks, rows, strict=False) if may_be_pinned or mark & HITS]
        found: list[Resident] = []
        for start in range(0, len(wanted), SLICE):
            part = wanted[start : start + SLICE]
            values = ground.index.values([row.key for row in part])
            for row, value in zip(part, values, strict=True):
                spot = _spot_at(value, victim, row)
                if spot is not None:
                    found.append(Resident(row.key, spot, _live(spot, marks[spot.ordinal], now_s)))
            await asyncio.sleep(0)
        if ground.index.failures != failures:
            return None
        if may_be_pinned:
            live_bytes = sum(resident.spot.data_size for resident in found)
            pinned_bytes = sum(resident.spot.data_size for resident in found if resident.live.is_pinned)
            ground.table.correct(victim, live_bytes, pinned_bytes)
        return found

    async def _rows(self, victim: Segment) -> Sequence[Row] | None:
        tending = self._ground.tending
        try:
            async with tending.reading(victim) as fd:
                return await tending.call(sealing.rows_of, self._ground.site, victim, fd)
        except OSError as error:
            if error.errno not in _UNREADABLE:
                return None
            # Its entries stay, and are misses: they name a segment that is not there.
            log.warning("a segment is dropped unread", extra={"path": victim.path, "error": str(error)})
            return []

    async def _evict(self, victim: Segment, rows: Sequence[Row], worthy: Sequence[Resident] | None) -> bool:
        """Keeps some of what is `worthy`, or with None nothing at all."""
        ground, before = self._ground, victim.entry
        if not victim.enter(replace(before, state=State.EVICTING), ground.index):
            victim.entry = before
            return False
        try:
            moved = await self._move(victim, worthy) if worthy is not None else frozenset[bytes]()
            rest = [row for row in rows if row.key not in moved] if moved else rows
            for start in range(0, len(rest), SLICE):
                self._let_go(victim, rest[start : start + SLICE], spares_pinned=worthy is not None)
                await asyncio.sleep(0)
        except Unmoved:
            victim.enter(before, ground.index)
            return False
        await self.end(victim)
        return True

    async def _move(self, victim: Segment, worthy: Sequence[Resident]) -> frozenset[bytes]:
        """Has written again what is to be kept, and returns its keys. Raises `Unmoved`."""
        ground = self._ground
        lives = [resident.live for resident in worthy]
        ordinals = {live.ordinal for live in logs.kept(lives, ground.site.segment_size, ground.now_s)}
        moved: set[bytes] = set()
        for batch in self._batches([resident for resident in worthy if resident.live.ordinal in ordinals]):
            keepers = await self._keepers(victim, batch)
            for kind in (Kind.PINNED, Kind.MAIN):
                self._writer.move(kind, [keeper for of, keeper in keepers if of is kind])
            for kind, keeper in keepers:
                outcome = await keeper.outcome
                if outcome is Outcome.UNWRITTEN or (kind is Kind.PINNED and outcome is Outcome.NO_ROOM):
                    raise Unmoved
                if outcome:
                    moved.add(keeper.key)
        return frozenset(moved)

    def _batches(self, chosen: Sequence[Resident]) -> Iterator[Sequence[Resident]]:
        batch: list[Resident] = []
        size = 0
        for resident in chosen:
            batch.append(resident)
            size += resident.spot.data_size
            if len(batch) == SLICE or size >= self._ground.site.geometry.batch_bytes_max:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _keepers(self, victim: Segment, batch: Sequence[Resident]) -> list[tuple[Kind, Keeper]]:
        ground, loop = self._ground, asyncio.get_running_loop()
        spots = [resident.spot for resident in batch]
        try:
            async with ground.tending.reading(victim) as fd:
                found = await ground.tending.call(_reread, ground.site.files, fd, spots)
        except OSError as error:
            raise Unmoved from error
        keepers: list[tuple[Kind, Keeper]] = []
        for resident, reread in zip(batch, found, strict=True):
            if reread is None:
                self.damaged += 1
                continue
            record, data = reread
            mark = victim.marks[resident.spot.ordinal]
            hits = logs.hits_after(victim.entry.kind, mark & HITS)
            fresh_mark = VERIFIED | hits | mark & UNGATED
            keeper = Keeper(record, data, resident.key, resident.spot, fresh_mark, loop.create_future())
            keepers.append((Kind.PINNED if resident.live.is_pinned else Kind.MAIN, keeper))
        return keepers

    def _let_go(self, victim: Segment, rows: Sequence[Row], *, spares_pinned: bool) -> None:
        """Drops the entries of records that still lie here. Raises `Unmoved`."""
        ground, now_s, failures = self._ground, self._ground.now_s, self._ground.index.failures
        values = ground.index.values([row.key for row in rows])
        if ground.index.failures != failures:
            raise Unmoved
        here: list[tuple[bytes, Spot]] = []
        for row, value in zip(rows, values, strict=True):
            spot = _spot_at(value, victim, row)
            if spot is None:
                continue
            if spares_pinned and pins.holds(spot, now_s):
                raise Unmoved  # it was pinned meanwhile
            here.append((row.key, spot))
        if here and not ground.index.write([(key, None) for key, _ in here]):
            raise Unmoved
        for pinned in (False, True):
            size = sum(spot.data_size for _, spot in here if spot.is_pinned is pinned)
            ground.table.lose(victim, size, pinned=pinned)
            self.evicted_bytes += size
        from_small = victim.entry.kind is Kind.SMALL
        for key, spot in here:
            ground.policy.gone(names.key_hash(key), from_small=from_small and not spot.is_transient)

    async def end(self, segment: Segment) -> None:
        """Takes a segment in which nothing is found any more from index, table and disk."""
        ground = self._ground
        ground.index.write([(entries.segment_key(segment.id), None)])
        ground.table.doom(segment)
        try:
            await ground.tending.call(ground.site.files.unlink, segment.path)
        except OSError as error:
            # It goes on to take space, and is an orphan that the next start removes.
            ground.health.write_failed(error, ground.monotonic_s)
            return
        ground.table.unlinked(segment)


def _spot_at(value: bytes | None, segment: Segment, row: Row) -> Spot | None:
    if value is None or not entries.lies_at(value, segment.id, row.offset):
        return None
    try:
        spot = entries.unpack_spot(value)
    except EntryDamaged:
        return None
    return spot if spot is not None and spot.ordinal < len(segment.marks) else None


def _live(spot: Spot, mark: int, now_s: int) -> Live:
    is_pinned = pins.holds(spot, now_s)
    # When a pin has ended, the record itself knows when it expires.
    expires_s = 0 if spot.is_pinned else spot.expires_s
    hits = 0 if spot.is_transient else mark & HITS
    size = records.size_of(spot.data_offset - spot.record_offset, spot.data_size)
    return Live(spot.ordinal, size, hits, expires_s, is_pinned=is_pinned)


def _reread(files: Files, fd: int, spots: Sequence[Spot]) -> list[Reread]:
    """The records that lie there, checked; None for one that is damaged. Blocks, raises `OSError`."""
    found: list[Reread] = []
    for spot in spots:
        try:
            found.append(slices.read_record(files, fd, spot))
        except RecordDamaged:
            found.append(None)
    return found
