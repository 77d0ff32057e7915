"""Room on a disk: who may have how much of the capacity, and whether one more segment fits."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.config.sections import SEGMENT_SIZE_MIN, SHARE_MIN
from gateway.model import MIB

SLACK_MIN_BYTES = 256 * MIB
SLACK_PER_INDEX_BYTE = 1.5
"""Compaction takes about twice the index for moments."""
SEGMENTS_MIN = 16
"""Of one disk: segments are halved until it holds so many."""


@dataclass(frozen=True, slots=True)
class Room:
    """What counts against the share of one disk. `limit_bytes` is what the file system leaves, `min_free` respected."""

    share_bytes: int
    limit_bytes: int
    segment_size: int
    slack_min_bytes: int
    segments: int = 0
    index_bytes: int = 0
    removed_bytes: int = 0
    """Of older shard directories that are still being removed."""
    hits_bytes: int = 0
    """Of the file of hit counters, and of the one that takes its place."""

    @property
    def used_bytes(self) -> int:
        return self.segments * self.segment_size + self.index_bytes + self.removed_bytes + self.hits_bytes

    @property
    def segments_max(self) -> int:
        """How many segments there may be, as things are."""
        return self.segments + -self.missing_for(0) // self.segment_size

    @property
    def missing_bytes(self) -> int:
        """By how much one more segment does not fit; 0 or less: it does."""
        return self.missing_for(1)

    def missing_for(self, segments: int) -> int:
        """The same for so many more segments."""
        slack = max(self.slack_min_bytes, int(SLACK_PER_INDEX_BYTE * self.index_bytes))
        end = min(self.share_bytes - slack, self.limit_bytes)
        return self.used_bytes + segments * self.segment_size - end


def limit_bytes(used_bytes: int, free_bytes: int, total_bytes: int, min_free_percent: int) -> int:
    """What the store may use of a file system that has `free_bytes` left beside its `used_bytes`."""
    return used_bytes + free_bytes - total_bytes * min_free_percent // 100


def shares(capacity_bytes: int, weights: Sequence[int]) -> list[int]:
    """The capacity split over disks by their weights, each with at least what a disk needs."""
    least = min(SHARE_MIN, capacity_bytes // len(weights))
    rest, total = capacity_bytes - least * len(weights), max(1, sum(weights))
    return [least + rest * weight // total for weight in weights]


def segment_size(wanted: int, share_bytes: int) -> int:
    """The size of segments on a new disk."""
    while wanted > SEGMENT_SIZE_MIN and wanted * SEGMENTS_MIN > share_bytes:
        wanted = max(SEGMENT_SIZE_MIN, wanted // 2)
    return wanted
