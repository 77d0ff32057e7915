"""Pins: blocks that stay until their time has come, within a bound."""

from gateway.store import entries, slices
from gateway.store.entries import Spot
from gateway.store.extras import EntryDamaged
from gateway.store.ground import Ground
from gateway.store.index import Item
from gateway.store.pending import pinned
from gateway.store.records import Flag, RecordDamaged

ENDED_MAX = 10_000
"""Pins whose end is noted at once; others are when somebody reads the block again."""

Location = tuple[int, int]
"""Segment, and where in it the record begins."""


def holds(spot: Spot, now_s: float) -> bool:
    """Whether it is pinned now."""
    return spot.is_pinned and not 0 < spot.expires_s <= now_s


class Pins:
    """Of one shard. Belongs to the event loop. Blocks go by their index keys."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._written_bytes = 0
        self._ended: dict[bytes, None] = {}

    def load(self) -> None:
        """What was pinned before the start."""
        value = self._ground.index.value(entries.PINNED_BYTES_KEY)
        try:
            self._ground.table.pinned_bytes = self._written_bytes = entries.unpack_counter(value)
        except EntryDamaged:
            self._ground.table.pinned_bytes = 0

    def admits(self, size: int) -> bool:
        """Whether so many bytes more may be pinned."""
        room, percent = self._ground.space.room(), self._ground.site.pin_max_percent
        return self._ground.table.pinned_bytes + size <= room.share_bytes * percent // 100

    def pin(self, key: bytes, location: Location, until_s: int) -> bool:
        """Pins the block that lies there until then (unix seconds, 0 for good); False if it does not, or may not be."""
        value, table = self._here(key, location), self._ground.table
        if value is None:
            return False
        now = entries.unpack_spot(value)
        segment = table.get(location[0])
        assert now is not None
        grows = 0 if now.is_pinned else now.data_size
        if segment is None or (grows and not self.admits(grows)):
            return False
        items: list[Item] = [(key, entries.moved(value, pinned(now, until_s)))]
        if grows:
            items.append(self._total(table.pinned_bytes + grows))
        if not self._ground.index.write(items):
            return False
        table.pin(segment, grows)
        return True

    def unpin(self, key: bytes, location: Location) -> bool:
        """Ends the pin of the block that lies there; False if it has none, or the index does not take it now."""
        value = self._here(key, location)
        now = entries.unpack_spot(value) if value is not None else None
        if value is None or now is None or not holds(now, self._ground.now_s):
            return False
        over = entries.moved(value, pinned(now, max(1, self._ground.now_s)))
        if not self._ground.index.write([(key, over)]):
            return False
        self.note_end(key)
        return True

    def note_end(self, key: bytes) -> None:
        """The pin of a block is over: upkeep gives it back the end that its record has."""
        if len(self._ended) < ENDED_MAX:
            self._ended[key] = None
            self._ground.space.wanted.set()

    async def clear_ended(self) -> bool:
        """Clears a pin that is over; False if there is none."""
        if not self._ended:
            return False
        key = next(iter(self._ended))
        del self._ended[key]
        await self._clear(key)
        return True

    async def _clear(self, key: bytes) -> None:
        ground = self._ground
        spot = self._ended_spot(key)
        segment = ground.table.get(spot.segment) if spot is not None else None
        if spot is None or segment is None:
            return
        try:
            async with ground.tending.reading(segment) as fd:
                record = await ground.tending.call(slices.read_header, ground.site.files, fd, spot)
        except (RecordDamaged, OSError):
            return  # whoever reads the block meets it, and tells
        value = self._here(key, (spot.segment, spot.record_offset))
        if value is None or self._ended_spot(key) != spot:
            return
        own = spot._replace(flags=spot.flags & ~Flag.PINNED, expires_s=record.expires_s)
        total = self._total(max(0, ground.table.pinned_bytes - spot.data_size))
        if ground.index.write([(key, entries.moved(value, own)), total]):
            ground.table.pin(segment, -spot.data_size)

    def _ended_spot(self, key: bytes) -> Spot | None:
        value = self._ground.index.value(key)
        try:
            spot = entries.unpack_spot(value) if value is not None else None
        except EntryDamaged:
            return None
        if spot is None or not spot.is_pinned or holds(spot, self._ground.now_s):
            return None
        return spot

    def _here(self, key: bytes, location: Location) -> bytes | None:
        value = self._ground.index.value(key)
        return value if value is not None and entries.lies_at(value, *location) else None

    def _total(self, pinned_bytes: int) -> Item:
        self._written_bytes = pinned_bytes
        return entries.PINNED_BYTES_KEY, entries.pack_counter(pinned_bytes)

    def write_down(self) -> None:
        """Tells the index how many bytes are pinned, if that has changed."""
        pinned_bytes = self._ground.table.pinned_bytes
        if pinned_bytes != self._written_bytes:
            self._ground.index.write([self._total(pinned_bytes)])
