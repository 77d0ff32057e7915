"""A load of all a store can be asked, and a ledger of what it answered."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.model import Key, Known
from gateway.store.store import BlockStore
from gateway.store.values import Content
from tests.store.small import BUCKET, body, info_of

SIZES = (10, 2_000, 9_000, 12_000)
PIN_S = 3_600


@dataclass
class Ledger:
    """What is sure of one writer's keys.

    `began` is the last version whose keep or install began, `visible` the versions that were answered to be kept, and
    not replaced since, and `gone` the last version that a purge took away.
    """

    began: dict[str, int] = field(default_factory=dict)
    visible: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "Ledger":
        return Ledger(dict(self.began), dict(self.visible), dict(self.gone))


def size_of(key: str, version: int) -> int:
    """The size of a version."""
    return random.Random(f"{key}/{version}").choice(SIZES)


def content_of(store: BlockStore, key: str, version: int) -> Content:
    """A version as the store names it now."""
    size = size_of(key, version)
    return store.content(BUCKET, Key(key.encode()), info_of(key, version, size).version, size)


def bytes_of(key: str, version: int) -> bytes:
    """Those of a version."""
    return body(key, version, 0, size_of(key, version))


class Writer:
    """Asks for one thing after the other, of keys below `prefix` that nobody else writes."""

    def __init__(self, store: BlockStore, clock: Clock, prefix: str, keys: int, chance: random.Random) -> None:
        self._store = store
        self._clock = clock
        self._prefix = prefix
        self._keys = [f"{prefix}/{number}" for number in range(keys)]
        self._chance = chance
        self.ledger = Ledger()

    async def step(self) -> str:
        """Does something; returns what."""
        steps: dict[Callable[[str], Awaitable[None]], int] = {
            self.keep: 50,
            self.read: 30,
            self.install: 5,
            self.forget: 5,
            self.pin: 8,
            self.purge: 1,
        }
        [step] = self._chance.choices(list(steps), list(steps.values()))
        key = self._chance.choice(self._keys)
        await step(key)
        return f"{step.__name__} {key}"

    def _next(self, key: str) -> tuple[int, Known]:
        version = self.ledger.began[key] = self.ledger.began.get(key, 0) + 1
        self.ledger.visible.pop(key, None)
        return version, Known(info_of(key, version, size_of(key, version)), int(self._clock.now_s()))

    async def keep(self, key: str) -> None:
        version, known = self._next(key)
        content = content_of(self._store, key, version)
        if await self._store.keep(content, 0, bytes_of(key, version), known):
            self.ledger.visible[key] = version

    async def read(self, key: str) -> None:
        version = self.ledger.began.get(key, 0)
        [place] = self._store.places(content_of(self._store, key, version), 0, 1)
        if place is not None:
            data = await self._store.read(place, 0, place.data_size)
            assert data is None or bytes(data) == bytes_of(key, version)

    async def install(self, key: str) -> None:
        _, known = self._next(key)
        await self._store.install(BUCKET, Key(key.encode()), known)

    async def forget(self, key: str) -> None:
        self.ledger.visible.pop(key, None)
        await self._store.forget(BUCKET, Key(key.encode()))

    async def pin(self, key: str) -> None:
        version = self.ledger.began.get(key, 0)
        [place] = self._store.places(content_of(self._store, key, version), 0, 1)
        if place is not None:
            self._store.pin(place, int(self._clock.now_s()) + PIN_S)

    async def purge(self, key: str) -> None:
        """All of the writer's keys."""
        gone = dict(self.ledger.began)
        self.ledger.visible.clear()
        await self._store.purge(BUCKET, f"{self._prefix}/".encode())
        self.ledger.gone = gone
