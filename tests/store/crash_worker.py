"""A process that keeps blocks in a store and says which were acknowledged, until somebody kills it."""

import asyncio
import random
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.config import StoreConfig
from gateway.model import MIB, Key, Known
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from tests.store.small import BUCKET, body, info_of

GEOMETRY = Geometry(
    segment_size=MIB, capacity_bytes=24 * MIB, slack_min_bytes=MIB, object_size_max=1 << 40, sync_every_bytes=2 * MIB
)
WRITERS = 4
VALIDATED_S = 1_700_000_000


def config(directory: Path) -> StoreConfig:
    """Of the store that worker and test open in turn."""
    return StoreConfig(paths=(directory,), read_threads=2)


def size_of(key: str) -> int:
    """The size of the object of this name."""
    return random.Random(key).choice((10, 4_000, 30_000, 100_000, 300_000))


async def keep(store: BlockStore, key: str) -> bool:
    """Keeps version 1 of an object."""
    info = info_of(key, 1, size_of(key))
    content = store.content(BUCKET, Key(key.encode()), info.version, info.size)
    return bool(await store.keep(content, 0, body(key, 1, 0, info.size), Known(info, VALIDATED_S)))


async def write(store: BlockStore, prefix: str) -> None:
    """Keeps, updates and forgets for ever. A line is written when the store has answered."""
    number = 0
    while True:
        key = f"{prefix}/{number}"
        number += 1
        if not await keep(store, key):
            continue
        if number % 7 == 0:
            await store.forget(BUCKET, Key(key.encode()))
            say("forgot", key)
        elif number % 7 == 1:
            await store.install(BUCKET, Key(key.encode()), Known(info_of(key, 2, 1), VALIDATED_S))
            say("updated", key)
        else:
            say("kept", key)


def say(verb: str, key: str) -> None:
    """Acknowledges to whoever reads our output."""
    sys.stdout.write(f"{verb} {key}\n")
    sys.stdout.flush()


async def main(directory: Path, prefix: str) -> None:
    """Opens the store and writes from several tasks at once."""
    async with BlockStore.open(config(directory), SystemClock(), GEOMETRY) as store, asyncio.TaskGroup() as tasks:
        for writer in range(WRITERS):
            tasks.create_task(write(store, f"{prefix}/{writer}"))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
