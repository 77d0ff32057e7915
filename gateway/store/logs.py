"""The order in which segments leave: first written, first evicted."""

from collections.abc import Iterable

from gateway.store.entries import State
from gateway.store.table import Segment


def victim(segments: Iterable[Segment]) -> Segment | None:
    """The segment to evict next: the oldest that is not being written or already evicted."""
    settled = (segment for segment in segments if segment.entry.state in (State.SEALED, State.SYNCED))
    return min(settled, key=lambda segment: segment.entry.log_position, default=None)
