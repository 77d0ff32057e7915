"""All disks of a store: taken, agreed on, started together, stopped together."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from gateway.config import StoreConfig
from gateway.errors import ConfigInvalid
from gateway.kv import KvFailed
from gateway.store import capacity, identity, opening
from gateway.store.disk import Files
from gateway.store.extras import EntryDamaged
from gateway.store.identity import Home, Super
from gateway.store.older import Older
from gateway.store.opening import Means
from gateway.store.shard import Shard

log = logging.getLogger(__name__)


@asynccontextmanager
async def opened(config: StoreConfig, capacity_bytes: int, means: Means) -> AsyncIterator[tuple[list[Shard], Super]]:
    """The shards of a store, running within, and what all of their disks agree on. Raises `ConfigInvalid`."""
    async with AsyncExitStack() as stack:
        homes = [await _taken(path, means.files, stack) for path in config.paths]
        weights = [means.files.total_bytes(home.path) for home in homes]
        shares = capacity.shares(capacity_bytes, weights)
        segment_size = means.geometry.segment_size or capacity.segment_size(config.segment_size, min(shares))
        owns = identity.agree(homes, weights, segment_size)
        shards = []
        for number, (home, own) in enumerate(zip(homes, owns, strict=True)):
            shards.append(await stack.enter_async_context(_open(number, home, own, means)))
        # Only when no disk trusts any more what may be old, the new list of disks comes into force.
        for home, own, shard in zip(homes, owns, shards, strict=True):
            await asyncio.to_thread(_begin, home, replace(own, shard=shard.site.uuid), means.files)
        for home, share, shard in zip(homes, shares, shards, strict=True):
            older = await asyncio.to_thread(Older, home.path, shard)
            await _recover(home, share, shard)
            await stack.enter_async_context(opening.running(shard))
            await stack.enter_async_context(older.being_removed())
        yield shards, owns[0]


async def _taken(path: Path, files: Files, stack: AsyncExitStack) -> Home:
    home = await asyncio.to_thread(identity.take, path, files)
    stack.callback(files.close, home.lock)
    return home


@asynccontextmanager
async def _open(number: int, home: Home, own: Super, means: Means) -> AsyncIterator[Shard]:
    try:
        shard = await asyncio.to_thread(opening.shard_at, number, home, own, means)
    except (OSError, KvFailed) as error:
        raise ConfigInvalid([f"store.paths: {home.path} cannot be used: {error}"]) from error
    try:
        if home.super is not None and (home.super.disks != own.disks or not _is_intact(home, means.files)):
            shard.distrust()
        yield shard
    finally:
        await asyncio.to_thread(_end, home, shard)


def _is_intact(home: Home, files: Files) -> bool:
    """Whether all that was acknowledged is there: after a clean stop, or while the machine has not been down since."""
    boot = files.load(home.boot)
    return boot is not None and (files.load(home.clean) is not None or (boot.decode() == files.boot_id() != ""))


def _begin(home: Home, own: Super, files: Files) -> None:
    if home.super != own:
        files.replace(home.super_path, own.pack())
    files.unlink(home.clean)
    files.replace(home.boot, files.boot_id().encode())


def _end(home: Home, shard: Shard) -> None:
    shard.close()
    files = shard.site.files
    # Without BOOT an update was not written down: nothing may be trusted at the next start, however clean this end is.
    if not shard.at_rest or files.load(home.boot) is None:
        return
    clean = {"boot": files.boot_id(), "last_seq": shard.writer.last_seq}
    try:
        files.replace(home.clean, json.dumps(clean).encode() + b"\n")
    except OSError as error:
        log.warning("the store cannot say that it ended well", extra={"path": home.path, "error": str(error)})


async def _recover(home: Home, share_bytes: int, shard: Shard) -> None:
    try:
        await opening.recover(shard, share_bytes)
    except (OSError, KvFailed, EntryDamaged) as error:
        raise ConfigInvalid([f"store.paths: {home.path} cannot be used: {error}"]) from error
