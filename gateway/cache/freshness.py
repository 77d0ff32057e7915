"""Whether an info that is kept may be used without asking the backend.

Times are unix time in seconds. An info is trusted while it is younger than the mount's freshness; its age
counts from the moment the question that it answers went to the backend.
"""

import math
from enum import Enum, auto

from gateway.model import Known
from gateway.mounts import CachePolicy

CLOCK_BACK_MAX_S = 300.0
"""An info from further in the future than this came from a clock that was wrong, and has no age."""


class Demand(Enum):
    """What a request wants of the cache."""

    NORMAL = auto()
    REVALIDATE = auto()
    """Ask the backend about the version first (`cache-control: no-cache`)."""
    BYPASS = auto()
    """Neither read nor fill the cache (`cache-control: no-store`)."""


class Trust(Enum):
    """What is to be done with what is known."""

    FRESH = auto()
    """Use it."""
    EXPIRED = auto()
    """Ask the backend whether it is still that version, then use it."""
    UNKNOWN = auto()
    """Nothing is known: ask the backend."""
    BYPASSED = auto()
    """Leave the cache alone: ask the backend."""


def judge(known: Known | None, policy: CachePolicy, demand: Demand, now_s: float) -> Trust:
    """How far what is known of an object may be used for this request."""
    if demand is Demand.BYPASS or not policy.is_cached:
        return Trust.BYPASSED
    if known is None:
        return Trust.UNKNOWN
    if demand is Demand.REVALIDATE or _age_s(known, now_s) >= policy.freshness_s:
        return Trust.EXPIRED
    return Trust.FRESH


def may_serve_stale(known: Known, policy: CachePolicy, now_s: float) -> bool:
    """Whether it may be used although the backend was to be asked and cannot answer."""
    return _age_s(known, now_s) < policy.freshness_s + policy.stale_if_error_s


def age_s(known: Known, now_s: float) -> int:
    """Whole seconds since the backend last confirmed the version; 0 if that lies in the future."""
    return max(0, int(now_s - known.validated_s))


def _age_s(known: Known, now_s: float) -> float:
    """Infinite for what is never to be trusted, so that it is older than every freshness, infinite ones too."""
    age_s = now_s - known.validated_s
    if known.validated_s == 0 or age_s < -CLOCK_BACK_MAX_S:
        return math.inf
    return max(0.0, age_s)
