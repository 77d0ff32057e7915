"""Whether a disk takes writes."""

import logging
from pathlib import Path

FAILURES_MAX = 3
"""Writes that may fail in a row before nothing more is admitted."""
RETRY_EVERY_S = 60.0

log = logging.getLogger(__name__)


class Health:
    """Counts failures of one disk; times are of one clock that never runs backwards."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._in_a_row = 0
        self._retry_at_s: float | None = None

    def admits(self, now_s: float) -> bool:
        """Whether to write to it. While it fails, yes once every `RETRY_EVERY_S`."""
        if self._retry_at_s is None:
            return True
        if now_s < self._retry_at_s:
            return False
        self._retry_at_s = now_s + RETRY_EVERY_S
        return True

    def write_failed(self, error: OSError, now_s: float) -> None:
        """A write failed."""
        self._in_a_row += 1
        if self._in_a_row == FAILURES_MAX:
            self._retry_at_s = now_s + RETRY_EVERY_S
            log.error(
                "a disk of the store takes no writes: nothing more is kept on it",
                extra={"path": self._directory, "error": str(error)},
            )

    def write_worked(self) -> None:
        """A write did not fail."""
        if self._retry_at_s is not None:
            self._retry_at_s = None
            log.info("a disk of the store takes writes again", extra={"path": self._directory})
        self._in_a_row = 0
