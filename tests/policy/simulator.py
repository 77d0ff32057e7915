"""A shard without a disk: the deciders of the store decide, and nothing but marks and numbers is kept."""

import random
from array import array
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.store import logs
from gateway.store.entries import SegmentEntry, State
from gateway.store.gate import Gate
from gateway.store.ghost import SHARE, Ghost
from gateway.store.logs import Fate, Live
from gateway.store.segments import Kind, Sums
from gateway.store.table import HITS, Segment
from gateway.store.values import Admission
from tests.policy.traces import Trace

SEGMENTS = 100
SIZE = 1000
"""Of each object, in bytes."""


@dataclass(frozen=True, slots=True)
class Score:
    """What came of a trace. `written` are blocks, those that eviction wrote again included."""

    requests: int
    hits: int
    written: int
    admitted: int

    @property
    def hit_percent(self) -> float:
        return 100 * self.hits / self.requests

    @property
    def writes_per_request(self) -> float:
        return self.written / self.requests


class Simulated:
    """A shard of `capacity` blocks in `SEGMENTS` segments; dice and names come from `chance`."""

    def __init__(self, capacity: int, objects: int, chance: random.Random, admission: Admission) -> None:
        self._records = capacity // SEGMENTS
        self._segment_size = self._records * SIZE
        self._dice = chance.random
        self._admission = admission
        self._names = [chance.getrandbits(64) for _ in range(objects)]
        self._gate = Gate(self._records * SEGMENTS * SIZE)
        self._ghost = Ghost()
        self._segments: dict[int, Segment] = {}
        self._contents: dict[int, array[int]] = {}
        self._open: dict[Kind, Segment] = {}
        self._where: list[Segment | None] = [None] * objects
        self._ordinals = array("H", bytes(2 * objects))
        self._live = [[Live(ordinal, SIZE, hits) for hits in range(4)] for ordinal in range(self._records)]
        self._last_position = 0
        self._rotations = 0
        self._written = 0
        self._admitted = 0

    def replay(self, trace: Trace) -> Score:
        """Asks for all of the trace, in order."""
        where, ordinals, names, read = self._where, self._ordinals, self._names, self._gate.read
        is_auto = self._admission is Admission.AUTO
        missed = 0
        for block in trace:
            segment = where[block]
            if segment is not None:
                marks, ordinal = segment.marks, ordinals[block]
                if marks[ordinal] < HITS:
                    marks[ordinal] += 1
            else:
                missed += 1
            if is_auto:
                read(names[block], SIZE, hit=segment is not None)
            if segment is None:
                self._miss(block)
        return Score(len(trace), len(trace) - missed, self._written, self._admitted)

    def _miss(self, block: int) -> None:
        name = self._names[block]
        if not self._gate.admits(self._dice(), self._admission):
            self._ghost.add(name)
            return
        mode = self._gate.mode_of(self._admission)
        kind = logs.log_of(mode, is_pinned=False, is_transient=False, is_known=self._ghost.knows(name))
        while kind not in self._open and len(self._segments) >= SEGMENTS:
            self._gate.fill_up()
            self._evict()
        self._write(kind, block, 0)
        self._admitted += 1
        self._gate.inserted(name, SIZE)

    def _write(self, kind: Kind, block: int, hits: int) -> None:
        segment = self._open.get(kind) or self._new_segment(kind)
        contents = self._contents[segment.id]
        self._where[block], self._ordinals[block] = segment, len(contents)
        contents.append(block)
        segment.marks.append(hits)
        segment.live_bytes += SIZE
        self._written += 1
        if len(contents) == self._records:
            segment.entry = replace(segment.entry, state=State.SYNCED)
            del self._open[kind]

    def _new_segment(self, kind: Kind) -> Segment:
        position = self._next_position()
        entry = SegmentEntry(State.OPEN, Sums(0, 0, 0), 0, 0, log_position=position, kind=kind)
        segment = self._open[kind] = self._segments[position] = Segment(position, Path(), entry)
        self._contents[position] = array("I")
        return segment

    def _next_position(self) -> int:
        self._last_position += 1
        return self._last_position

    def _evict(self) -> None:
        segment = logs.choose(self._segments.values(), self._segment_size)
        assert segment is not None
        live = [self._live[ordinal][mark] for ordinal, mark in enumerate(segment.marks)]
        mode = self._gate.mode_of(self._admission)
        match logs.fate(live, mode, self._rotations, self._segment_size, now_s=0):
            case Fate.ROTATE:
                self._rotations += 1
                logs.cool(segment.marks)
                segment.entry = replace(segment.entry, kind=Kind.MAIN, log_position=self._next_position())
            case Fate.EVICT:
                self._rotations = 0
                self._drop(segment, live)
            case Fate.PIN:
                raise AssertionError("nothing is pinned here")

    def _drop(self, segment: Segment, live: list[Live]) -> None:
        del self._segments[segment.id]
        contents, kind = self._contents.pop(segment.id), segment.entry.kind
        kept = logs.kept(live, self._segment_size, now_s=0)
        for block in contents:
            self._where[block] = None
        for record in kept:
            self._write(Kind.MAIN, contents[record.ordinal], logs.hits_after(kind, record.hits))
        self._ghost.resize(int(SHARE * sum(len(contents) for contents in self._contents.values())))
        for block in contents:
            if self._where[block] is None:
                self._gate.removed(self._names[block])
                if kind is Kind.SMALL:
                    self._ghost.add(self._names[block])


def simulate(trace: Trace, capacity: int, seed: int, admission: Admission) -> Score:
    """What a shard of so many blocks makes of a trace: `AUTO` with the gate, `CHURN` without."""
    return Simulated(capacity, max(trace) + 1, random.Random(seed), admission).replay(trace)
