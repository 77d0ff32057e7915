"""What the cache wants to know of other nodes."""

from dataclasses import dataclass
from typing import Protocol

from gateway.model import MIB, Bucket, Key

STRIPE_SIZE = 64 * MIB
"""An object has one owner for each stretch of this size."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node, by the name that people call it."""

    name: str


class Peers(Protocol):
    """The other nodes of the cluster."""

    def owner_of(self, bucket: Bucket, key: Key, stripe: int) -> Peer | None:
        """Who should hold the stripe (counted from 0) of the object; None if that is this node."""
        ...


class NoPeers:
    """The lone node: it owns everything."""

    def owner_of(self, bucket: Bucket, key: Key, stripe: int) -> Peer | None:
        return None
