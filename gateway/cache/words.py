"""The word that `x-cache` says about an answer."""

from dataclasses import dataclass
from enum import Enum


class Source(Enum):
    """Where an answer came from; the value is the word of the header."""

    HIT = "hit"
    PEER = "peer"
    FILL = "fill"
    REVALIDATED = "revalidated"
    BYPASS = "bypass"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an answer when its head is sent. For HEAD the info counts as the bytes do."""

    bypassed: bool = False
    """The request or the mount leaves the cache alone."""
    filled: bool = False
    """A byte comes from the backend."""
    from_peer: bool = False
    """A byte comes from another node."""
    is_stale: bool = False
    """The info is older than it may be, and the backend did not answer."""
    revalidated: bool = False
    """The backend was asked about the version."""


def word(facts: Facts) -> Source:
    """The first that holds of: bypass, fill, peer, stale, revalidated, hit."""
    if facts.bypassed:
        return Source.BYPASS
    if facts.filled:
        return Source.FILL
    if facts.from_peer:
        return Source.PEER
    if facts.is_stale:
        return Source.STALE
    if facts.revalidated:
        return Source.REVALIDATED
    return Source.HIT
