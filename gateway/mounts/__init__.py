"""Mounts: from a bucket's name to the backend its objects lie in."""

from gateway.mounts.mount import Mount, Origin
from gateway.mounts.table import Mounts

__all__ = ["Mount", "Mounts", "Origin"]
