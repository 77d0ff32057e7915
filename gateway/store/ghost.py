"""Remembers, in four bytes each, blocks that were evicted or refused lately."""

from array import array

ENTRIES_MAX = 1_048_576
"""4 MB."""
SHARE = 0.9
"""Of the blocks that are there, how many that are not are remembered."""
_ENTRIES_MIN = 64
_STRIDE = 64
"""Room of a set. Less of it is used where fewer are to be remembered.

Small sets forget some much too early and others too late: with four, shuffled epochs lose 3 points of hit ratio.
"""
_WAYS_MIN = 24


class Ghost:
    """Sets of up to 64 fingerprints, the latest first; one that is added to a full set replaces its oldest.

    Blocks go by their `names.key_hash`. A block may be taken for another one: at full size once in 4,096 times.
    """

    __slots__ = ("_entries", "_entries_max", "_prints", "_sets")

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = min(entries_max, ENTRIES_MAX)
        self._entries = min(_ENTRIES_MIN, self._entries_max)
        self._sets = _ENTRIES_MIN // _STRIDE
        self._prints = array("I", bytes(4 * _STRIDE * self._sets))

    def __len__(self) -> int:
        """How many are remembered at most."""
        return self._entries

    def knows(self, h: int) -> bool:
        """Whether it was added lately."""
        fingerprint = _print_of(h)
        start, stop = self._bounds(fingerprint)
        return fingerprint in self._prints[start:stop]

    def add(self, h: int) -> None:
        """Remembers it as the latest of its set."""
        prints, fingerprint = self._prints, _print_of(h)
        start, stop = self._bounds(fingerprint)
        try:
            way = prints.index(fingerprint, start, stop)
        except ValueError:
            way = stop - 1
        prints[start + 1 : way + 1] = prints[start:way]
        prints[start] = fingerprint

    def resize(self, entries: int) -> None:
        """Remembers so many from now on, within the bounds.

        Cheap. Where that takes another number of sets, the older half may be forgotten: a shard grows while it
        fills, and evicts nothing then.
        """
        self._entries = min(max(entries, _ENTRIES_MIN), self._entries_max)
        while self._entries > _STRIDE * self._sets:
            # In twice as many sets, a fingerprint's set is its old one or that one's copy; the other is never found.
            self._prints *= 2
            self._sets *= 2
        while self._entries < _WAYS_MIN * self._sets:
            self._sets //= 2
            del self._prints[_STRIDE * self._sets :]

    def _bounds(self, fingerprint: int) -> tuple[int, int]:
        number = fingerprint & self._sets - 1
        start = number * _STRIDE
        # Rounded down where the number is low and up where it is high: all sets together use just so many.
        return start, start + (self._entries + number) // self._sets


def _print_of(h: int) -> int:
    # The low bits choose disks and samples: the blocks of one shard would not spread over the sets. 0 is an empty way.
    return h >> 32 & 0xFFFF_FFFF or 1
