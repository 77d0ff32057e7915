"""A sorted map in memory that keeps the promises of `gateway.kv.Kv`, and fails when it is told to."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from gateway.kv import Kv, KvFailed, KvStalled


class SortedKv:
    """Outlives `close`, as a disk would: `Maps.opened` gives the same one again."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._keys: list[bytes] = []
        self.failing: KvFailed | None = None
        """What every write raises, until it is None again."""
        self.unreadable = False
        """Reads fail too."""
        self.stalls = 0
        """So many writes are still to be refused."""

    def get(self, key: bytes) -> bytes | None:
        self._readable()
        return self._values.get(key)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._readable()
        return [self._values.get(key) for key in keys]

    def write(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        self._writable()
        for key, value in items:
            if value is None:
                if self._values.pop(key, None) is not None:
                    del self._keys[bisect_left(self._keys, key)]
                continue
            assert value, key
            if key not in self._values:
                insort(self._keys, key)
            self._values[key] = value

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._readable()
        for key in self._keys[bisect_left(self._keys, prefix) :]:
            if not key.startswith(prefix):
                return
            yield key, self._values[key]

    def flush(self) -> None:
        self._writable()

    def sync(self) -> None:
        self._writable()

    def size(self) -> int:
        return sum(len(key) + len(value) for key, value in self._values.items())

    def close(self) -> None:
        pass

    def _readable(self) -> None:
        if self.unreadable:
            raise KvFailed("told to fail")

    def _writable(self) -> None:
        if self.failing is not None:
            raise self.failing
        if self.stalls:
            self.stalls -= 1
            raise KvStalled("told to stall")


class Maps:
    """The maps of a disk, by directory."""

    def __init__(self) -> None:
        self.by_directory: dict[Path, SortedKv] = {}

    def opened(self, directory: Path) -> Kv:
        """The map there, made if there is none."""
        directory.mkdir(parents=True, exist_ok=True)
        return self.by_directory.setdefault(directory, SortedKv())
