"""Time as a thing that is handed in, so that tests can turn it."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where a part of the gateway reads the time."""

    def now_s(self) -> float:
        """Unix time in seconds."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards, counted from an unknown start."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that moves only when told to; for tests and simulations."""

    def __init__(self, now_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s
        self._monotonic_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def monotonic_s(self) -> float:
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        self._now_s += seconds
        self._monotonic_s += seconds
