"""How a mount treats the cache, in the words of the configuration."""

from typing import Literal

from pydantic import BaseModel

from gateway.config import Freshness
from gateway.mounts import Mount


class Policy(BaseModel):
    """How the mount treats the cache."""

    admission: Literal["auto", "bypass"]
    freshness: str
    cache_writes: bool
    stale_if_error_s: float
    readahead: Literal["auto", "off"]


def policy_of(mount: Mount) -> Policy:
    """What the mount does now."""
    policy = mount.policy
    return Policy(
        admission="auto" if policy.is_cached else "bypass",
        freshness=str(Freshness(policy.freshness_s)),
        cache_writes=policy.keeps_writes,
        stale_if_error_s=policy.stale_if_error_s,
        readahead="auto" if policy.reads_ahead else "off",
    )
