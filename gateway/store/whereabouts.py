"""What people may ask of a block in the store: where it lies, how it came to be there, how long it stays."""

from dataclasses import dataclass

from gateway.store.entries import Spot, State
from gateway.store.segments import Kind
from gateway.store.table import HITS, VERIFIED, Segment


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Of one block. `hits` is its counter, up to 3; `verified`: its next read from the page cache is not checked.

    `pinned_until_s` is None if it is not pinned, 0 if it is for good. `expires_s` is 0 for never; while a block is
    pinned its own end waits. Times are unix seconds.
    """

    segment: int
    log: Kind
    hits: int
    verified: bool
    state: State
    pinned_until_s: int | None
    expires_s: int


def of(segment: Segment, spot: Spot) -> Whereabouts:
    """Of the block that lies at `spot` of the segment."""
    mark, is_pinned = segment.marks[spot.ordinal], spot.is_pinned
    return Whereabouts(
        segment=segment.id,
        log=segment.entry.kind,
        hits=mark & HITS,
        verified=bool(mark & VERIFIED),
        state=segment.entry.state,
        pinned_until_s=spot.expires_s if is_pinned else None,
        expires_s=0 if is_pinned else spot.expires_s,
    )
