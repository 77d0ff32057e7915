"""Blocks on their way to the disk, and the segments that are being written."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.model import Known
from gateway.store import segments
from gateway.store.disk import Buffer
from gateway.store.entries import Spot
from gateway.store.records import Flag, Layout, Record
from gateway.store.table import UNGATED, VERIFIED, Segment
from gateway.store.values import Admission, Content, Outcome, Terms


@dataclass(frozen=True, slots=True, eq=False)
class Wish:
    """A block that is to be kept, as `BlockStore.keep` was asked. `too_large`: its object is one that is not kept."""

    content: Content
    number: int
    data: Buffer
    known: Known | None
    terms: Terms
    too_large: bool


@dataclass(slots=True, eq=False)
class Pending:
    """A new block on its way to the disk. `key` is its index key; `superseded`: drop it."""

    content: Content
    number: int
    data: Buffer
    known: Known | None
    terms: Terms
    key: bytes
    outcome: asyncio.Future[Outcome]
    superseded: bool = False

    @property
    def is_unwanted(self) -> bool:
        return self.superseded or self.outcome.done()

    @property
    def is_pinned(self) -> bool:
        return self.terms.pinned_until_s is not None

    @property
    def mark(self) -> int:
        """What its mark begins as."""
        is_gated = self.terms.admission is Admission.AUTO and not self.content.is_draft
        return VERIFIED if is_gated else VERIFIED | UNGATED


@dataclass(slots=True, eq=False)
class Keeper:
    """A record that outlives the segment it lay in: it is written again as it was, under another place.

    `source` is where it lies now; `mark` is what its new mark begins as.
    """

    record: Record
    data: Buffer
    key: bytes
    source: Spot
    mark: int
    outcome: asyncio.Future[Outcome]

    @property
    def is_unwanted(self) -> bool:
        return self.outcome.done()


@dataclass(slots=True, eq=False)
class Written:
    """A block and the record that it is."""

    block: Pending | Keeper
    record: Record
    offset: int
    layout: Layout
    ordinal: int
    header_crc: int = 0

    def spot(self, segment: int) -> Spot:
        """Where it lies, unpinned."""
        return Spot(
            segment,
            self.offset,
            self.ordinal,
            self.record.flags,
            self.offset + self.layout.data_start,
            self.layout.data_size,
            self.record.expires_s,
            self.header_crc,
        )


def pinned(spot: Spot, until_s: int) -> Spot:
    """The same place, pinned until then (unix seconds, 0 for good)."""
    return spot._replace(flags=spot.flags | Flag.PINNED, expires_s=until_s)


@dataclass(slots=True, eq=False)
class OpenSegment:
    """A segment that is being written: where the next record goes, and the rows of its footer so far."""

    segment: Segment
    offset: int = segments.HEADER_SIZE
    rows: bytearray = field(default_factory=bytearray)
    data_bytes: int = 0
    last_seq: int = 0
    unsynced_bytes: int = 0
    announced: bool = False
    """The index has its entry."""

    def add(self, batch: Sequence[Written]) -> None:
        """Counts records that are written, in order."""
        for written in batch:
            shape, record, block = written.layout, written.record, written.block
            self.rows += segments.row(written.offset, shape.data_size, record.flags, block.key)
            self.offset = written.offset + shape.size
            self.data_bytes += shape.data_size
            self.last_seq = max(self.last_seq, record.seq)
            self.segment.marks.append(block.mark)

    @property
    def records(self) -> int:
        return len(self.rows) // segments.ROW_SIZE

    @property
    def sums(self) -> segments.Sums:
        return segments.Sums(self.records, self.data_bytes, self.last_seq)
