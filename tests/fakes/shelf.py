"""The objects of the stub: which there are, their versions, and the open uploads; no sockets, no clock."""

import bisect
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.fakes.content import made_etag, size_named, slices

MODIFIED_BASE_S = 1_700_000_000
"""Version n of every object was written n seconds after this moment."""


class ShelfFull(Exception):
    """The bodies written here would take more memory than was allowed."""


@dataclass(frozen=True, slots=True)
class Item:
    """One version of one object; `body` is None where the content is made."""

    name: str
    version: int
    size: int
    etag: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def modified_s(self) -> int:
        return MODIFIED_BASE_S + self.version

    def slices(self, start: int, stop: int) -> Iterator[memoryview]:
        """The bytes [start, stop) in order."""
        if self.body is None:
            yield from slices(self.name, self.version, start, stop)
        elif start < stop:
            yield memoryview(self.body)[start:stop]


@dataclass(slots=True)
class Upload:
    """An open multipart upload."""

    name: str
    headers: Mapping[str, str]
    parts: dict[int, bytes] = field(default_factory=dict)


class Shelf:
    """Objects by name, `bucket/key`.

    Whatever name tells a size exists as made content, until it is deleted. Listings show what was declared,
    written, or changed; `kept_max` bounds the bytes of written bodies.
    """

    def __init__(self, kept_max: int) -> None:
        self._kept_max = kept_max
        self._kept = 0
        self._items: dict[str, Item | None] = {}
        self._versions: dict[str, int] = {}
        self._names: list[str] | None = []
        self.uploads: dict[str, Upload] = {}

    def find(self, name: str) -> Item | None:
        """The newest version, or None."""
        if name in self._items:
            return self._items[name]
        size = size_named(name)
        return None if size is None else Item(name, 1, size, made_etag(name, 1))

    def declare(self, name: str) -> None:
        """Lets listings show an object that exists by its name."""
        if (item := self.find(name)) is not None:
            self._put(name, item)

    def bump(self, name: str) -> Item | None:
        """Overwrites an object with other made content of the same size; None where there is none."""
        item = self.find(name)
        if item is None:
            return None
        version = self._next_version(name)
        self._put(name, Item(name, version, item.size, made_etag(name, version), headers=item.headers))
        return self._items[name]

    def write(self, name: str, body: bytes, headers: Mapping[str, str], etag: str = "") -> Item:
        """Keeps a body; its tag is the MD5 of the bytes unless another is given. Raises `ShelfFull`."""
        self.reserve(len(body))
        tag = etag or hashlib.md5(body).hexdigest()
        item = Item(name, self._next_version(name), len(body), tag, body, headers)
        self._put(name, item)
        return item

    def delete(self, name: str) -> None:
        """Whether it was there or not."""
        self._versions[name] = self._next_version(name)
        self._put(name, None)

    def reserve(self, size: int) -> None:
        """Counts bytes that will be kept. Raises `ShelfFull`."""
        if self._kept + size > self._kept_max:
            raise ShelfFull
        self._kept += size

    def release(self, size: int) -> None:
        """Takes them off again."""
        self._kept -= size

    def names(self, prefix: str, after: str) -> Iterator[str]:
        """The names that listings show, under `prefix` and greater than `after`, in the order of their bytes."""
        if self._names is None:
            self._names = sorted((name for name, item in self._items.items() if item), key=str.encode)
        start = bisect.bisect_left(self._names, prefix.encode(), key=str.encode)
        start = max(start, bisect.bisect_right(self._names, after.encode(), key=str.encode))
        for name in self._names[start:]:
            if not name.startswith(prefix):
                return
            yield name

    def _put(self, name: str, item: Item | None) -> None:
        old = self._items.get(name)
        if (old is None) != (item is None):
            self._names = None
        if old is not None and old.body is not None and old is not item:
            self.release(len(old.body))
        self._items[name] = item

    def _next_version(self, name: str) -> int:
        item = self.find(name)
        return max(self._versions.get(name, 0), item.version if item else 0) + 1
