"""Remembers, in four bytes each, blocks that were evicted or refused lately."""

from array import array

ENTRIES_MAX = 1_048_576
"""4 MB."""
SHARE = 0.9
"""Of the blocks that are there, how many that are not are remembered."""
WAYS = 4
_ENTRIES_MIN = 256


class Ghost:
    """Sets of four fingerprints, the latest first; one that is added to a full set replaces its oldest.

    Blocks go by their `names.key_hash`. A block may be taken for another one: at full size once in 4,096 times.
    """

    __slots__ = ("_entries_max", "_prints", "_sets_mask")

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = max(1 << min(entries_max, ENTRIES_MAX).bit_length() - 1, _ENTRIES_MIN)
        self._prints = array("I", bytes(4 * _ENTRIES_MIN))
        self._sets_mask = len(self._prints) // WAYS - 1

    def __len__(self) -> int:
        """For how many there is room."""
        return len(self._prints)

    def knows(self, h: int) -> bool:
        """Whether it was added lately."""
        fingerprint = _print_of(h)
        start = (fingerprint & self._sets_mask) * WAYS
        return fingerprint in self._prints[start : start + WAYS]

    def add(self, h: int) -> None:
        """Remembers it as the latest of its set."""
        prints, fingerprint = self._prints, _print_of(h)
        start = way = (fingerprint & self._sets_mask) * WAYS
        last = start + WAYS - 1
        while way < last and prints[way] != fingerprint:
            way += 1
        prints[start + 1 : way + 1] = prints[start:way]
        prints[start] = fingerprint

    def resize(self, entries: int) -> None:
        """Makes room for at least so many, up to the maximum; gives room back once three quarters are too much."""
        wanted = min(_rounded(max(entries, _ENTRIES_MIN)), self._entries_max)
        while len(self._prints) < wanted:
            # A fingerprint's set in twice as many sets is its old one or that one's copy; the other is never found.
            self._prints *= 2
        if len(self._prints) >= 4 * wanted:
            del self._prints[2 * wanted :]
        self._sets_mask = len(self._prints) // WAYS - 1


def _print_of(h: int) -> int:
    # The low bits choose disks and samples: the blocks of one shard would not spread over the sets. 0 is an empty way.
    return h >> 32 & 0xFFFF_FFFF or 1


def _rounded(entries: int) -> int:
    return 1 << (entries - 1).bit_length()
