"""What each S3 operation means."""

from gateway.handlers.dispatch import handle

__all__ = ["handle"]
