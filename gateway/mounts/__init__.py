"""Mounts: from a bucket's name to the backend its objects lie in."""

from gateway.mounts.mount import CachePolicy, Mount, Origin
from gateway.mounts.table import Mounts

__all__ = ["CachePolicy", "Mount", "Mounts", "Origin"]
