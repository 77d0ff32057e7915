"""What a start must do with the segments it finds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.store.entries import SegmentEntry, State

IDS_SKIPPED = 64
"""Beyond the largest id on the disk, should the index know less than the disk does."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Ids of segments, in order. Those that are to be sealed may turn out to be empty."""

    keep: tuple[int, ...]
    seal: tuple[int, ...]
    """Was being written when the process ended."""
    evict: tuple[int, ...]
    """Was being evicted."""
    orphans: tuple[int, ...]
    """Files that the index does not know."""
    lost: tuple[int, ...]
    """Known to the index, but without a file."""
    next_id: int


def plan(known: Mapping[int, SegmentEntry], files: Iterable[int], reserved_id: int) -> Plan:
    """What to do after any end. `reserved_id`: ids below it may have been used."""
    there = set(files)
    found = sorted(there & known.keys())
    return Plan(
        keep=tuple(number for number in found if known[number].state in (State.SEALED, State.SYNCED)),
        seal=tuple(number for number in found if known[number].state is State.OPEN),
        evict=tuple(number for number in found if known[number].state is State.EVICTING),
        orphans=tuple(sorted(there - known.keys())),
        lost=tuple(sorted(known.keys() - there)),
        next_id=max(reserved_id, max(there, default=-IDS_SKIPPED) + IDS_SKIPPED + 1, 1),
    )
