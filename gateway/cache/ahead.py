"""Readahead: which bytes of an object to fill before somebody asks for them.

What was read is remembered as marks, each the end of one stretch of reading. They belong to the version, not to a
connection, as clients spread one object over many.
"""

import math
from dataclasses import dataclass

from gateway.cache.blocks import numbers
from gateway.cache.recent import Recent
from gateway.model import BLOCK_SIZE, MIB, Bucket, Key, Span, Version

Name = tuple[Bucket, Key, Version]

VERSIONS_MAX = 4096
MARKS_MAX = 8
"""Marks of one version; the one that moved longest ago leaves."""
MOUNTS_MAX = 4096
WINDOW_MIN = 8 * MIB
WINDOW_MAX = 64 * MIB
OPENING_MIN = MIB
"""A range from 0 of this size or more is taken for the first of many."""
REST_SIZE_MAX = 256 * MIB
"""Up to this size all of the object is filled on its first range."""
WASTE_SPAN = 1024 * MIB
"""The waste is that of the last so many bytes filled ahead, those further back count less and less."""
WASTE_HIGH = 0.20
WASTE_LOW = 0.10


@dataclass(slots=True, eq=False)
class _Mark:
    """A stretch of reading, in blocks: up to `stop` it has been read, up to `ahead_stop` filled ahead.

    `start` is at most a window back, so that an old stretch says nothing about who reads the same again. A
    `window` of 0: a single span, which nothing has confirmed.
    """

    start: int
    stop: int
    window: int = 0
    ahead_stop: int = 0

    def leads_to(self, read: range) -> bool:
        """Whether the stretch goes on with it: at its end, or, as parallel ranges do, in what was filled ahead."""
        return self.stop - 1 <= read.start <= max(self.stop + 1, self.ahead_stop) and read.stop > self.stop

    def holds(self, read: range) -> bool:
        """Whether it comes late, or again."""
        return self.start <= read.start and read.stop <= self.stop


class Marks:
    """What the reads of this node say about those that will follow.

    Bytes filled ahead that nobody reads are waste of their mount, which its bucket names. Above `WASTE_HIGH` its
    windows are halved and no first range is taken for the first of many, until it is below `WASTE_LOW`.
    """

    def __init__(self) -> None:
        self._versions: Recent[Name, list[_Mark]] = Recent(VERSIONS_MAX)
        self._mounts: Recent[Bucket, _Waste] = Recent(MOUNTS_MAX)

    def advise(self, name: Name, span: Span, size: int) -> Span | None:
        """What to fill ahead now that `span` of an object of `size` bytes is read; None: nothing.

        `span` is a range that a client asked for. The answer is whole blocks behind those of `span`, and
        behind what was advised for the same stretch before.
        """
        read, blocks = numbers(span), numbers(Span(0, size)).stop
        if not read or blocks == 1:
            return None
        is_careful = self._waste(name[0]).is_high
        opens = span.start == 0 and span.size >= OPENING_MIN and not is_careful
        marks = self._marks(name)
        mark = None if opens else _leading_to(marks, read)
        if mark is None and not opens and any(known.holds(read) for known in marks):
            return None
        goes_on = opens or mark is not None
        mark = mark or _Mark(read.start, read.stop)
        _move(marks, mark, read.stop, blocks)
        if not goes_on:
            return None
        if opens and size <= REST_SIZE_MAX:
            ahead = _fill_rest(mark, blocks)
        else:
            ahead = _fill_window(mark, blocks, is_careful=is_careful)
        return Span(ahead.start * BLOCK_SIZE, min(ahead.stop * BLOCK_SIZE, size)) if ahead else None

    def used(self, bucket: Bucket, size: int) -> None:
        """So many bytes that were filled ahead have been read."""
        self._waste(bucket).count(size, is_wasted=False)

    def wasted(self, bucket: Bucket, size: int) -> None:
        """So many bytes that were filled ahead have been dropped unread."""
        self._waste(bucket).count(size, is_wasted=True)

    def _marks(self, name: Name) -> list[_Mark]:
        marks = self._versions.get(name) or []
        self._versions.put(name, marks)
        return marks

    def _waste(self, bucket: Bucket) -> "_Waste":
        waste = self._mounts.get(bucket) or _Waste()
        self._mounts.put(bucket, waste)
        return waste


def _leading_to(marks: list[_Mark], read: range) -> _Mark | None:
    """The mark of the surest stretch that the read carries on."""
    return max((mark for mark in marks if mark.leads_to(read)), key=lambda mark: mark.window, default=None)


def _move(marks: list[_Mark], mark: _Mark, stop: int, blocks: int) -> None:
    """Ends the stretch there. Others that it holds are part of it; at the object's end there is nothing ahead."""
    mark.start, mark.stop = max(mark.start, stop - WINDOW_MAX // BLOCK_SIZE), stop
    others = [other for other in marks if other is not mark and not mark.holds(range(other.start, other.stop))]
    marks[:] = [*others[-(MARKS_MAX - 1) :], mark] if stop < blocks else others


def _fill_rest(mark: _Mark, blocks: int) -> range:
    mark.window = WINDOW_MAX // BLOCK_SIZE
    return _fill(mark, blocks)


def _fill_window(mark: _Mark, blocks: int, *, is_careful: bool) -> range:
    """Opens the window, or doubles it once the stretch has come to its middle."""
    if 2 * (mark.ahead_stop - mark.stop) > mark.window:
        return range(0)
    unit = 2 * BLOCK_SIZE if is_careful else BLOCK_SIZE
    mark.window = min(max(2 * mark.window, WINDOW_MIN // unit), WINDOW_MAX // unit)
    return _fill(mark, min(mark.stop + mark.window, blocks))


def _fill(mark: _Mark, until: int) -> range:
    """What lies between what was read, or filled ahead before, and there."""
    start = max(mark.stop, mark.ahead_stop)
    mark.ahead_stop = max(mark.ahead_stop, until)
    return range(start, until)


@dataclass(slots=True)
class _Waste:
    """Which share of the bytes filled ahead nobody reads, and whether it is too high."""

    share: float = 0.0
    is_high: bool = False

    def count(self, size: int, *, is_wasted: bool) -> None:
        weight = -math.expm1(-size / WASTE_SPAN)
        self.share += weight * (float(is_wasted) - self.share)
        if self.share > WASTE_HIGH:
            self.is_high = True
        elif self.share < WASTE_LOW:
            self.is_high = False
