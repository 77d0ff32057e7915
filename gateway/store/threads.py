"""Threads that work for one disk, and how long its calls take."""

import asyncio
import errno
import functools
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

from gateway.clock import Clock

NICE = 19
PAUSE_MIN_S = 3.0
"""Looked at less often than this, the process was stopped itself: its calls are not slow for that."""

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A call to a disk that is gone may never return: who waits for it is let go when the disk is given up.

    Patient ones work when nobody else has anything to do.
    """

    def __init__(self, name: str, count: int, clock: Clock, *, is_patient: bool = False) -> None:
        self._pool = _Pool(count, name, _give_way if is_patient else None)
        self._clock = clock
        self._since: dict[int, float] = {}
        """By thread, when its call began."""
        self._looked_at_s = self._forgiven_s = clock.monotonic_s()
        self._waiters: set[asyncio.Future[None]] = set()
        self._is_given_up = False

    def start(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Lets a thread do it; the future is done when the thread is. Raises `OSError` if the disk is given up."""
        if self._is_given_up:
            raise OSError(errno.EIO, "the disk is given up")
        work = functools.partial(self._timed, call, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._pool, work)

    def let(self, call: Callable[[], None]) -> None:
        """Lets a thread do what nobody waits for; not once the disk is given up."""
        if not self._is_given_up:
            self._pool.submit(self._timed, call)

    def _timed(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        me = threading.get_ident()
        self._since[me] = self._clock.monotonic_s()
        try:
            return call(*args, **kwargs)
        finally:
            del self._since[me]

    async def ended(self, work: asyncio.Future[T]) -> T:
        """What became of work that was started; cancelling leaves the thread at it.

        Raises `OSError` when the disk is given up, and what the call raises.
        """
        if not work.done() and not self._is_given_up:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            work.add_done_callback(lambda _: _wake(waiter))
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        if not work.done() or work.cancelled():
            raise OSError(errno.EIO, "the disk is given up")
        return work.result()

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `start`, then `ended`."""
        return await self.ended(self.start(call, *args, **kwargs))

    def slowest_s(self) -> float:
        """How long the longest of the calls takes already. To be asked about every second."""
        now_s = self._clock.monotonic_s()
        if now_s - self._looked_at_s > PAUSE_MIN_S:
            self._forgiven_s = now_s
        self._looked_at_s = now_s
        return max((now_s - max(began_s, self._forgiven_s) for began_s in list(self._since.values())), default=0.0)

    @property
    def is_idle(self) -> bool:
        """Whether no thread is at work."""
        return not self._pool.unfinished

    def give_up(self) -> None:
        """Lets go all who wait, and everybody who will; drops work that did not begin."""
        self._is_given_up = True
        self.close(waits=False)
        for waiter in self._waiters:
            _wake(waiter)

    def close(self, *, waits: bool) -> None:
        """Ends them; work that did not begin is dropped. May block, if it `waits`."""
        self._pool.shutdown(wait=waits, cancel_futures=True)


class _Pool(ThreadPoolExecutor):
    """Knows what its threads still do, also where nobody waits for it any more."""

    def __init__(self, count: int, name: str, begins: Callable[[], None] | None) -> None:
        super().__init__(count, name, begins)
        self.unfinished = set[object]()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        work = super().submit(fn, *args, **kwargs)
        self.unfinished.add(work)
        work.add_done_callback(self.unfinished.discard)
        return work


def _give_way() -> None:
    """Lets the processor, and with most schedulers the disk, serve everybody else before this thread."""
    if sys.platform == "linux":  # elsewhere there is no such thing for one thread alone
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
