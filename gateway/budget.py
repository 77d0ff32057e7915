"""Memory as a thing that is lent: so many bytes at most, first come, first served."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from gateway.errors import SlowDown


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    size_bytes: int
    granted: asyncio.Future[None]


class Budget:
    """At most `limit_bytes` lent at any moment; belongs to one event loop."""

    def __init__(self, limit_bytes: int) -> None:
        assert limit_bytes > 0, limit_bytes
        self.limit_bytes = limit_bytes
        self._used_bytes = 0
        self._waiters: deque[_Waiter] = deque()

    @property
    def used_bytes(self) -> int:
        """Bytes lent now."""
        return self._used_bytes

    @property
    def waiting(self) -> int:
        """How many wait for theirs."""
        return len(self._waiters)

    @asynccontextmanager
    async def reserve(self, size_bytes: int, wait_s: float) -> AsyncIterator[None]:
        """Lends `size_bytes`, or all there are if that is less, until the block ends.

        Waits its turn for at most `wait_s`, then raises `SlowDown`: nobody overtakes, so a large
        request is not starved by small ones. Cancelling gives back what was lent.
        """
        size_bytes = await self.take(size_bytes, wait_s)
        try:
            yield
        finally:
            self.give_back(size_bytes)

    @property
    def is_used_up(self) -> bool:
        """Whether nobody gets anything now without waiting."""
        return self._used_bytes >= self.limit_bytes or bool(self._waiters)

    def take_now(self, size_bytes: int) -> None:
        """As `take` where that would not wait; to be asked first."""
        assert self._fits(size_bytes), size_bytes
        self._used_bytes += size_bytes

    async def take(self, size_bytes: int, wait_s: float) -> int:
        """As `reserve`, for what outlives a block of code; returns the bytes to give back."""
        size_bytes = min(size_bytes, self.limit_bytes)
        if not self._waiters and self._fits(size_bytes):
            self._used_bytes += size_bytes
            return size_bytes
        waiter = _Waiter(size_bytes, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(wait_s):
                await waiter.granted
        except TimeoutError as late:
            self._leave(waiter)
            raise SlowDown from late
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        return size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Returns what `take` lent, or a share of it."""
        self._used_bytes -= size_bytes
        self._grant()

    def _leave(self, waiter: _Waiter) -> None:
        if waiter.granted.done() and not waiter.granted.cancelled():
            # The grant and the cancelling met on their way.
            self.give_back(waiter.size_bytes)
        else:
            with suppress(ValueError):  # `_grant` has dropped a waiter that it found cancelled
                self._waiters.remove(waiter)
            self._grant()

    def _grant(self) -> None:
        while self._waiters and self._fits(self._waiters[0].size_bytes):
            waiter = self._waiters.popleft()
            if waiter.granted.cancelled():
                continue
            self._used_bytes += waiter.size_bytes
            waiter.granted.set_result(None)

    def _fits(self, size_bytes: int) -> bool:
        return self._used_bytes + size_bytes <= self.limit_bytes
