"""How far the store leans on a disk. Decides alone: who touches the disk tells what it met, and asks."""

import asyncio
import errno
import logging
from collections import deque
from enum import Enum
from pathlib import Path

from gateway.kv import KvCorrupt, KvFailed, KvFull, KvStalled

READ_FAILURES_DEGRADED = 3
READ_FAILURES_OFFLINE = 10
READ_FAILURES_WITHIN_S = 60.0
DEGRADED_S = 600.0
"""A disk without a read that fails for so long is healthy again."""
DEGRADED_READS_MAX = 10
"""Reads at once of a degraded disk; more are misses."""
FULL_RETRY_S = 30.0
"""How long a full file system is left alone before it is asked again."""
STUCK_S = 5.0
"""A call to the disk that takes longer: it is gone, or might as well be."""

_OF_THE_PROCESS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What a file system says that has no room."""

log = logging.getLogger(__name__)


class DiskState(Enum):
    """What a disk is good for."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Some reads fail: nothing more is kept on it, and few read it at once."""
    OFFLINE = "offline"
    """It is left alone: all it had are misses, until it comes back."""


def is_of_the_process(error: OSError) -> bool:
    """Whether a failure says nothing of the disk."""
    return error.errno in _OF_THE_PROCESS


class Health:
    """Of one disk, as long as it is in use; times are of one clock that never runs backwards.

    `given_up` is set when the disk is OFFLINE; there is no way back but a start. `index_lost`: that start must be an
    empty one. `index_full`: the index takes no writes until it has room and was opened again.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._read_failures: deque[float] = deque(maxlen=READ_FAILURES_OFFLINE)
        self._full_until_s = float("-inf")
        self.given_up = asyncio.Event()
        self.index_lost = False
        self.index_full = False

    def state(self, now_s: float) -> DiskState:
        """What the disk is good for now."""
        if self.given_up.is_set():
            return DiskState.OFFLINE
        failed = self._read_failures
        if len(failed) < READ_FAILURES_DEGRADED or now_s - failed[-1] >= DEGRADED_S:
            return DiskState.HEALTHY
        # Failures of long ago count once they came close to each other: that is what degraded it.
        return DiskState.DEGRADED

    def admits(self, now_s: float) -> bool:
        """Whether to keep more on it."""
        return now_s >= self._full_until_s and not self.index_full and self.state(now_s) is DiskState.HEALTHY

    def read_failed(self, error: OSError | KvFailed, now_s: float) -> None:
        """A read failed, of a segment or of the index."""
        if isinstance(error, OSError) and is_of_the_process(error):
            return
        failed, before = self._read_failures, self.state(now_s)
        while before is DiskState.HEALTHY and failed and now_s - failed[0] > READ_FAILURES_WITHIN_S:
            failed.popleft()
        failed.append(now_s)
        if len(failed) == READ_FAILURES_OFFLINE and now_s - failed[0] <= READ_FAILURES_WITHIN_S:
            self.give_up(error)
        elif before is DiskState.HEALTHY and self.state(now_s) is DiskState.DEGRADED:
            log.error("a disk of the store fails reads: nothing more is kept on it", extra=self._facts(error))

    def write_failed(self, error: OSError, now_s: float) -> None:
        """A write, a sync or the making of a file failed."""
        if error.errno in FULL:
            self.full(error, now_s)
        elif not is_of_the_process(error):
            self.give_up(error)

    def full(self, error: OSError, now_s: float) -> None:
        """There is no room where some was to be."""
        if now_s >= self._full_until_s:
            log.warning("the file system is full", extra=self._facts(error))
        self._full_until_s = now_s + FULL_RETRY_S

    def index_failed(self, error: KvFailed, now_s: float, *, reads: bool) -> None:
        """The index failed; a stall is none."""
        if isinstance(error, KvStalled):
            return
        if isinstance(error, KvCorrupt):
            self.index_lost = True
            self.give_up(error)
        elif isinstance(error, KvFull):
            if not self.index_full:
                log.error("the index of a disk has no room", extra=self._facts(error))
            self.index_full = True
        elif reads:
            self.read_failed(error, now_s)
        else:
            self.give_up(error)

    def give_up(self, error: Exception) -> None:
        """It is OFFLINE."""
        if not self.given_up.is_set():
            log.error("a disk of the store fails: it is left alone", extra=self._facts(error))
        self.given_up.set()

    def _facts(self, error: Exception) -> dict[str, str]:
        return {"path": str(self._directory), "error": str(error)}
