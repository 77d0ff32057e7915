"""Where the time of one request goes, for the client that asks: what `server-timing` says."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import TypeVar

from gateway.clock import Clock

T = TypeVar("T")


class Stage(Enum):
    """What a request waits for; the value is the word of the header."""

    AUTH = "auth"
    """Its signature."""
    INFO = "info"
    """The object's info, asked of the backend if need be."""
    STORE = "store"
    """Blocks of this node's disks."""
    PEER = "peer"
    """Blocks of other nodes."""
    BACKEND = "backend"
    """Bytes of the backend."""


class Timing:
    """Seconds that one request has spent on each stage."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent_s = dict.fromkeys(Stage, 0.0)

    @contextmanager
    def measured(self, stage: Stage) -> Iterator[None]:
        started_s = self._clock.monotonic_s()
        try:
            yield
        finally:
            self._spent_s[stage] += self._clock.monotonic_s() - started_s

    def text(self) -> str:
        """The value of `server-timing`: milliseconds of each stage."""
        return ", ".join(f"{stage.value};dur={1000 * spent_s:.3f}" for stage, spent_s in self._spent_s.items())


_CURRENT: ContextVar[Timing | None] = ContextVar("timing", default=None)


def begin(clock: Clock) -> Timing:
    """From now on the task that calls this is measured."""
    timing = Timing(clock)
    _CURRENT.set(timing)
    return timing


@contextmanager
def timed(stage: Stage) -> Iterator[None]:
    """What is within counts as this stage, if the request is measured."""
    timing = _CURRENT.get()
    if timing is None:
        yield
        return
    with timing.measured(stage):
        yield


async def each_timed(stage: Stage, items: AsyncIterator[T]) -> AsyncIterator[T]:
    """The items; waiting for each of them counts as this stage."""
    while True:
        with timed(stage):
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return
        yield item
