"""Which log a block is written to, which segment leaves next, and what of it is kept."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from gateway.store.entries import State
from gateway.store.gate import Mode
from gateway.store.segments import Kind
from gateway.store.table import HITS, Segment

KEPT_SHARE = 0.75
"""Of a segment, what is written again at most; the rest comes free."""
ROTATIONS_MAX = 8
"""Segments that are spared in a row, before one must go."""

_SMALL_SHARE = 0.1
_EMPTY_SHARE = 0.1
"""A segment with less live bytes goes first: it costs next to nothing."""
_PINNED_SHARE_MIN = 0.6
"""A pinned segment with less pinned bytes goes: most of it is garbage."""
_HOT_SHARE = {Mode.CHURN: 0.8, Mode.HOLD: 0.5}
"""With so many bytes that were hit, a segment is spared whole."""
_COOLER = bytes(mark - 1 if mark & HITS else mark for mark in range(256))


class Fate(Enum):
    """What happens to a victim."""

    EVICT = auto()
    """What `kept` names is written again; the file goes."""
    ROTATE = auto()
    """It goes to the head of main as it is, its counters cooled; there is another victim."""
    PIN = auto()
    """It becomes a pinned segment as it is; there is another victim."""


@dataclass(frozen=True, slots=True)
class Live:
    """A record of a victim that is still found.

    `size` is what it takes in a segment, all included. `expires_s`: from then on (unix seconds) it is gone,
    0 for never. `is_pinned`: its pin has not ended.
    """

    ordinal: int
    size: int
    hits: int
    expires_s: int = 0
    is_pinned: bool = False


def log_of(mode: Mode, *, is_pinned: bool, is_transient: bool, is_known: bool) -> Kind:
    """The log a new block is written to; `is_known` says whether the ghost knows it."""
    if is_pinned:
        return Kind.PINNED
    return Kind.MAIN if is_known and mode is Mode.CHURN and not is_transient else Kind.SMALL


def choose(segments: Iterable[Segment], segment_size: int) -> Segment | None:
    """The next victim; None if all are being written, evicted already, or pinned."""
    count = dict.fromkeys(Kind, 0)
    tail: dict[Kind, Segment] = {}
    worst: Segment | None = None
    for segment in segments:
        entry = segment.entry
        kind = entry.kind
        count[kind] += 1
        if entry.state not in (State.SEALED, State.SYNCED):
            continue
        if _is_nearly_empty(segment, segment_size) and (worst is None or segment.live_bytes < worst.live_bytes):
            worst = segment
        if kind not in tail or entry.log_position < tail[kind].entry.log_position:
            tail[kind] = segment
    if worst is not None:
        return worst
    small_is_large = count[Kind.SMALL] >= _SMALL_SHARE * sum(count.values()) or count[Kind.MAIN] <= 1
    first, second = (Kind.SMALL, Kind.MAIN) if small_is_large else (Kind.MAIN, Kind.SMALL)
    return tail.get(first) or tail.get(second)


def _is_nearly_empty(segment: Segment, segment_size: int) -> bool:
    if segment.entry.kind is Kind.PINNED:
        return segment.pinned_bytes < _PINNED_SHARE_MIN * segment_size
    return segment.live_bytes < _EMPTY_SHARE * segment_size


def fate(live: Iterable[Live], mode: Mode, rotations: int, segment_size: int, now_s: int) -> Fate:
    """What to do with a victim that has these live records, after so many rotations in a row."""
    pinned = hot = 0
    for record in live:
        if record.is_pinned:
            pinned += record.size
        elif record.hits and not 0 < record.expires_s <= now_s:
            hot += record.size
    if pinned >= KEPT_SHARE * segment_size:
        return Fate.PIN
    if pinned + hot >= _HOT_SHARE[mode] * segment_size and rotations < ROTATIONS_MAX:
        return Fate.ROTATE
    return Fate.EVICT


def kept(live: Iterable[Live], segment_size: int, now_s: int) -> list[Live]:
    """What of a victim is written again: all that is pinned, then what was hit, hottest first, while there is room."""
    room = KEPT_SHARE * segment_size
    chosen: list[Live] = []
    classes: tuple[list[Live], ...] = ([], [], [], [])
    for record in live:
        if record.is_pinned:
            chosen.append(record)
            room -= record.size
        elif not 0 < record.expires_s <= now_s:
            classes[record.hits].append(record)
    for record in (*classes[3], *classes[2], *classes[1]):
        if record.size <= room:
            chosen.append(record)
            room -= record.size
    return chosen


def hits_after(kind: Kind, hits: int) -> int:
    """The counter of a kept record in its new segment, by the log its old one was in."""
    return max(hits - 1, 0) if kind is Kind.MAIN else 0


def cool(marks: bytearray) -> None:
    """Counts one hit less for each record, in place."""
    marks[:] = marks.translate(_COOLER)
