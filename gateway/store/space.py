"""The room of a shard as its parts see it: who needs some asks here, who makes some is woken here."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from gateway.store.capacity import Room
from gateway.store.pending import OpenSegment
from gateway.store.site import Site
from gateway.store.table import Segments

ROOM_WAIT_S = 1.0
"""How long a writer waits for an eviction before its blocks are refused."""
AHEAD_SEGMENTS = 2
"""Free room that eviction keeps besides one for each segment that is being written, so that nobody waits for it."""

ROOMY_PART = 20
"""One part in so many of all segments, free besides what evictions leave, says that the store is not full any more."""


class Space:
    """Belongs to the event loop."""

    def __init__(self, site: Site, table: Segments) -> None:
        self._table = table
        self._room = Room(0, 0, site.segment_size, site.geometry.slack_min_bytes)
        self.being_made = 0
        """Segments that take space and are not in the table yet."""
        self.being_written = 0
        """Segments that are not sealed yet."""
        self.owed = 0
        """Segments to evict although there seems to be room."""
        self.is_stuck = False
        """Upkeep has found that it cannot make the room that is missing."""
        self.to_seal: deque[OpenSegment] = deque()
        self.wanted = asyncio.Event()
        """Set to have upkeep look; cleared by it."""

    def room(self) -> Room:
        """What is used, and of how much."""
        return replace(self._room, segments=self._table.count + self.being_made)

    @property
    def is_short(self) -> bool:
        """Whether something is to be evicted."""
        return self.owed > 0 or self.room().missing_for(AHEAD_SEGMENTS + self.being_written) > 0

    @property
    def is_roomy(self) -> bool:
        """Whether there is more room than evictions ever leave: others have given some back."""
        room = self.room()
        spare = AHEAD_SEGMENTS + max(1, room.segments_max // ROOMY_PART)
        return self.owed == 0 and room.missing_for(AHEAD_SEGMENTS + self.being_written + spare) <= 0

    @property
    def is_full(self) -> bool:
        """Whether there is no room for a segment of new blocks."""
        return self.room().missing_for(self._for_new) > 0

    @property
    def _for_new(self) -> int:
        # What evictions move must find room: one in main, and one for what is pinned.
        return 3 if self._table.pinned_bytes else 2

    def measured(self, share_bytes: int, index_bytes: int, limit_bytes: int) -> None:
        """What may be used now, and what the index takes of it."""
        self._room = replace(self._room, share_bytes=share_bytes, index_bytes=index_bytes, limit_bytes=limit_bytes)

    def removing(self, removed_bytes: int) -> None:
        """So much of an older shard's directory is still there."""
        self._room = replace(self._room, removed_bytes=removed_bytes)

    def counted(self, hits_bytes: int) -> None:
        """So much the hit counters take."""
        self._room = replace(self._room, hits_bytes=hits_bytes)

    def full(self, opened: OpenSegment) -> None:
        """Nothing more is written to it: it is to be sealed."""
        self.to_seal.append(opened)
        self.wanted.set()

    def look_again(self) -> None:
        """Has those who wait for room see whether they still need to."""
        self._table.changed.set()

    async def has_one(self, *, moves: Callable[[], bool]) -> bool:
        """Lets upkeep work until there is room for a segment; False if there is none soon, or none can be made.

        `moves`: it is for what an eviction moves, so that none can be waited for.
        """
        try:
            async with asyncio.timeout(ROOM_WAIT_S):
                while self.room().missing_for(1) > 0 if moves() else self.is_full:
                    if self.is_stuck or moves():
                        return False
                    await self._changed()
        except TimeoutError:
            return False
        return True

    async def evicted_one(self) -> bool:
        """Lets upkeep evict a segment although there seems to be room; False if it does not soon, or cannot."""
        self.owed = 1
        try:
            async with asyncio.timeout(ROOM_WAIT_S):
                while self.owed:
                    if self.is_stuck:
                        return False
                    await self._changed()
        except TimeoutError:
            return False
        return True

    async def _changed(self) -> None:
        self._table.changed.clear()
        self.wanted.set()
        await self._table.changed.wait()
