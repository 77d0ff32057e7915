"""A loop whose time jumps while nobody computes: limits of seconds pass at once, and threads get the time they need."""

import asyncio
import functools
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import ParamSpec, TypeVar, TypeVarTuple

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TEST_MAX_S = 3600.0
"""Of the loop's time; a test that waits for something that never comes ends there."""


THREADS_END_S = 10.0


class _Jumping(selectors.SelectSelector):
    """Where a loop would sleep until its next timer, the time jumps there, unless a thread is at work."""

    now_s = 0.0
    threads_busy = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.threads_busy and timeout != 0:
            return super().select(None)
        ready = super().select(0)
        if not ready:
            if timeout is None:
                # Only the end of the loop waits like this, for threads that it does not tell us of.
                return super().select(THREADS_END_S)
            self.now_s += timeout
        return ready


class HurryingLoop(asyncio.SelectorEventLoop):
    """For code that touches no network."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads_busy += 1
        future.add_done_callback(self._thread_is_done)
        return future

    def _thread_is_done(self, _future: asyncio.Future[T]) -> None:
        self._jumping.threads_busy -= 1


def hurried(main: Callable[[], Coroutine[None, None, T]]) -> T:
    """As `asyncio.run`, in a loop of its own whose time jumps."""

    async def limited() -> T:
        async with asyncio.timeout(TEST_MAX_S):
            return await main()

    with asyncio.Runner(loop_factory=HurryingLoop) as runner:
        return runner.run(limited())


def hurrying(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Runs a test in such a loop."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        hurried(lambda: test(*args, **kwargs))

    return run
