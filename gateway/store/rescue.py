"""What to do when the index has no room: make some without its help, and open it again."""

import logging

from gateway.kv import KvFailed
from gateway.store import entries
from gateway.store.entries import State
from gateway.store.eviction import Eviction
from gateway.store.ground import Ground
from gateway.store.segments import Kind
from gateway.store.table import Segment

TRY_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Rescue:
    """Belongs to the event loop; reads go on meanwhile, but for the moment in which the index is opened again.

    After a write that failed for want of room RocksDB takes none until then, whatever room there is.
    """

    def __init__(self, ground: Ground, eviction: Eviction) -> None:
        self._ground = ground
        self._eviction = eviction
        self._unlinked: list[int] = []

    async def attempt(self) -> bool:
        """Whether the index takes writes again. Gives a segment up if the disk is full, the disk if there is none."""
        ground = self._ground
        try:
            if not await self._has_room():
                victim = self._victim()
                if victim is None:
                    ground.health.give_up(OSError("the index has no room, and nothing can be given up for it"))
                    return False
                # What is found in it are misses from now on: it is not in the table any more.
                await self._eviction.end(victim)
                self._unlinked.append(victim.id)
            await ground.index.open_again(ground.tending.call)
        except OSError as error:
            ground.health.write_failed(error, ground.monotonic_s)
            return False
        except KvFailed as error:
            ground.health.index_failed(error, ground.monotonic_s, reads=False)
            return False
        gone = [(entries.segment_key(number), None) for number in self._unlinked]
        if not ground.index.write([(entries.SCHEMA_KEY, entries.SCHEMA), *gone]):
            return False
        self._unlinked.clear()
        ground.health.index_full = False
        log.info("the index of a disk has room again", extra={"path": ground.site.directory})
        return True

    async def _has_room(self) -> bool:
        site = self._ground.site
        return await self._ground.tending.call(site.files.free_bytes, site.directory) >= site.segment_size

    def _victim(self) -> Segment | None:
        settled = [one for one in self._ground.table.all() if one.entry.state in (State.SEALED, State.SYNCED)]
        return min(settled, key=lambda one: (one.entry.kind is Kind.PINNED, one.entry.log_position), default=None)
