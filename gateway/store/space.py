"""The room of a shard as its parts see it: who needs some asks here, who makes some is woken here."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from gateway.store.capacity import Room
from gateway.store.site import Site
from gateway.store.table import Segments

ROOM_WAIT_S = 1.0
"""How long a writer waits for an eviction before its blocks are refused."""


class Space:
    """Belongs to the event loop."""

    def __init__(self, site: Site, table: Segments) -> None:
        self._table = table
        self._room = Room(0, 0, site.segment_size, site.geometry.slack_min_bytes)
        self.being_made = 0
        """Segments that take space and are not in the table yet."""
        self.owed = 0
        """Segments to evict although there seems to be room."""
        self.is_stuck = False
        """Upkeep has found that it cannot make the room that is missing."""
        self.wanted = asyncio.Event()
        """Set to have upkeep look; cleared by it."""

    def room(self) -> Room:
        """What is used, and of how much."""
        return replace(self._room, segments=self._table.count + self.being_made)

    def measured(self, share_bytes: int, index_bytes: int, limit_bytes: int) -> None:
        """What may be used now, and what the index takes of it."""
        self._room = replace(self._room, share_bytes=share_bytes, index_bytes=index_bytes, limit_bytes=limit_bytes)

    def removing(self, removed_bytes: int) -> None:
        """So much of an older shard's directory is still there."""
        self._room = replace(self._room, removed_bytes=removed_bytes)

    async def holds(self, condition: Callable[[], bool]) -> bool:
        """Lets upkeep work until it holds; False if it does not soon, or cannot."""
        try:
            async with asyncio.timeout(ROOM_WAIT_S):
                while not condition():
                    if self.is_stuck:
                        return False
                    self._table.changed.clear()
                    self.wanted.set()
                    await self._table.changed.wait()
        except TimeoutError:
            return False
        return True
