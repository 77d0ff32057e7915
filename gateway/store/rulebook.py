"""The rules in force: kept on every disk of the store, so that what was to be forgotten stays forgotten."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from gateway.clock import Clock
from gateway.model import Bucket
from gateway.store import rules
from gateway.store.disk import Files
from gateway.store.rules import Rules, RulesDamaged
from gateway.store.site import trust_nothing_at_next_start

NAME = "RULES"

log = logging.getLogger(__name__)


class Rulebook:
    """Belongs to the event loop. `rules` is replaced as a whole, in one stretch."""

    def __init__(self, disks: Sequence[Path], files: Files, clock: Clock) -> None:
        """Reads what the disks hold, whose locks are held: the newest rules are in force. Blocks."""
        self._disks = disks
        self._files = files
        self._clock = clock
        self._changing = asyncio.Lock()
        self._writing = threading.Lock()
        self._written_serial = 0
        found = [self._read(disk) for disk in disks]
        self.rules = rules.newest(each for each in found if each is not None)
        if None in found and self.rules == Rules():
            self.rules = rules.lost(int(clock.now_s()))
        if any(each != self.rules for each in found):
            self._write(self.rules)

    async def purge(self, bucket: Bucket, prefix: bytes) -> None:
        """Puts a purge in force. When it returns it outlives a loss of power, on disks that take it."""
        async with self._changing:
            await self._put(self.rules.purged(bucket, prefix, int(self._clock.now_s())))

    async def invalidate(self, bucket: Bucket, prefix: bytes) -> None:
        """Puts an invalidation in force, as `purge` does."""
        async with self._changing:
            await self._put(self.rules.invalidated(bucket, prefix, int(self._clock.now_s())))

    async def _put(self, fresh: Rules) -> None:
        try:
            await asyncio.to_thread(self._write, fresh)
        finally:
            # Also where the caller leaves: the thread goes on to write it.
            self.rules = fresh

    def _read(self, disk: Path) -> Rules | None:
        """The rules that a disk holds, none if it never had any; None if it cannot say."""
        path = disk / NAME
        try:
            content = self._files.load(path)
            return Rules() if content is None else rules.parse(content)
        except (OSError, RulesDamaged) as error:
            log.error("a disk does not know what it was told to forget", extra={"path": path, "error": str(error)})
            return None

    def _write(self, fresh: Rules) -> None:
        with self._writing:
            if fresh.serial <= self._written_serial:
                return
            self._written_serial = fresh.serial
            content = fresh.pack()
            for disk in self._disks:
                self._write_to(disk, content)

    def _write_to(self, disk: Path, content: bytes) -> None:
        try:
            self._files.replace(disk / NAME, content)
        except OSError as error:
            log.error("a disk cannot keep what to forget", extra={"path": disk, "error": str(error)})
            trust_nothing_at_next_start(disk, self._files)
