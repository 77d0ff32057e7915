"""One call to a store on its way: its tries, its waits, its end."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

from gateway.backends.steady.endpoint import Endpoint, Turn
from gateway.backends.steady.limit import Kind
from gateway.backends.steady.meter import Meter
from gateway.backends.steady.rate import Rate
from gateway.backends.steady.retry import HURRY_S, Repeat, pause_s
from gateway.errors import BackendUnavailable, GatewayError

QUEUE_WAIT_S = 30.0
"""How long a call waits for its turns, all its tries together."""
_UNHURRIED_S = 1.0
"""What a call may lose without being hurried: a try that begins then still ends in time by the limits on silence."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Operation:
    """A call of the Backend protocol: its name in metrics, what it takes from, when it may be made again."""

    name: str
    kind: Kind
    repeat: Repeat


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a mount uses its store. The rates are its own, the endpoint is shared."""

    endpoint: Endpoint
    meter: Meter
    requests: Rate
    bandwidth: Rate

    async def use(self, rate: Rate, amount: int) -> float:
        """Waits until `rate` allows `amount`; returns the seconds that took."""
        wait_s = rate.take(amount, self.endpoint.clock.monotonic_s())
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return wait_s


class Course:
    """Begins with the call; a stream begins anew with every piece that was taken from it."""

    __slots__ = ("_began_s", "_clock", "_operation", "_terms", "_tries", "doubtful")

    def __init__(self, terms: Terms, operation: Operation) -> None:
        self._terms = terms
        self._operation = operation
        self._clock = terms.endpoint.clock
        self._tries = 0
        self._began_s = self._clock.monotonic_s()
        self.doubtful = False
        """Whether a try that failed may have done what it was to do."""

    async def turn(self) -> Turn:
        """Waits for the next try's turn. What it raises is the end of the call."""
        terms, operation = self._terms, self._operation
        if terms.requests.is_limited:
            await self.pace(terms.requests, 1)
        granted = await terms.endpoint.enter(operation.kind, max(0.0, QUEUE_WAIT_S - self._elapsed_s()))
        return Turn(terms.endpoint, operation.kind, granted, operation.name, terms.meter)

    async def pace(self, rate: Rate, amount: int) -> None:
        """Waits until the mount's limit allows `amount`; none of the call's time passes by that."""
        self._began_s += await self._terms.use(rate, amount)

    async def hurried(self, work: Awaitable[T]) -> T:
        """Does `work`; a call that reads and has lost time gets only what is left of its time for it."""
        elapsed_s = self._elapsed_s()
        if elapsed_s < _UNHURRIED_S or self._operation.repeat is not Repeat.READ:
            return await work
        try:
            async with asyncio.timeout(HURRY_S - elapsed_s):
                return await work
        except TimeoutError as error:
            raise BackendUnavailable(silent=True) from error

    async def recover(self, error: GatewayError, repeat: Repeat) -> None:
        """Waits until a failed try may be made again; raises `error` when it may not."""
        endpoint = self._terms.endpoint
        self._tries += 1
        pause = pause_s(error, repeat, self._tries, self._elapsed_s(), endpoint.dice)
        if pause is None or not endpoint.tokens.take(error):
            raise error
        self.doubtful = self.doubtful or isinstance(error, BackendUnavailable)
        self._terms.meter.retried()
        await asyncio.sleep(pause)

    def progressed(self) -> None:
        """A piece of a stream was taken."""
        self._tries = 0
        self._began_s = self._clock.monotonic_s()

    def _elapsed_s(self) -> float:
        return self._clock.monotonic_s() - self._began_s
