"""What people changed at run time: rows, merging, the file."""

from gateway.settings.identity import Identity
from gateway.settings.rows import Value
from gateway.settings.settings import Settings

__all__ = ["Identity", "Settings", "Value"]
