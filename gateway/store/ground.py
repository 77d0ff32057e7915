"""What all parts of a shard stand on."""

from dataclasses import dataclass

from gateway.store.health import Health
from gateway.store.index import Index
from gateway.store.policy import Policy
from gateway.store.site import Site
from gateway.store.space import Space
from gateway.store.table import Segments
from gateway.store.tending import Tending


@dataclass(frozen=True, slots=True)
class Ground:
    """Of one shard: its files, its index, its segments, and who decides what stays."""

    site: Site
    index: Index
    table: Segments
    health: Health
    tending: Tending
    space: Space
    policy: Policy

    @property
    def now_s(self) -> int:
        """Unix time in whole seconds."""
        return self.site.now_s()

    @property
    def monotonic_s(self) -> float:
        """Of the clock that never runs backwards."""
        return self.site.clock.monotonic_s()
