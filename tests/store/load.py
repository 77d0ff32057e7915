"""A load of all a store can be asked, and a ledger of what it answered."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from gateway.clock import Clock
from gateway.model import Key, Known
from gateway.store.store import BlockStore
from gateway.store.values import Content, Place
from tests.store.small import BUCKET, body, info_of

SIZES = (10, 2_000, 9_000, 12_000)
PIN_S = 3_600


@dataclass
class Ledger:
    """What is sure of some keys, from what a writer said before and after each thing it asked.

    `began` is the last version that was to be kept or installed, `latest` that of the info which the store must tell
    if it tells one (0: none), unless the key is in `doubtful`: something was asked and not answered. `kept` names the
    segment in which the latest version was found when it was kept; `gone` the last version that a purge took away.
    """

    began: dict[str, int] = field(default_factory=dict)
    latest: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    doubtful: set[str] = field(default_factory=set)

    def copy(self) -> "Ledger":
        return Ledger(dict(self.began), dict(self.latest), dict(self.kept), dict(self.gone), set(self.doubtful))

    def note(self, words: Sequence[str]) -> None:
        """Takes what a writer said: a verb, a key (or a prefix, to purge), numbers."""
        verb, key, *numbers = words
        match verb:
            case "trying":
                self.began[key] = int(numbers[0])
                self.doubtful.add(key)
                self.kept.pop(key, None)
            case "forgetting":
                self.doubtful.add(key)
                self.kept.pop(key, None)
            case "purging":
                self.doubtful.update(self._below(key))
                for each in self._below(key):
                    self.kept.pop(each, None)
            case "told":
                self.latest[key] = int(numbers[0])
                self.doubtful.discard(key)
            case "kept":
                self.kept[key] = int(numbers[0])
            case "purged":
                for each in self._below(key):
                    self.gone[each] = self.began[each]
                    self.latest[each] = 0
                    self.doubtful.discard(each)

    def _below(self, prefix: str) -> list[str]:
        return [key for key in self.began if key.startswith(prefix)]


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
    """Asks for one thing after the other, of keys below `prefix` that nobody else writes, and says what it does.

    Purges take all below the first part of the prefix.
    """

    def __init__(self, store: BlockStore, clock: Clock, prefix: str, keys: int, chance: random.Random) -> None:
        self._store = store
        self._clock = clock
        self._purged = prefix.partition("/")[0] + "/"
        self._keys = [f"{prefix}/{number}" for number in range(keys)]
        self._chance = chance
        self.ledger = Ledger()

    def say(self, *words: str) -> None:
        """Notes it."""
        self.ledger.note(words)

    async def step(self) -> None:
        """Does something."""
        steps: dict[Callable[[str], Awaitable[None]], int] = {
            self.keep: 50,
            self.read: 34,
            self.install: 5,
            self.forget: 5,
            self.pin: 5,
            self.purge: 1,
        }
        [step] = self._chance.choices(list(steps), list(steps.values()))
        await step(self._chance.choice(self._keys))

    async def keep(self, key: str) -> None:
        version, known = self._next(key)
        content = content_of(self._store, key, version)
        kept = await self._store.keep(content, 0, bytes_of(key, version), known)
        self.say("told", key, str(version))
        [place] = self._store.places(content, 0, 1)
        if kept and place is not None:
            self.say("kept", key, str(place.segment))

    async def install(self, key: str) -> None:
        version, known = self._next(key)
        await self._store.install(BUCKET, Key(key.encode()), known)
        self.say("told", key, str(version))

    def _next(self, key: str) -> tuple[int, Known]:
        version = self.ledger.began.get(key, 0) + 1
        self.say("trying", key, str(version))
        return version, Known(info_of(key, version, size_of(key, version)), int(self._clock.now_s()))

    async def read(self, key: str) -> None:
        version = self.ledger.began.get(key, 0)
        if (place := self._place(key)) is not None:
            data = await self._store.read(place, 0, place.data_size)
            assert data is None or bytes(data) == bytes_of(key, version)

    async def pin(self, key: str) -> None:
        if (place := self._place(key)) is not None:
            self._store.pin(place, int(self._clock.now_s()) + PIN_S)

    def _place(self, key: str) -> Place | None:
        [place] = self._store.places(content_of(self._store, key, self.ledger.began.get(key, 0)), 0, 1)
        return place

    async def forget(self, key: str) -> None:
        self.say("forgetting", key)
        await self._store.forget(BUCKET, Key(key.encode()))
        self.say("told", key, "0")

    async def purge(self, key: str) -> None:
        """All of the writer's keys, and those of others below the same first part."""
        del key
        self.say("purging", self._purged)
        await self._store.purge(BUCKET, self._purged.encode())
        self.say("purged", self._purged)
