"""The segments of a shard in memory: their marks, their descriptors, who reads them, and their end."""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

from gateway.store import entries
from gateway.store.disk import Files
from gateway.store.entries import SegmentEntry, State
from gateway.store.gate import Gate
from gateway.store.index import Index
from gateway.store.segments import Kind
from gateway.store.values import Pool

VERIFIED = 0x80
"""The bit of a mark that says: checked or written by this process since it started."""
HITS = 0x03
"""The bits of a mark that count hits, up to 3."""
UNGATED = 0x04
"""The bit of a mark that says: its reads say nothing to the gate."""


class Segment:
    """One segment file. `marks` has a byte per record, `readers` are threads that read it right now.

    Of its `live_bytes`, `pinned_bytes` are pinned. Both may be a little off after a kill, until it is evicted.
    """

    __slots__ = ("doomed", "entry", "fd", "id", "live_bytes", "marks", "path", "pinned_bytes", "readers", "unlinked")

    def __init__(self, number: int, path: Path, entry: SegmentEntry) -> None:
        self.id = number
        self.path = path
        self.entry = entry
        self.fd = -1
        self.readers = 0
        self.doomed = False
        self.unlinked = False
        self.live_bytes = entry.sums.data_bytes
        self.pinned_bytes = 0
        self.marks = bytearray(entry.sums.records)

    def enter(self, entry: SegmentEntry, index: Index) -> bool:
        """Gives it another entry, and tells the index; False if that does not take it now."""
        self.entry = entry
        return index.write([(entries.segment_key(self.id), entries.pack_segment(entry))])

    def believe(self, index: Index) -> None:
        """It has been verified after a loss of power."""
        self.enter(replace(self.entry, suspect=False), index)


class Segments:
    """All segments of a shard.

    Belongs to the event loop; threads are given descriptors of segments in which they are counted as readers.
    `gate` is told of hits.
    """

    def __init__(self, files: Files, open_max: int, gate: Gate) -> None:
        self.gate = gate
        self._files = files
        self._open_max = open_max
        self._by_id: dict[int, Segment] = {}
        self._open: OrderedDict[int, Segment] = OrderedDict()
        self.doomed = 0
        """Segments that are unlinked, or about to be, and still take space."""
        self.live_bytes = 0
        self.pinned_bytes = 0
        """Of `live_bytes`; what the index says of all of them, whatever its segments say of theirs."""
        self.changed = asyncio.Event()
        """Set when space came back; cleared by who waits for that."""

    @property
    def count(self) -> int:
        """How many take space."""
        return len(self._by_id) + self.doomed

    @property
    def has_readers(self) -> bool:
        """Whether somebody reads an open one."""
        return any(segment.readers for segment in self._open.values())

    @property
    def descriptors(self) -> int:
        """How many are open."""
        return len(self._open)

    def add(self, segment: Segment) -> None:
        self._by_id[segment.id] = segment
        self.live_bytes += segment.live_bytes

    def get(self, number: int) -> Segment | None:
        return self._by_id.get(number)

    def all(self) -> list[Segment]:
        return list(self._by_id.values())

    def pools(self) -> dict[Pool, int]:
        """The bytes that can be found, by what they are part of."""
        small = sum(one.live_bytes - one.pinned_bytes for one in self.all() if one.entry.kind is Kind.SMALL)
        main = max(0, self.live_bytes - self.pinned_bytes - small)
        return {Pool.SMALL: small, Pool.MAIN: main, Pool.PINNED: self.pinned_bytes}

    def opened(self, segment: Segment, fd: int) -> None:
        """Takes the descriptor for a segment that had none, and closes those longest unused above the bound."""
        if segment.fd >= 0 or (segment.doomed and not segment.readers):
            self._files.close(fd)  # two threads opened it at once, or it is gone
            return
        segment.fd = fd
        self._open[segment.id] = segment
        if len(self._open) > self._open_max:
            idle = [other for other in self._open.values() if other is not segment and _is_idle(other)]
            for other in idle[: len(self._open) - self._open_max]:
                self._close(other)

    def used(self, segment: Segment) -> None:
        """Somebody reads it: it is not the next to be closed."""
        segment.readers += 1
        if segment.fd >= 0:
            self._open.move_to_end(segment.id)

    def released(self, segment: Segment) -> None:
        """The reader is done."""
        segment.readers -= 1
        self._free(segment)

    def lose(self, segment: Segment, size: int, *, pinned: bool) -> None:
        """So many bytes of it can no longer be found."""
        self._move(segment, -min(size, segment.live_bytes), -size if pinned else 0)

    def gain(self, segment: Segment, size: int, *, pinned: bool) -> None:
        """So many more bytes of it can be found."""
        self._move(segment, size, size if pinned else 0)

    def pin(self, segment: Segment, size: int) -> None:
        """So many of its bytes that can be found are pinned from now on; if negative, are not."""
        self._move(segment, 0, size)

    def correct(self, segment: Segment, live_bytes: int, pinned_bytes: int) -> None:
        """What can be found in it has been counted."""
        self.live_bytes += live_bytes - segment.live_bytes
        segment.live_bytes, segment.pinned_bytes = live_bytes, pinned_bytes

    def _move(self, segment: Segment, live: int, pinned: int) -> None:
        segment.live_bytes += live
        self.live_bytes += live
        segment.pinned_bytes = max(0, segment.pinned_bytes + pinned)
        self.pinned_bytes = max(0, self.pinned_bytes + pinned)

    def doom(self, segment: Segment) -> None:
        """Nobody finds it any more. Its space counts until it has no name and no reader."""
        del self._by_id[segment.id]
        self.live_bytes -= segment.live_bytes
        segment.doomed = True
        self.doomed += 1

    def unlinked(self, segment: Segment) -> None:
        """Its name is gone."""
        segment.unlinked = True
        self._free(segment)

    def _free(self, segment: Segment) -> None:
        if not segment.unlinked or segment.readers:
            return
        if segment.fd >= 0:
            self._close(segment)
        self.doomed -= 1
        self.changed.set()

    def close(self) -> None:
        """Closes every descriptor that no thread uses any more."""
        for segment in list(self._open.values()):
            if not segment.readers:
                self._close(segment)

    def _close(self, segment: Segment) -> None:
        del self._open[segment.id]
        self._files.close(segment.fd)
        segment.fd = -1


def _is_idle(segment: Segment) -> bool:
    return not segment.readers and segment.entry.state is not State.OPEN
