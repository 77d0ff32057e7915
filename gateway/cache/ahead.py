"""Readahead: which bytes of an object to fill before somebody asks for them.

What was read is remembered as marks, each the end of one stretch of reading. They belong to the version, not to a
connection, as clients spread one object over many.
"""

import math
from dataclasses import dataclass

from gateway.cache.blocks import cover
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
    """A stretch of reading: where it ended, its window, and up to where it has been filled ahead."""

    stop: int
    window: int = 0
    ahead_stop: int = 0


class Marks:
    """What the reads of this node say about those that will follow.

    Bytes filled ahead that nobody reads are waste of their mount, which its bucket names. Above `WASTE_HIGH` its
    windows are halved and no first range is taken for the first of many, until it is below `WASTE_LOW`.
    """

    def __init__(self) -> None:
        self._versions: Recent[Name, list[_Mark]] = Recent(VERSIONS_MAX)
        self._mounts: Recent[Bucket, _Waste] = Recent(MOUNTS_MAX)

    def advise(self, name: Name, span: Span, size: int, *, whole: bool) -> Span | None:
        """What to fill ahead now that `span` of an object of `size` bytes is read; None: nothing.

        `whole`: the client asked for all of the object, and `span` is what of it comes next; that it
        goes on needs no confirmation. The answer is whole blocks behind those of `span`, and
        behind what was advised for the same stretch before.
        """
        if span.size <= 0:
            return None
        is_careful = self._waste(name[0]).is_high
        opens = span.start == 0 and (whole or (span.size >= OPENING_MIN and not is_careful))
        marks = self._marks(name)
        continued = None if opens else _continued(marks, span)
        mark = continued or (None if opens else _ending(marks, span)) or _Mark(span.stop)
        _move(marks, mark, span.stop)
        if opens and not whole and size <= REST_SIZE_MAX:
            return _fill(mark, size, size)
        if opens or whole or continued:
            return _fill_window(mark, size, is_careful=is_careful)
        return None

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


def _continued(marks: list[_Mark], span: Span) -> _Mark | None:
    """The mark of the stretch that the span carries on."""
    near = [mark for mark in marks if abs(span.start - mark.stop) <= BLOCK_SIZE and mark.stop < span.stop]
    return min(near, key=lambda mark: abs(span.start - mark.stop), default=None)


def _ending(marks: list[_Mark], span: Span) -> _Mark | None:
    """The mark at the very end of the span: somebody has read these bytes already."""
    return next((mark for mark in marks if mark.stop == span.stop), None)


def _move(marks: list[_Mark], mark: _Mark, stop: int) -> None:
    """Two stretches that meet are one from then on."""
    others = [other for other in marks if other is not mark and other.stop != stop]
    mark.stop = stop
    marks[:] = [*others[-(MARKS_MAX - 1) :], mark]


def _fill_window(mark: _Mark, size: int, *, is_careful: bool) -> Span | None:
    """Opens the window, or doubles it once its stretch has read half of it."""
    if 2 * (mark.ahead_stop - mark.stop) > mark.window:
        return None
    share = 2 if is_careful else 1
    mark.window = min(max(2 * mark.window, WINDOW_MIN // share), WINDOW_MAX // share)
    return _fill(mark, mark.stop + mark.window, size)


def _fill(mark: _Mark, until: int, size: int) -> Span | None:
    start = max(mark.ahead_stop, cover(Span(0, mark.stop), size).stop)
    stop = cover(Span(0, until), size).stop
    if start >= stop:
        return None
    mark.ahead_stop = stop
    return Span(start, stop)


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
