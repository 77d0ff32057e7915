"""Pins: all blocks of an object that are here stay, whatever else is read, until their time has come."""

from dataclasses import dataclass

from gateway.cache.present import block_count, present
from gateway.errors import PinsFull
from gateway.model import Key
from gateway.mounts import Mount
from gateway.store.store import BlockStore
from gateway.store.values import Content, Place


@dataclass(frozen=True, slots=True)
class Pinned:
    """Of the blocks of an object, how many were here and did what was told; `blocks` is 0 if nothing is known of it."""

    blocks: int
    done: int


async def pin(store: BlockStore, mount: Mount, key: Key, until_s: int) -> Pinned:
    """Pins what is here of an object until then (unix seconds, 0 for good).

    Raises `PinsFull`, and then has pinned nothing.
    """
    content = _content(store, mount, key)
    if content is None:
        return Pinned(0, 0)
    blocks = block_count(content.size)
    done: list[tuple[Place, int | None]] = []
    async for _, place in present(store, content, blocks):
        there = store.describe(place)
        if there is None:
            continue
        if not store.pin(place, until_s):
            _undo(store, done)
            raise PinsFull
        done.append((place, there.pinned_until_s))
    return Pinned(blocks, len(done))


async def unpin(store: BlockStore, mount: Mount, key: Key) -> Pinned:
    """Ends the pins of an object; its blocks stay as long as any others."""
    content = _content(store, mount, key)
    if content is None:
        return Pinned(0, 0)
    blocks, done = block_count(content.size), 0
    async for _, place in present(store, content, blocks):
        done += store.unpin(place)
    return Pinned(blocks, done)


def _content(store: BlockStore, mount: Mount, key: Key) -> Content | None:
    known = store.known(mount.bucket, key)
    return None if known is None else store.content(mount.bucket, key, known.info.version, known.info.size)


def _undo(store: BlockStore, done: list[tuple[Place, int | None]]) -> None:
    for place, before_s in done:
        if before_s is None:
            store.unpin(place)
        else:
            store.pin(place, before_s)
