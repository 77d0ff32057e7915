"""What a sweep of the index throws away: decides alone, on the entries of a slice."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from gateway.store import entries
from gateway.store.extras import EntryDamaged
from gateway.store.index import Item

PLACELESS_SHARE = 20
"""Infos without a place are bounded to one entry of so many."""
PLACELESS_MIN = 100_000
"""So many there may be in any case."""
_SAMPLES_MAX = 4096

Holds = Callable[[int, int], bool]
"""Whether there is a record of that ordinal in that segment."""


def placeless_max(count: int) -> int:
    """How many infos without a place a shard of so many entries may have."""
    return max(count // PLACELESS_SHARE, PLACELESS_MIN)


def fate(key: bytes, value: bytes, holds: Holds, now_s: int) -> Item | None:
    """What to write in the place of an entry; None: it stays as it is.

    A block whose record is gone, or a draft that has expired, is deleted; an info loses its place and stays.
    """
    is_info = key.startswith(entries.INFO_PREFIX)
    try:
        spot = entries.unpack_spot(value)
        if is_info:
            entries.vh_of(value)
    except EntryDamaged:
        return key, None
    if spot is None:
        return None if is_info else (key, None)
    if holds(spot.segment, spot.ordinal) and not (not is_info and 0 < spot.expires_s <= now_s):
        return None
    return key, entries.without_spot(value) if is_info else None


@dataclass(slots=True)
class Placeless:
    """Counts infos without a place, and finds from a sample which of them are the half least recently validated."""

    dice: Random
    count: int = 0
    entries: int = 0
    _sample: list[int] = field(default_factory=list)

    def see(self, key: bytes, value: bytes) -> None:
        """Counts an entry as it will stand."""
        self.entries += 1
        if not is_placeless(key, value):
            return
        self.count += 1
        validated_s = entries.validated_s_of(value)
        if len(self._sample) < _SAMPLES_MAX:
            self._sample.append(validated_s)
        elif (at := self.dice.randrange(self.count)) < _SAMPLES_MAX:
            self._sample[at] = validated_s

    def drop_until_s(self) -> int | None:
        """Those validated up to then are to go; None if there are not too many."""
        if self.count <= placeless_max(self.entries):
            return None
        return sorted(self._sample)[len(self._sample) // 2]


def is_placeless(key: bytes, value: bytes) -> bool:
    """Whether this is an info without a place."""
    try:
        return key.startswith(entries.INFO_PREFIX) and entries.unpack_spot(value) is None
    except EntryDamaged:
        return False
