"""The place of a disk in the store: the shard in it is exchanged when the disk fails, comes back or loses its index."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace

from gateway.errors import ConfigInvalid
from gateway.kv import KvFailed
from gateway.store import identity, opening
from gateway.store.disk import Files
from gateway.store.extras import EntryDamaged
from gateway.store.identity import Home, Super, fresh_uuid
from gateway.store.older import Older
from gateway.store.opening import Means
from gateway.store.shard import Shard
from gateway.store.site import trust_nothing_at_next_start
from gateway.store.threads import Threads
from gateway.tasks import end

WATCH_EVERY_S = 1.0
LOSSES_MAX = 2
"""So many indexes lost within `LOSSES_WITHIN_S`: the disk is not believed any more until the first is that long ago."""
LOSSES_WITHIN_S = 24 * 3600.0
LEAVE_S = 1.0
"""How long an end waits for a call to a disk that was given up."""
POLL_MIN_S = 0.01
POLL_MAX_S = 10.0

log = logging.getLogger(__name__)


class Seat:
    """One disk. `shards` are those of the store in the order of its disks; this one exchanges its own in it."""

    def __init__(self, number: int, home: Home, own: Super, means: Means, shards: list[Shard]) -> None:
        self._number = number
        self._home = home
        self._own = own
        self._means = means
        self._shards = shards
        self._was_intact = _is_intact(home, means.files)
        self._share_bytes = 0
        self._runs = AsyncExitStack()
        self._attending: asyncio.Task[None] | None = None
        self._losses: list[float] = []
        # A call to a disk that failed may take for ever, so it has a thread of its own.
        self._thread = Threads("store-probe", 1, means.clock)
        self._leaving: Shard | None = None
        self._coming: Shard | None = None
        self._misses_updates = False

    @property
    def shard(self) -> Shard:
        return self._shards[self._number]

    async def enter(self, *, disks_changed: bool) -> None:
        """Opens the index; what may be old is distrusted, as all is when the disks of the store have changed.

        Raises `ConfigInvalid`.
        """
        try:
            shard = await asyncio.to_thread(opening.shard_at, self._number, self._home, self._own, self._means)
        except (OSError, KvFailed) as error:
            raise ConfigInvalid([f"store.paths: {self._home.path} cannot be used: {error}"]) from error
        shard.heed_index()
        self._shards.append(shard)
        if self._home.super is not None and (disks_changed or not self._was_intact):
            shard.distrust()

    async def begin(self) -> None:
        """Says on the disk whose it is, and that it is in use. Raises `ConfigInvalid`."""
        self._own = replace(self._own, shard=self.shard.site.uuid)
        try:
            await asyncio.to_thread(_begin, self._home, self._own, self._means.files)
        except OSError as error:
            raise ConfigInvalid([f"store.paths: {self._home.path} cannot be used: {error}"]) from error

    async def start(self, share_bytes: int) -> None:
        """Finds what the disk holds, and lets the shard run. Raises `ConfigInvalid`."""
        self._share_bytes = share_bytes
        try:
            await self._start(self.shard, trusts_all=self._was_intact)
        except (OSError, KvFailed, EntryDamaged) as error:
            raise ConfigInvalid([f"store.paths: {self._home.path} cannot be used: {error}"]) from error
        self._attending = asyncio.get_running_loop().create_task(self._attend())

    async def _start(self, shard: Shard, *, trusts_all: bool) -> None:
        older = await asyncio.to_thread(Older, self._home.path, shard)
        await opening.recover(shard, self._share_bytes, trusts_all=trusts_all)
        await self._runs.enter_async_context(opening.running(shard))
        await self._runs.enter_async_context(older.being_removed())

    async def _attend(self) -> None:
        while True:
            try:
                async with asyncio.timeout(WATCH_EVERY_S):
                    await self.shard.health.given_up.wait()
            except TimeoutError:
                self.shard.watch()
                continue
            await self._exchange()

    async def _exchange(self) -> None:
        left = await self._give_up()
        await _holds(lambda: left.is_left)
        await self._thread.run(left.end)
        self._leaving = None
        await self._come_back(left)

    async def _give_up(self) -> Shard:
        """Takes the shard out of use; from now on all is a miss. Returns it: threads and readers may still be in it."""
        left = self._leaving = self.shard
        left.give_up()
        self._shards[self._number] = opening.absent(left, self._means)
        if not left.health.index_lost:
            # What is told to forget from now on is not written down here. An empty store has nothing to forget.
            self._misses_updates = True
            self._thread.let(left.site.trust_nothing_at_next_start)
        await self._runs.aclose()
        return left

    async def _come_back(self, left: Shard) -> None:
        empty = left.health.index_lost
        if empty:
            self._losses.append(self._means.clock.monotonic_s())
        tries_now = empty and self._is_believed()
        while not (tries_now and await self._began_again(left, empty=empty)):
            await asyncio.sleep(self._means.geometry.probe_every_s)
            tries_now = self._is_believed()

    def _is_believed(self) -> bool:
        now_s = self._means.clock.monotonic_s()
        self._losses = [lost_s for lost_s in self._losses if now_s - lost_s < LOSSES_WITHIN_S]
        return len(self._losses) < LOSSES_MAX

    async def _began_again(self, left: Shard, *, empty: bool) -> bool:
        """A start as after a loss of power; False if the disk is not the one that was, or does not work."""
        try:
            await self._thread.run(self._probe)
            own = replace(self._own, shard=fresh_uuid()) if empty else self._own
            shard = await self._thread.run(self._find, own)
            shard.heed_index()
            if not shard.index.distrust():
                raise KvFailed("the index takes no writes")
            self._own = replace(own, shard=shard.site.uuid)
            await self._thread.run(_begin, self._home, self._own, self._means.files)
            await self._start(shard, trusts_all=False)
        except (OSError, KvFailed, EntryDamaged, ConfigInvalid) as error:
            log.info("a disk of the store is still left alone", extra={"path": self._home.path, "error": str(error)})
            await self._undo()
            return False
        # A place that somebody still has from before must not name another segment of now.
        making = shard.making
        making.next_id = making.reserved_id = max(making.next_id, left.making.next_id)
        self._shards[self._number], self._coming = shard, None
        self._misses_updates = False
        log.info("a disk of the store is used again", extra={"path": self._home.path, "is_empty": empty})
        return True

    def _find(self, own: Super) -> Shard:
        # In the thread, so that it is not lost if who waits for it is cancelled.
        self._coming = opening.shard_at(self._number, self._home, own, self._means)
        return self._coming

    async def _undo(self) -> None:
        shard = self._coming
        if shard is not None:
            shard.give_up()
            await self._runs.aclose()
            await _holds(lambda: shard.is_left)
            await self._thread.run(shard.end)
            self._coming = None

    def _probe(self) -> None:
        """Finds that it is the disk that was, and takes and gives bytes. Raises `OSError`, `ConfigInvalid`."""
        files, path = self._means.files, self._home.path
        if identity.disk_uuid(path, files) != self._own.disk_uuid:
            raise ConfigInvalid([f"store.paths: {path} holds another disk"])
        files.probe(path / "PROBE")
        files.lock_again(path / "LOCK", self._home.lock)

    async def leave(self) -> None:
        """Stops the shard, and says that it ended well if it did. Never raises for the disk."""
        if self._attending is not None:
            await end(self._attending)
        await self._runs.aclose()
        self._thread.close(waits=False)
        with suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await _holds(lambda: self._thread.is_idle)
        if self._coming is not None:
            await asyncio.to_thread(self._coming.close)
        if self._leaving is not None and self._leaving.is_left:
            await asyncio.to_thread(self._leaving.end)
        if self._misses_updates and self._thread.is_idle:
            # It may not have worked when the disk was left alone; now is the last chance.
            await asyncio.to_thread(trust_nothing_at_next_start, self._home.path, self._means.files)
        if self._number < len(self._shards):
            await asyncio.to_thread(_end, self._home, self.shard)


async def _holds(condition: Callable[[], bool]) -> None:
    """Returns when it holds; asks at growing distances, as it may take long."""
    delay_s = POLL_MIN_S
    while not condition():
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, POLL_MAX_S)


def _is_intact(home: Home, files: Files) -> bool:
    """Whether all that was acknowledged is there: after a clean stop, or if the machine has not been down since."""
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
    if not shard.at_rest:
        return
    try:
        if files.load(home.boot) is not None:
            clean = {"boot": files.boot_id(), "last_seq": shard.writer.last_seq}
            files.replace(home.clean, json.dumps(clean).encode() + b"\n")
    except OSError as error:
        log.warning("the store cannot say that it ended well", extra={"path": home.path, "error": str(error)})
