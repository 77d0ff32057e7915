"""A cache in miniature that holds names only: what the hit ratio would be if everything was let in."""

from collections import deque

from gateway.store.ghost import SHARE, Ghost

SMALL_SHARE = 0.1
_IN_MAIN = 4
_SIZE_SHIFT = 3
_HITS = 3


class Shadow:
    """S3-FIFO weighted by bytes: what is new stands in a small queue, what was read again or came back in the main one.

    Blocks go by their `names.key_hash`.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        # By hash: the size, which queue, and hits up to 3, packed to one number to spare an object each.
        self._entries: dict[int, int] = {}
        self._small: deque[int] = deque()
        self._main: deque[int] = deque()
        self._small_bytes = 0
        self._main_bytes = 0
        self._ghost = Ghost()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, h: int) -> bool:
        return h in self._entries

    def read(self, h: int, size: int) -> bool:
        """Whether this cache would have had it; it has it now."""
        entry = self._entries.get(h)
        if entry is not None:
            if entry & _HITS < _HITS:
                self._entries[h] = entry + 1
            return True
        if self._ghost.knows(h):
            self._put_main(h, size)
        else:
            self._entries[h] = size << _SIZE_SHIFT
            self._small.append(h)
            self._small_bytes += size
        self.resize(self._capacity_bytes)
        return False

    def resize(self, capacity_bytes: int) -> None:
        """Drops what no longer fits."""
        self._capacity_bytes = capacity_bytes
        self._ghost.resize(int(len(self._entries) * SHARE))
        while self._small_bytes + self._main_bytes > capacity_bytes:
            if self._small_bytes > capacity_bytes * SMALL_SHARE or not self._main:
                self._shift_small()
            else:
                self._shift_main()

    def thin(self, mask: int, capacity_bytes: int) -> None:
        """Keeps only those of whose hashes no bit of `mask` is set."""
        self._entries = {h: entry for h, entry in self._entries.items() if not h & mask}
        self._small = deque(h for h in self._small if not h & mask)
        self._main = deque(h for h in self._main if not h & mask)
        self._small_bytes = sum(self._entries[h] >> _SIZE_SHIFT for h in self._small)
        self._main_bytes = sum(self._entries[h] >> _SIZE_SHIFT for h in self._main)
        self.resize(capacity_bytes)

    def _put_main(self, h: int, size: int) -> None:
        self._entries[h] = size << _SIZE_SHIFT | _IN_MAIN
        self._main.append(h)
        self._main_bytes += size

    def _shift_small(self) -> None:
        h = self._small.popleft()
        entry = self._entries.pop(h)
        size = entry >> _SIZE_SHIFT
        self._small_bytes -= size
        if entry & _HITS:
            self._put_main(h, size)
        else:
            self._ghost.add(h)

    def _shift_main(self) -> None:
        h = self._main.popleft()
        entry = self._entries[h]
        if entry & _HITS:
            self._entries[h] = entry - 1
            self._main.append(h)
        else:
            del self._entries[h]
            self._main_bytes -= entry >> _SIZE_SHIFT
