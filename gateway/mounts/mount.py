"""A mount: a bucket and the backend its objects lie in."""

from dataclasses import dataclass
from enum import Enum

from gateway.backends.base import Backend
from gateway.config import PlaceConfig
from gateway.model import Bucket, Tags
from gateway.store.values import NORMAL_TERMS, Terms

NEW_BUCKETS = "new_buckets"
"""The one name in metrics of all buckets that clients made."""


class Origin(Enum):
    """Where a mount was declared."""

    FILE = "file"
    """In the configuration file; clients can neither make nor delete it."""
    MADE = "made"
    """By CreateBucket; a row of the settings keeps it over restarts."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How the cache treats a mount.

    `freshness_s` is how long info is trusted: 0 asks at every read, infinity never again.
    """

    is_cached: bool = False
    freshness_s: float = 300.0
    stale_if_error_s: float = 0.0
    keeps_writes: bool = True
    reads_ahead: bool = True
    terms: Terms = NORMAL_TERMS
    """On what terms blocks are kept."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One bucket as it is served now. `created_s` is unix time in whole seconds."""

    bucket: Bucket
    place: PlaceConfig
    backend: Backend
    owner: str
    created_s: int
    writable: bool
    origin: Origin
    tags: Tags = ()
    policy: CachePolicy = CachePolicy()

    @property
    def name(self) -> str:
        """What metrics call it."""
        return self.bucket if self.origin is Origin.FILE else NEW_BUCKETS
