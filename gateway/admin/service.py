"""What the admin API may use of its node."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.keys import Access
from gateway.cache import Cache
from gateway.clock import Clock
from gateway.config import Config
from gateway.metrics import Metrics
from gateway.mounts import Mounts
from gateway.s3.auth import Verifier


@dataclass(frozen=True, slots=True)
class AdminService:
    """The parts of a node that people ask about, put together once by the application.

    `not_ready` says why the node does not serve, or None while it does. `started_s` is a reading of
    the clock's monotonic time.
    """

    config: Config
    mounts: Mounts
    cache: Cache
    access: Access
    verifier: Verifier
    metrics: Metrics
    clock: Clock
    not_ready: Callable[[], str | None]
    started_s: float
