"""Whether a call to a store is made again, and when."""

from enum import Enum
from random import Random

from gateway.errors import BackendBroken, BackendUnavailable, Conflict, GatewayError, SlowDown

TRIES_MAX = 4
"""Of one call. A stream counts anew from every byte that it brought."""
PATIENCE_S = 35.0
"""No try begins later than this after its call began, or after the last piece of a stream was taken.

Longer than the 30 s of silence that a stream may keep, so that it is resumed even then.
"""
HURRY_S = 50.0
"""A call that only reads, and has lost time to waits and failed tries, ends within this; clients give up at 60 s."""

_PAUSE_FIRST_S = 0.1
_PAUSE_FACTOR = 2.0

_TOKENS_MAX = 500
_COST = 5
_COST_AFTER_SILENCE = 10
"""A store that says nothing holds a place for seconds; to ask it again is dearer."""


class Repeat(Enum):
    """When a call may be made again."""

    READ = "read"
    """Always: it changes nothing."""
    WRITE = "write"
    """Whatever became of it: done twice it is as done once."""
    NEVER = "never"
    """Its body is spent."""


def pause_s(error: GatewayError, repeat: Repeat, tries: int, elapsed_s: float, dice: Random) -> float | None:
    """Seconds to wait before the next try; None: this failure is the answer.

    `tries` have failed, the last with `error`, in the `elapsed_s` since the call began.
    """
    if tries >= TRIES_MAX or not _may_help(error, repeat, tries):
        return None
    pause = dice.uniform(0.0, min(_PAUSE_FIRST_S * _PAUSE_FACTOR ** (tries - 1), _pause_max_s(repeat)))
    asked = error.wait_s if isinstance(error, SlowDown) else None
    if asked is not None:
        # A store that wants more rest than we can wait for would refuse us again.
        if asked > _pause_max_s(repeat):
            return None
        pause = max(asked, pause)
    return pause if elapsed_s + pause < PATIENCE_S else None


class RetryTokens:
    """What tries again may cost one endpoint, so that an outage is not multiplied: no token, no retry."""

    def __init__(self) -> None:
        self.left = _TOKENS_MAX

    def succeeded(self) -> None:
        """A try was answered well, and earns a token."""
        if self.left < _TOKENS_MAX:
            self.left += 1

    def take(self, error: GatewayError) -> bool:
        """Pays for a retry after `error`; False when that cannot be afforded."""
        silent = isinstance(error, BackendUnavailable) and error.silent
        cost = _COST_AFTER_SILENCE if silent else _COST
        if self.left < cost:
            return False
        self.left -= cost
        return True


def _may_help(error: GatewayError, repeat: Repeat, tries: int) -> bool:
    match error:
        case BackendBroken():
            return repeat is Repeat.READ and tries == 1
        case SlowDown() | Conflict() | BackendUnavailable():
            return repeat is not Repeat.NEVER
        case _:
            return False


def _pause_max_s(repeat: Repeat) -> float:
    return 5.0 if repeat is Repeat.READ else 20.0
