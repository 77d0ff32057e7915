"""One store as all mounts on it share it: its slots, its breaker, what retries may cost."""

import logging
from random import Random
from types import TracebackType

from gateway.backends.steady.breaker import Breaker, Pass
from gateway.backends.steady.limit import Kind, Limit, Slots
from gateway.backends.steady.meter import Meter
from gateway.backends.steady.retry import RetryTokens
from gateway.clock import Clock
from gateway.errors import (
    AccessRefused,
    BackendBroken,
    BackendUnavailable,
    ConditionFailed,
    Conflict,
    CredentialsRefused,
    ObjectArchived,
    ObjectMissing,
    PartInvalid,
    PartTooSmall,
    RootMissing,
    SlowDown,
    SpanOutside,
    StorageFull,
    UploadMissing,
    VersionChanged,
)

_ANSWERS = (
    AccessRefused,
    ConditionFailed,
    Conflict,
    ObjectArchived,
    ObjectMissing,
    PartInvalid,
    PartTooSmall,
    RootMissing,
    SpanOutside,
    StorageFull,
    UploadMissing,
    VersionChanged,
)
"""What only the store itself can have said; other failures may have been noticed before it was asked."""

log = logging.getLogger(__name__)


class Endpoint:
    """What stands between this node and one store, for one identity. `name` is for the log."""

    def __init__(self, name: str, clock: Clock, dice: Random) -> None:
        self.clock = clock
        self.dice = dice
        self.tokens = RetryTokens()
        self.limit = Limit()
        self.breaker = Breaker(dice)
        self._slots = Slots(self.limit)
        self._name = name

    async def enter(self, kind: Kind, wait_s: float) -> Pass:
        """Lets a request go; it ends with `leave`.

        Raises `BackendUnavailable` at once while the store is taken for down, `SlowDown` when there was
        no turn within `wait_s`.
        """
        now_s = self.clock.monotonic_s()
        if self.breaker.refuses(now_s):
            raise BackendUnavailable
        if not self._slots.take(kind):
            await self._slots.wait(kind, wait_s)
            now_s = self.clock.monotonic_s()
        granted = self.breaker.admit(now_s)
        if granted is Pass.NONE:
            self._slots.give_back(kind)
            raise BackendUnavailable
        return granted

    def leave(self, kind: Kind, granted: Pass, error: BaseException | None) -> None:
        """Ends a request, and learns from how it ended."""
        now_s = self.clock.monotonic_s()
        was_open = self.breaker.is_open
        match error:
            case None:
                self.tokens.succeeded()
                self.limit.succeeded(self._slots.in_use)
                self.breaker.succeeded(granted, now_s)
            case SlowDown():
                self.limit.slowed(now_s)
                self.breaker.succeeded(granted, now_s)
            case BackendUnavailable() | CredentialsRefused():
                self.breaker.failed(granted, now_s)
            case BackendBroken():
                self.breaker.succeeded(granted, now_s)
            case _ if isinstance(error, _ANSWERS):
                self.tokens.succeeded()
                self.breaker.succeeded(granted, now_s)
            case _:
                self.breaker.given_up(granted)
        if self.breaker.is_open is not was_open:
            self._turned()
        self._slots.give_back(kind)

    def _turned(self) -> None:
        if self.breaker.is_open:
            log.warning("a store does not answer; requests to it fail at once", extra={"store": self._name})
            self._slots.refuse_all()
        else:
            log.info("a store answers again", extra={"store": self._name})


class Turn:
    """One request that was let go; a context that ends with it."""

    __slots__ = ("_answered_s", "_began_s", "_endpoint", "_granted", "_kind", "_meter", "_operation")

    def __init__(self, endpoint: Endpoint, kind: Kind, granted: Pass, operation: str, meter: Meter) -> None:
        self._endpoint = endpoint
        self._kind = kind
        self._granted = granted
        self._operation = operation
        self._meter = meter
        self._began_s = endpoint.clock.monotonic_s()
        self._answered_s = 0.0

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end(error)

    def answered(self) -> None:
        """The head is there; how long the stream takes from here is up to its reader."""
        self._answered_s = self._endpoint.clock.monotonic_s()

    def end(self, error: BaseException | None) -> None:
        """Gives the slot back; called once."""
        answered_s = self._answered_s or self._endpoint.clock.monotonic_s()
        self._meter.ended(self._operation, error, answered_s - self._began_s)
        self._endpoint.leave(self._kind, self._granted, error)
