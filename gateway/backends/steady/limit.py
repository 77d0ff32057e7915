"""How many requests an endpoint gets at once: a limit that learns, and turns for those who wait."""

import asyncio
from collections import deque
from enum import Enum

from gateway.errors import BackendUnavailable, SlowDown

LIMIT_START = 64
LIMIT_MIN = 4
LIMIT_MAX = 256
_SHRINK = 0.7
_SHRINK_EVERY_S = 0.25


class Kind(Enum):
    """What a request is for. The kinds take turns."""

    READ = "read"
    WRITE = "write"
    LIST = "list"


class Limit:
    """Additive increase, multiplicative decrease.

    "Slow down" multiplies the limit, at most once in 250 ms, since many answers tell of one jam; a whole
    window of successes adds one. A limit that nobody comes near learns nothing from success.
    """

    def __init__(self, start: int = LIMIT_START, most: int = LIMIT_MAX) -> None:
        self._most = most
        self._size = float(min(start, most))
        self._successes = 0
        self._shrunk_s = float("-inf")

    @property
    def size(self) -> int:
        return int(self._size)

    def succeeded(self, in_use: int) -> None:
        """A request was answered while `in_use` were in progress, itself among them."""
        if in_use * 2 < self._size:
            return
        self._successes += 1
        if self._successes >= self._size:
            self._successes = 0
            self._size = min(self._size + 1, self._most)

    def slowed(self, now_s: float) -> None:
        """The store asked for less."""
        if now_s - self._shrunk_s < _SHRINK_EVERY_S:
            return
        self._shrunk_s = now_s
        self._successes = 0
        self._size = max(self._size * _SHRINK, LIMIT_MIN)


class Slots:
    """The requests in progress, at most `limit` of them; the kinds take from it in turn.

    A kind that has nothing in progress is always let in: a copy that reads and writes at the same
    store would else wait for itself when many of them hold all that there is.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._in_use = dict.fromkeys(Kind, 0)
        self._total = 0
        self._waiters: dict[Kind, deque[asyncio.Future[None]]] = {kind: deque() for kind in Kind}
        self._waiting = 0

    @property
    def in_use(self) -> int:
        """Requests in progress."""
        return self._total

    def take(self, kind: Kind) -> bool:
        """Takes a slot if there is one and nobody waits for it."""
        if self._total < self.limit.size and not self._waiting:
            self._lend(kind)
            return True
        if not self._in_use[kind] and not self._waiters[kind]:
            self._lend(kind)
            return True
        return False

    async def wait(self, kind: Kind, wait_s: float) -> None:
        """Waits for a turn; raises `SlowDown` after `wait_s`, and what `refuse_all` says."""
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[kind].append(granted)
        self._waiting += 1
        try:
            async with asyncio.timeout(wait_s):
                await granted
        except TimeoutError as late:
            self._leave(kind, granted)
            raise SlowDown("Too many requests wait for the store behind this bucket.") from late
        except asyncio.CancelledError:
            self._leave(kind, granted)
            raise

    def give_back(self, kind: Kind) -> None:
        """Ends a request; those who wait get their turn."""
        self._in_use[kind] -= 1
        self._total -= 1
        if self._waiting:
            self._grant()

    def refuse_all(self) -> None:
        """Sends everybody who waits away: there is nothing to wait for."""
        for waiters in self._waiters.values():
            while waiters:
                self._waiting -= 1
                granted = waiters.popleft()
                if not granted.done():
                    granted.set_exception(BackendUnavailable())

    def _lend(self, kind: Kind) -> None:
        self._in_use[kind] += 1
        self._total += 1

    def _grant(self) -> None:
        while (kind := self._next()) is not None:
            granted = self._waiters[kind].popleft()
            self._waiting -= 1
            if not granted.done():
                self._lend(kind)
                granted.set_result(None)

    def _next(self) -> Kind | None:
        """Whose turn it is: of the kinds that wait, the one that has least in progress."""
        waiting = [kind for kind in Kind if self._waiters[kind]]
        kind = min(waiting, key=self._in_use.__getitem__, default=None)
        if kind is None or (self._total >= self.limit.size and self._in_use[kind]):
            return None
        return kind

    def _leave(self, kind: Kind, granted: asyncio.Future[None]) -> None:
        if granted in self._waiters[kind]:
            self._waiters[kind].remove(granted)
            self._waiting -= 1
        elif not granted.cancelled() and granted.exception() is None:
            # The grant and the cancelling met on their way.
            self.give_back(kind)
