"""What every handler may use: the parts of the node that S3 requests touch."""

from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from gateway.access.keys import Access
from gateway.budget import Budget
from gateway.cache import Cache
from gateway.mounts import Mounts
from gateway.s3.auth import Verifier
from gateway.s3.seal import Sealer

BUDGET_WAIT_MAX_S = 5.0
"""How long a transfer waits for memory before it is told to slow down."""
SLOW_ANSWER_S = 10.0
"""A copy or Complete that takes longer is answered with 200 and spaces until it is known how it ends."""


@dataclass(frozen=True, slots=True)
class Service:
    """The parts, put together once by the application.

    `domain` is that of virtual-host style, empty for none. `hashers` are the threads in which bodies
    are hashed. `budget` bounds the memory of all transfers.
    """

    mounts: Mounts
    cache: Cache
    access: Access
    verifier: Verifier
    token_sealer: Sealer
    upload_sealer: Sealer
    budget: Budget
    hashers: Executor
    node_name: str
    region: str = "us-east-1"
    domain: str = ""
    slow_answer_s: float = SLOW_ANSWER_S

    def memory(self, size_bytes: int) -> AbstractAsyncContextManager[None]:
        """Lends memory for a transfer; raises `SlowDown` if none comes free in time."""
        return self.budget.reserve(size_bytes, BUDGET_WAIT_MAX_S)
