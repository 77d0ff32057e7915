"""When a store is not asked at all, because it would not answer."""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from random import Random

_WINDOW_S = 10.0
_CALLS_MIN = 20
_OPEN_FIRST_S = 5.0
_OPEN_MAX_S = 60.0
_JITTER = 0.2


class Pass(Enum):
    """What the breaker says to a request that wants to go."""

    FREE = "free"
    """Go."""
    PROBE = "probe"
    """Go alone, and tell whether the store is back."""
    NONE = "none"
    """Fail at once."""


@dataclass(slots=True)
class _Second:
    started_s: float
    calls: int = 0
    failures: int = 0


class Breaker:
    """Opens when half of at least 20 requests in 10 s failed to reach the store; then one probe at a time.

    It stays open for 5 s, twice as long after every probe that fails, at most 60 s, give or take a
    fifth. What a request is answered about its key, or "slow down", is no failure here.
    """

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._recent: deque[_Second] = deque()
        self._period_s = 0.0
        """How long the present opening is to last, before jitter; 0: closed."""
        self._until_s = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        return self._period_s > 0

    def refuses(self, now_s: float) -> bool:
        """Whether `admit` would say NONE."""
        return self._period_s > 0 and (self._probing or now_s < self._until_s)

    def admit(self, now_s: float) -> Pass:
        """Lets a request go or not. A PROBE is told `succeeded`, `failed` or `given_up`, or nobody goes again."""
        if not self._period_s:
            return Pass.FREE
        if self.refuses(now_s):
            return Pass.NONE
        self._probing = True
        return Pass.PROBE

    def succeeded(self, granted: Pass, now_s: float) -> None:
        """The store was there. What went before it was taken for down tells nothing of now."""
        if granted is Pass.PROBE:
            self._probing = False
            self._period_s = 0.0
            self._recent.clear()
        elif not self._period_s:
            self._second(now_s).calls += 1

    def failed(self, granted: Pass, now_s: float) -> None:
        """The store was not there, or knows us no more."""
        if granted is Pass.PROBE:
            self._probing = False
            self._open(min(self._period_s * 2, _OPEN_MAX_S), now_s)
        elif not self._period_s:
            second = self._second(now_s)
            second.calls += 1
            second.failures += 1
            if self._is_down():
                self._open(_OPEN_FIRST_S, now_s)

    def given_up(self, granted: Pass) -> None:
        """The request ended before the store said anything; the next one may probe."""
        if granted is Pass.PROBE:
            self._probing = False

    def _open(self, period_s: float, now_s: float) -> None:
        self._period_s = period_s
        self._until_s = now_s + period_s * self._dice.uniform(1 - _JITTER, 1 + _JITTER)
        self._recent.clear()

    def _second(self, now_s: float) -> _Second:
        if not self._recent or now_s >= self._recent[-1].started_s + 1.0:
            self._recent.append(_Second(now_s))
            while self._recent[0].started_s <= now_s - _WINDOW_S:
                self._recent.popleft()
        return self._recent[-1]

    def _is_down(self) -> bool:
        calls = sum(second.calls for second in self._recent)
        return calls >= _CALLS_MIN and 2 * sum(second.failures for second in self._recent) >= calls
