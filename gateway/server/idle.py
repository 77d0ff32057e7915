"""How long nothing has moved on a connection, at the cost of one timer for as long as it lives."""

import asyncio
from collections.abc import Callable


class Idle:
    """Calls `end` once nothing has moved for `time_max_s`.

    The timer is not touched by every request: most often it finds that it came too early, and is set again.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, time_max_s: float, end: Callable[[], None]) -> None:
        self._loop = loop
        self._time_max_s = time_max_s
        self._end = end
        self._since_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """From now on nothing moves."""
        self._since_s = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._time_max_s, self._look)

    def interrupt(self) -> None:
        """Something moves, until `begin`."""
        self._since_s = None

    def stop(self) -> None:
        """`end` is not called any more."""
        self._since_s = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._since_s is None:
            return
        left_s = self._since_s + self._time_max_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look)
        else:
            self._end()
