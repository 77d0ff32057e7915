"""The blocks of an object that are here, a few at a time, so that looking at millions of them delays nobody."""

import asyncio
from collections.abc import AsyncIterator

from gateway.model import BLOCK_SIZE
from gateway.store.store import BlockStore
from gateway.store.values import Content, Place

LOOKUP_MAX = 64
"""Blocks looked up in one stretch of the event loop."""


def block_count(size: int) -> int:
    """How many blocks hold so many bytes."""
    return -(-size // BLOCK_SIZE)


async def present(store: BlockStore, content: Content, blocks: int) -> AsyncIterator[tuple[int, Place]]:
    """Of the first `blocks` blocks those that are here, in order."""
    for start in range(0, blocks, LOOKUP_MAX):
        for number, place in enumerate(store.places(content, start, min(LOOKUP_MAX, blocks - start)), start):
            if place is not None:
                yield number, place
        await asyncio.sleep(0)
