"""Slices: stretches of blocks that can be sent at once, as they are verified and in the page cache."""

import os

from gateway.store import slices
from gateway.store.table import VERIFIED, Segment, Segments
from gateway.store.values import Place

COPY_MAX = 16 * 1024
"""So much is read by the probe itself: a second call to send it from the file would cost more."""
PROBE_EVERY = 256 * 1024
"""Of a longer stretch the first byte, the last and one in so many are looked at."""
_NO_WAITING: int | None = getattr(os, "RWF_NOWAIT", None)


class Slice:
    """`size` bytes to be sent: those of `data`, or if that is None those from `offset` on of the file `fd`.

    The file stays what it is until `release`, also if the block is evicted meanwhile; to be called once. The
    hit is counted by who sends it, with `count`.
    """

    __slots__ = ("_place", "_segment", "_table", "data", "offset", "size")

    def __init__(self, table: Segments, segment: Segment, place: Place, offset: int, size: int) -> None:
        self._table = table
        self._segment = segment
        self._place = place
        self.data: bytearray | None = None
        self.offset = offset
        self.size = size

    @property
    def fd(self) -> int:
        return self._segment.fd

    @property
    def is_evicted(self) -> bool:
        """Whether the space of its segment would be free but for its readers."""
        return self.data is None and self._segment.doomed

    def count(self) -> None:
        """Somebody reads the block."""
        slices.count_hit(self._segment, self._place, self._table.gate)

    def doubt(self) -> None:
        """It could not be read: nobody sends it before the block was verified anew."""
        self._segment.marks[self._place.ordinal] &= ~VERIFIED

    def release(self) -> None:
        """It has been sent, or will not be."""
        if self.data is None:
            self._table.released(self._segment)


def slice_now(table: Segments, segment: Segment, place: Place, start: int, stop: int, copy_max: int) -> Slice | None:
    """The bytes [start, stop) of a block; None if they are not verified or not in the page cache: never waits.

    Up to `copy_max` bytes are read into memory.
    """
    fd = segment.fd
    if fd < 0 or _NO_WAITING is None or not segment.marks[place.ordinal] & VERIFIED:
        return None
    offset, size = place.data_offset + start, stop - start
    found = Slice(table, segment, place, offset, size)
    try:
        if size <= copy_max:
            found.data = bytearray(size)
            return found if os.preadv(fd, (found.data,), offset, _NO_WAITING) == size else None
        if not _is_resident(fd, offset, size, _NO_WAITING):
            return None
    except OSError:
        return None  # not in the page cache, or an error that the ordinary way will meet and tell
    table.used(segment)
    return found


def _is_resident(fd: int, offset: int, size: int, flags: int) -> bool:
    """Raises `BlockingIOError` as well if it is not."""
    byte = [bytearray(1)]
    for at in range(0, size, PROBE_EVERY):
        if os.preadv(fd, byte, offset + at, flags) != 1:
            return False
    return os.preadv(fd, byte, offset + size - 1, flags) == 1
