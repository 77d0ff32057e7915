"""The lives of blocks in a small store: kept, read, pinned, looked up, and pushed out by others."""

from gateway.store.values import NORMAL_TERMS, Outcome, Place, Terms
from gateway.store.whereabouts import Whereabouts
from tests.store.small import Small, body

SIZE = 9_900
PER_SEGMENT = 6
"""So many blocks of `SIZE` fill a segment."""


async def keep(small: Small, key: str, terms: Terms = NORMAL_TERMS) -> Outcome:
    """Keeps a whole object of `SIZE` bytes."""
    data = body(key, 1, 0, SIZE)
    return await small.store.keep(small.content(key, 1, SIZE), 0, data, small.known(key, 1, SIZE), terms)


async def keep_all(small: Small, name: str, count: int, terms: Terms = NORMAL_TERMS) -> list[str]:
    """Keeps so many, and returns their keys."""
    keys = [f"{name}{number}" for number in range(count)]
    for key in keys:
        await keep(small, key, terms)
    return keys


def place(small: Small, key: str) -> Place | None:
    """Where it lies."""
    [found] = small.store.places(small.content(key, 1, SIZE), 0, 1)
    return found


def where(small: Small, key: str) -> Whereabouts:
    """What the store tells of a block that is there."""
    there = place(small, key)
    assert there is not None, key
    described = small.store.describe(there)
    assert described is not None, key
    return described


async def is_there(small: Small, key: str) -> bool:
    """Reads it; if anything is read, it is right."""
    data = await small.read(small.content(key, 1, SIZE))
    assert data is None or data == body(key, 1, 0, SIZE)
    return data is not None


async def there(small: Small, keys: list[str]) -> list[str]:
    """Those that are there, each of them read."""
    return [key for key in keys if await is_there(small, key)]


def pin(small: Small, key: str, until_s: int = 0) -> bool:
    """Pins a block that is there."""
    found = place(small, key)
    assert found is not None, key
    return small.store.pin(found, until_s)
