"""The bounded pool of threads in which all of one mount's file system calls run."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from gateway.backends.local.errnos import meaning
from gateway.errors import RootMissing

T = TypeVar("T")


class Threads:
    """Runs blocking work away from the event loop and speaks of its failures as `GatewayError`s.

    Once closed it does nothing more: whoever still works on the mount finds it gone (`RootMissing`).
    """

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="local")
        self._is_closed = False

    async def run(self, work: Callable[[], T], undo: Callable[[T], None] | None = None) -> T:
        """Work that changes nothing. A cancelled caller leaves at once; `undo` then gets the late result."""
        future = self._submit(work)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if undo is not None:
                future.add_done_callback(lambda late: _undo(late, undo))
            raise

    async def settle(self, work: Callable[[], T], abandon: Callable[[], None] | None = None) -> T:
        """Work that changes something: a cancelled caller leaves only when it is over.

        `abandon` is called as soon as the caller is cancelled, to tell the work to stop short.
        """
        future = asyncio.wrap_future(self._submit(work))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if abandon is not None:
                abandon()
            await _over([future])
            raise

    async def together(self, *works: Callable[[], None]) -> None:
        """As `settle`, for several works at the same time."""
        futures = [asyncio.wrap_future(self._submit(work)) for work in works]
        try:
            await asyncio.wait(futures)
        finally:
            await _over(futures)
        for future in futures:
            future.result()

    def later(self, work: Callable[[], None]) -> None:
        """Work nobody waits for and that cannot fail, such as closing a file; done even if all is closed."""
        if self._is_closed:
            work()
        else:
            self._pool.submit(work)

    async def release(self, work: Callable[[], None]) -> None:
        """As `later`, but waits until it is done, as `settle` does."""
        if self._is_closed:
            work()
        else:
            await self.settle(work)

    async def close(self) -> None:
        """Returns when the work in progress has ended."""
        self._is_closed = True
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        if self._is_closed:
            raise RootMissing
        return self._pool.submit(_translated, work)


async def _over(futures: Sequence[asyncio.Future[T]]) -> None:
    """Returns when all have ended, well or badly; what nobody asks after is then not logged as forgotten."""
    await asyncio.wait(futures)
    for future in futures:
        if not future.cancelled():
            future.exception()


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        raise meaning(error) from error


def _undo(late: Future[T], undo: Callable[[T], None]) -> None:
    if not late.cancelled() and late.exception() is None:
        undo(late.result())
