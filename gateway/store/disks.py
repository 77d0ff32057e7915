"""All disks of a store: taken, agreed on, started together, stopped together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.config import StoreConfig
from gateway.store import capacity, identity
from gateway.store.disk import Files
from gateway.store.identity import Home, Super
from gateway.store.opening import Means
from gateway.store.seat import Seat
from gateway.store.shard import Shard


@asynccontextmanager
async def opened(config: StoreConfig, capacity_bytes: int, means: Means) -> AsyncIterator[tuple[list[Shard], Super]]:
    """The shards of a store, running within, and what all of their disks agree on. Raises `ConfigInvalid`.

    The list changes: a disk that fails is given another shard, which keeps nothing until it is back.
    """
    async with AsyncExitStack() as stack:
        homes = [await _taken(path, means.files, stack) for path in config.paths]
        weights = [means.files.total_bytes(home.path) for home in homes]
        shares = capacity.shares(capacity_bytes, weights)
        segment_size = means.geometry.segment_size or capacity.segment_size(config.segment_size, min(shares))
        owns = identity.agree(homes, weights, segment_size)
        shards: list[Shard] = []
        seats = [
            Seat(number, home, own, means, shards) for number, (home, own) in enumerate(zip(homes, owns, strict=True))
        ]
        stack.push_async_callback(_left, seats)
        # A disk that was away knows the list of then: what it missed, the others know from theirs.
        changed = any(
            home.super is not None and home.super.disks != own.disks for home, own in zip(homes, owns, strict=True)
        )
        for seat in seats:
            await seat.enter(disks_changed=changed)
        # Only when no disk trusts any more what may be old, the new list of disks comes into force.
        for seat in seats:
            await seat.begin()
        for seat, share_bytes in zip(seats, shares, strict=True):
            await seat.start(share_bytes)
        yield shards, owns[0]


async def _left(seats: list[Seat]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for seat in seats:
            tasks.create_task(seat.leave())


async def _taken(path: Path, files: Files, stack: AsyncExitStack) -> Home:
    home = await asyncio.to_thread(identity.take, path, files)
    stack.callback(files.close, home.lock)
    return home
