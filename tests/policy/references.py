"""What other caches of so many blocks make of a trace: by the book, a block at a time."""

from collections import OrderedDict, deque
from heapq import heappop, heappush

from tests.policy.simulator import Score
from tests.policy.traces import Trace

GHOST_SHARE = 0.9
SMALL_SHARE = 0.1


def lru(trace: Trace, capacity: int) -> Score:
    """The block read longest ago leaves."""
    there: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for block in trace:
        if block in there:
            hits += 1
            there.move_to_end(block)
            continue
        if len(there) == capacity:
            there.popitem(last=False)
        there[block] = None
    return _score(trace, hits)


def fifo(trace: Trace, capacity: int) -> Score:
    """The block that came first leaves."""
    there: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for block in trace:
        if block in there:
            hits += 1
            continue
        if len(there) == capacity:
            there.popitem(last=False)
        there[block] = None
    return _score(trace, hits)


def belady(trace: Trace, capacity: int) -> Score:
    """The block that is read again last leaves, or is not let in: no cache has more hits."""
    again = _read_again_at(trace)
    there: set[int] = set()
    latest_first: list[tuple[int, int]] = []
    hits = 0
    for block, next_at in zip(trace, again, strict=True):
        if block in there:
            hits += 1
        there.add(block)
        heappush(latest_first, (-next_at, block))
        # Entries of reads that are over lie below all others: they never come to the top while blocks are there.
        if len(there) > capacity:
            there.remove(heappop(latest_first)[1])
    return Score(len(trace), hits, 0, 0)


def _read_again_at(trace: Trace) -> list[int]:
    never = len(trace)
    seen: dict[int, int] = {}
    again = [never] * len(trace)
    for at in range(len(trace) - 1, -1, -1):
        again[at] = seen.get(trace[at], never)
        seen[trace[at]] = at
    return again


class S3Fifo:
    """S3-FIFO with a small queue of a tenth, and a ghost as long as nine tenths of the cache.

    A block that stays by going to the head of a queue counts as written: on a disk it would be.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._hits: dict[int, int] = {}
        self._small: deque[int] = deque()
        self._main: deque[int] = deque()
        self._ghost: OrderedDict[int, None] = OrderedDict()
        self._moved = 0

    def replay(self, trace: Trace) -> Score:
        there = self._hits
        hits = 0
        for block in trace:
            if block in there:
                hits += 1
                there[block] = min(there[block] + 1, 3)
                continue
            if len(there) >= self._capacity:
                self._evict()
            (self._main if block in self._ghost else self._small).append(block)
            there[block] = 0
        missed = len(trace) - hits
        return Score(len(trace), hits, missed + self._moved, missed)

    def _evict(self) -> None:
        before = len(self._hits)
        while len(self._hits) == before:
            if len(self._small) >= self._capacity * SMALL_SHARE or not self._main:
                self._shift_small()
            else:
                self._shift_main()

    def _shift_small(self) -> None:
        block = self._small.popleft()
        if self._hits[block]:
            self._hits[block] = 0
            self._main.append(block)
            self._moved += 1
            return
        del self._hits[block]
        self._ghost[block] = None
        self._ghost.move_to_end(block)
        if len(self._ghost) > self._capacity * GHOST_SHARE:
            self._ghost.popitem(last=False)

    def _shift_main(self) -> None:
        block = self._main.popleft()
        if self._hits[block]:
            self._hits[block] -= 1
            self._main.append(block)
            self._moved += 1
        else:
            del self._hits[block]


def s3_fifo(trace: Trace, capacity: int) -> Score:
    return S3Fifo(capacity).replay(trace)


def _score(trace: Trace, hits: int) -> Score:
    missed = len(trace) - hits
    return Score(len(trace), hits, missed, missed)
