"""How a mount treats the cache, in the words of the configuration."""

from typing import Literal

from pydantic import BaseModel

from gateway.config import Freshness
from gateway.mounts import Mount


class Policy(BaseModel):
    """How the mount treats the cache; `ttl_s` is how long bytes are kept at most, 0 for as long as there is room."""

    admission: Literal["auto", "churn", "hold", "bypass"]
    ttl_s: int
    freshness: str
    cache_writes: bool
    stale_if_error_s: float
    readahead: Literal["auto", "off"]


def policy_of(mount: Mount) -> Policy:
    """What the mount does now."""
    policy = mount.policy
    return Policy(
        admission=policy.terms.admission.value if policy.is_cached else "bypass",
        ttl_s=policy.terms.life_s,
        freshness=str(Freshness(policy.freshness_s)),
        cache_writes=policy.keeps_writes,
        stale_if_error_s=policy.stale_if_error_s,
        readahead="auto" if policy.reads_ahead else "off",
    )
