"""The stores under contract. A new backend joins by one more line in `STORES`."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ParamSpec

from gateway.backends.base import Backend
from gateway.backends.local import LocalBackend
from gateway.backends.memory import MemoryBackend
from gateway.backends.steady import Endpoint, Meter, Rate, Steady, Terms
from gateway.clock import SystemClock
from gateway.config.places import LocalOptions
from gateway.metrics import Metrics

P = ParamSpec("P")


@dataclass(frozen=True)
class Store:
    """An empty place, and a way to open it."""

    name: str
    connect: Callable[[], Backend]
    """Each call gives an instance over the same objects, as another node would have."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Backend]:
        backend = self.connect()
        try:
            yield backend
        finally:
            await backend.close()


def memory(_directory: Path) -> Store:
    # Memory is one process's: a second instance cannot exist, so it is the first again.
    backend = MemoryBackend()
    return Store("memory", lambda: backend)


def steady(_directory: Path) -> Store:
    backend = MemoryBackend()
    endpoint = Endpoint("memory", SystemClock(), Random(1))
    return Store("steady", lambda: Steady(backend, Terms(endpoint, Meter(Metrics(), "memory"), Rate(0), Rate(0))))


def local_exact(directory: Path) -> Store:
    return Store("local-exact", lambda: LocalBackend(str(directory), LocalOptions(keys="exact")))


def local_escape(directory: Path) -> Store:
    return Store("local-escape", lambda: LocalBackend(str(directory), LocalOptions(keys="escape")))


STORES: dict[str, Callable[[Path], Store]] = {
    "memory": memory,
    "steady": steady,
    "local-exact": local_exact,
    "local-escape": local_escape,
}


def asynchronous(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Runs a test in a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run
