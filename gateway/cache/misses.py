"""Why the last read of an object was not a hit: what `explain` tells."""

from enum import Enum
from typing import NamedTuple

from gateway.cache.recent import Recent
from gateway.model import Bucket, Key
from gateway.store.values import Outcome

OBJECTS_MAX = 4096


class MissReason(Enum):
    """Why the backend was asked; the value is a phrase for a person."""

    NEVER_SEEN = "never seen"
    GONE = "not known any more: evicted, or it was not there"
    EXPIRED = "expired"
    CHANGED = "changed at the backend"
    NOT_KEPT = "not here: not read before, not kept or evicted"
    DAMAGED = "damaged, or evicted while it was read"
    REVALIDATE = "told to revalidate"
    BYPASS = "told to bypass"
    WRITTEN = "written here"


class Miss(NamedTuple):
    """A read that asked the backend; `at_s` is the time that was noted with it."""

    reason: MissReason
    at_s: float


class Refusal(NamedTuple):
    """A block that was to be kept and was not."""

    outcome: Outcome
    at_s: float


class Misses:
    """The last miss of each of the `OBJECTS_MAX` objects that missed last, and of as many the last refusal."""

    def __init__(self) -> None:
        self._misses: Recent[tuple[Bucket, Key], Miss] = Recent(OBJECTS_MAX)
        self._refusals: Recent[tuple[Bucket, Key], Refusal] = Recent(OBJECTS_MAX)

    def note(self, bucket: Bucket, key: Key, reason: MissReason, now_s: float) -> None:
        self._misses.put((bucket, key), Miss(reason, now_s))

    def last(self, bucket: Bucket, key: Key) -> Miss | None:
        """None if it never missed, or too many others have since."""
        return self._misses.get((bucket, key))

    def refused(self, bucket: Bucket, key: Key, outcome: Outcome, now_s: float) -> None:
        self._refusals.put((bucket, key), Refusal(outcome, now_s))

    def last_refusal(self, bucket: Bucket, key: Key) -> Refusal | None:
        """None if all of its blocks were kept, or too many others were refused since."""
        return self._refusals.get((bucket, key))
