"""The map that stands in for an index that is not there: closed for a moment, or with its disk."""

from collections.abc import Iterable, Iterator, Sequence

from gateway.kv import KvStalled


class AbsentKv:
    """Holds nothing. Writes stall, so that updates wait; or else they are let go, as all they could contradict is."""

    def __init__(self, *, stalls: bool) -> None:
        self._stalls = stalls

    def get(self, key: bytes) -> bytes | None:
        return None

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [None] * len(keys)

    def write(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        if self._stalls:
            raise KvStalled("closed")

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(())

    def flush(self) -> None:
        """There is nothing to write."""

    def sync(self) -> None:
        """As `write`."""
        self.write(())

    def size(self) -> int:
        return 0

    def close(self) -> None:
        """There is nothing to free."""
