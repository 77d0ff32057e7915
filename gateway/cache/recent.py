"""A mapping of limited size: who comes new when it is full puts out who was put longest ago."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """At most `count_max` entries; putting an entry again makes it the youngest."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._entries: OrderedDict[K, V] = OrderedDict()

    def put(self, key: K, value: V) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._count_max:
            self._entries.popitem(last=False)

    def get(self, key: K) -> V | None:
        """What was put under this key; None if nothing was, or others have put it out."""
        return self._entries.get(key)

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)
