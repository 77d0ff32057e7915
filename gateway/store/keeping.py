"""What changes the index of a shard: blocks that are kept, infos that are installed, confirmed and forgotten."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from gateway.model import Info, Known
from gateway.store import entries, names, records, segments
from gateway.store.entries import InfoEntry, InfoUnfit, Spot
from gateway.store.extras import EntryDamaged
from gateway.store.ground import Ground
from gateway.store.index import Item
from gateway.store.pending import Keeper, OpenSegment, Pending, Wish, Written, pinned
from gateway.store.pins import Pins, holds
from gateway.store.segments import Kind
from gateway.store.table import Segment
from gateway.store.values import Admission, Outcome
from gateway.store.writer import Writer

REFRESH_SLICE = 32
"""Infos confirmed by one write."""


class Keeping:
    """Belongs to the event loop. Nothing here raises because of a disk."""

    def __init__(self, ground: Ground, pins: Pins) -> None:
        self._site = ground.site
        self._index = ground.index
        self._table = ground.table
        self._health = ground.health
        self._policy = ground.policy
        self._pins = pins
        self._pending: dict[bytes, list[Pending]] = {}
        self.pending_bytes_max = ground.site.geometry.pending_bytes_max
        self._pinning_bytes = 0
        """Of blocks that are kept pinned, on their way."""
        self.kept_bytes = 0
        self.moved_bytes = 0
        """Written again, as evictions found it worth keeping."""
        self.refused = 0

    async def keep(self, writer: Writer, wish: Wish) -> Outcome:
        """As `BlockStore.keep`."""
        content, number, known = wish.content, wish.number, wish.known
        key = entries.info_key(content.oh) if content.whole else entries.block_key(content.vh, number)
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        pending = Pending(content, number, wish.data, known, wish.terms, key, outcome)
        if known is not None:
            if known.validated_s:
                self._supersede(content.oh, content.vh)
            self._pending.setdefault(content.oh, []).append(pending)
        try:
            result = self._refusal(writer, wish)
            if result is None:
                result = self._submitted(writer, pending)
            if result is None:
                result = await self._written(pending)
            if result.is_refusal:
                self.refused += 1
                if pending.known is not None and pending.known.validated_s and not pending.superseded:
                    await self._install(content.oh, content.vh, pending.known)
        finally:
            outcome.cancel()
            if known is not None:
                self._ended(pending)
        return result

    async def _written(self, pending: Pending) -> Outcome:
        size = len(pending.data) if pending.is_pinned else 0
        self._pinning_bytes += size
        try:
            return await pending.outcome
        finally:
            self._pinning_bytes -= size

    def _refusal(self, writer: Writer, wish: Wish) -> Outcome | None:
        """Why no block like this would be tried."""
        size = len(wish.data)
        fits = size + records.HEADER_SIZE_MAX + records.PAGE_SIZE + segments.HEADER_SIZE <= self._site.segment_size
        if wish.too_large or not fits:
            return Outcome.TOO_LARGE
        if not self._health.admits(self._site.clock.monotonic_s()):
            return Outcome.UNWRITTEN
        return Outcome.NO_ROOM if writer.pending_bytes + size > self.pending_bytes_max else None

    def _submitted(self, writer: Writer, pending: Pending) -> Outcome | None:
        """Lets it be written, if it is let in."""
        h, size, terms = names.key_hash(pending.key), len(pending.data), pending.terms
        is_draft = pending.content.is_draft
        if terms.admission is Admission.AUTO and not is_draft:
            self._policy.gate.read(h, size, hit=False)
        if pending.is_pinned and not self._pins.admits(self._pinning_bytes + size):
            pending.terms = terms = replace(terms, pinned_until_s=None)
        if pending.is_pinned:
            writer.submit(Kind.PINNED, pending)
            return None
        kind = self._policy.log_for(h, terms.admission, is_transient=is_draft)
        if kind is None:
            return Outcome.NOT_ADMITTED
        writer.submit(kind, pending)
        return None

    def _ended(self, pending: Pending) -> None:
        others = self._pending[pending.content.oh]
        others.remove(pending)
        if not others:
            del self._pending[pending.content.oh]

    def _supersede(self, oh: bytes, vh: bytes | None) -> None:
        """What is on its way for the object must not become visible any more, unless it is of this version."""
        for pending in self._pending.get(oh, ()):
            if pending.content.vh != vh:
                pending.superseded = True

    def found(self, opened: OpenSegment, batch: Sequence[Written]) -> None:
        """A batch lies on the disk: in one stretch and one write its blocks become visible."""
        segment, fresh = opened.segment, dict[bytes, bytes]()
        values = self._index.values([written.block.key for written in batch])
        visible: list[tuple[Written, bytes | None, bytes]] = []
        for written, there in zip(batch, values, strict=True):
            block = written.block
            before = fresh.get(block.key, there)
            if block.is_unwanted or self._is_overtaken(block, before):
                if not block.outcome.done():
                    block.outcome.set_result(Outcome.DROPPED)
                continue
            if isinstance(block, Pending) and self._index.is_hidden(block.content.oh):
                # An update waits that is older, or the block would be unwanted: refused, its info takes the place.
                continue
            try:
                fresh[block.key] = value = self._value(written, segment.id, before)
            except InfoUnfit:
                continue
            visible.append((written, before, value))
        if not visible or not self._index.write(self._items(opened, fresh)):
            return
        opened.announced = True
        for written, before, value in visible:
            if before is not None:
                self._lose(before)
            self._gain(segment, written, value)
            written.block.outcome.set_result(Outcome.KEPT)
        self._pins.write_down()

    def _is_overtaken(self, block: Pending | Keeper, before: bytes | None) -> bool:
        if isinstance(block, Keeper):
            source = block.source
            return before is None or not entries.lies_at(before, source.segment, source.record_offset)
        return self._gives_way(block, before)

    def _gain(self, segment: Segment, written: Written, value: bytes) -> None:
        block, size, spot = written.block, written.layout.data_size, entries.unpack_spot(value)
        self._table.gain(segment, size, pinned=spot is not None and spot.is_pinned)
        if isinstance(block, Keeper):
            self.moved_bytes += size
            return
        self.kept_bytes += size
        if not block.content.is_draft:
            self._policy.gate.inserted(names.key_hash(block.key), size)

    def _gives_way(self, pending: Pending, before: bytes | None) -> bool:
        """Whether the object is known to be of another version than a block whose own info is no news."""
        known = pending.known
        if known is None or known.validated_s or before is None or _is_of(before, pending.content.vh):
            return False
        entry = self._index.entry(before)
        return entry is not None and entry.validated_s > 0

    def _items(self, opened: OpenSegment, fresh: dict[bytes, bytes]) -> list[Item]:
        items: list[Item] = [*fresh.items()]
        if not opened.announced:
            segment = opened.segment
            items.append((entries.segment_key(segment.id), entries.pack_segment(segment.entry)))
        return items

    def _value(self, written: Written, segment: int, before: bytes | None) -> bytes:
        block, spot = written.block, self._spot(written, segment, before)
        if isinstance(block, Keeper):
            assert before is not None
            return entries.moved(before, spot)
        known, vh = block.known, block.content.vh
        if known is None:
            return entries.pack_spot(spot)
        older = self._index.entry(before) if before is not None and _is_of(before, vh) else None
        if older is not None and older.validated_s > known.validated_s:
            return self._index.pack(replace(older, spot=spot))
        return self._index.pack(self._entry(known, vh, spot))

    def _spot(self, written: Written, segment: int, before: bytes | None) -> Spot:
        block, spot = written.block, written.spot(segment)
        if isinstance(block, Pending):
            if block.terms.pinned_until_s is not None:
                return pinned(spot, block.terms.pinned_until_s)
            if block.known is not None and before is not None and not _is_of(before, block.content.vh):
                return spot
        was = _spot(before)
        return pinned(spot, was.expires_s) if was is not None and holds(was, self._site.now_s()) else spot

    def _entry(self, known: Known, vh: bytes, spot: Spot | None) -> InfoEntry:
        return InfoEntry(known.info, vh, spot, self._index.trust_epoch, known.validated_s, known.complete)

    async def install(self, oh: bytes, vh: bytes, known: Known) -> None:
        """As `BlockStore.install`."""
        self._supersede(oh, vh)
        for pending in self._pending.get(oh, ()):
            if not pending.superseded:
                # The version is the same, but what else was known of it when its block came may not be.
                pending.known = known
        await self._install(oh, vh, known)

    async def _install(self, oh: bytes, vh: bytes, known: Known) -> None:
        before = self._index.latest_value(oh)
        stays = before is not None and _is_of(before, vh)
        try:
            value = self._index.pack(self._entry(known, vh, _spot(before) if stays else None))
        except InfoUnfit:
            value = None
        if before is not None and not stays:
            self._lose(before)
        await self._update(oh, value)

    async def forget(self, oh: bytes) -> None:
        """As `BlockStore.forget`."""
        self._supersede(oh, None)
        before = self._index.latest_value(oh)
        if before is not None:
            self._lose(before)
            self._policy.gate.removed(names.whole_hash(oh))
        await self._update(oh, None)

    async def _update(self, oh: bytes, value: bytes | None) -> None:
        if not await self._index.update(oh, value):
            # The older info is hidden as long as this process lives or the update waits; no start may trust it.
            await asyncio.to_thread(self._site.trust_nothing_at_next_start)

    def refresh(self, rows: Sequence[tuple[bytes, bytes, Info]], validated_s: int) -> None:
        """As `BlockStore.refresh`; a row is object hash, version hash and info."""
        for start in range(0, len(rows), REFRESH_SLICE):
            part = rows[start : start + REFRESH_SLICE]
            values = self._index.values([entries.info_key(oh) for oh, _, _ in part])
            items = [
                (entries.info_key(row[0]), fresh)
                for row, value in zip(part, values, strict=True)
                if value is not None and (fresh := self._refreshed(row, value, validated_s)) is not None
            ]
            if items:
                self._index.write(items)

    def _refreshed(self, row: tuple[bytes, bytes, Info], value: bytes, validated_s: int) -> bytes | None:
        oh, vh, info = row
        if self._index.is_hidden(oh) or not _is_of(value, vh):
            return None
        entry = self._index.entry(value)
        if entry is None or entry.info.modified_s != info.modified_s or entry.validated_s >= validated_s:
            return None
        return self._index.pack(replace(entry, validated_s=validated_s))

    def damaged(self, key: bytes, segment: int, record_offset: int) -> None:
        """Drops the entry of a record that is not what it should be, if it still points there."""
        value = self._index.value(key)
        if value is not None and entries.lies_at(value, segment, record_offset) and self._index.write([(key, None)]):
            self._lose(value)
            self._policy.gate.removed(names.key_hash(key))

    def _lose(self, value: bytes) -> None:
        spot = _spot(value)
        segment = self._table.get(spot.segment) if spot is not None else None
        if spot is not None and segment is not None:
            self._table.lose(segment, spot.data_size, pinned=spot.is_pinned)
            self._pins.write_down()


def _is_of(value: bytes, vh: bytes) -> bool:
    try:
        return entries.vh_of(value) == vh
    except EntryDamaged:
        return False


def _spot(value: bytes | None) -> Spot | None:
    try:
        return entries.unpack_spot(value) if value is not None else None
    except EntryDamaged:
        return None
