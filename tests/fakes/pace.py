"""How fast the stub sends: one bandwidth for all connections, and a wait before every answer."""

import asyncio

BURST_S = 0.004
"""How far the stub may be ahead of its bandwidth, or catch up: timers of the loop wake no finer than that."""


class Pace:
    """A bandwidth in bytes a second, 0 for as fast as it goes, and the latency of an answer."""

    def __init__(self, rate: float = 0, latency_s: float = 0) -> None:
        self._rate = rate
        self._latency_s = latency_s
        self._free_at = 0.0

    @property
    def is_set(self) -> bool:
        """Whether anything ever has to wait."""
        return bool(self._rate or self._latency_s)

    async def latency(self) -> None:
        """Waits as long as an answer takes to begin."""
        if self._latency_s:
            await asyncio.sleep(self._latency_s)

    async def spend(self, size: int) -> None:
        """Waits until `size` more bytes may be sent."""
        if not self._rate:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now - BURST_S) + size / self._rate
        if self._free_at > now + BURST_S:
            await asyncio.sleep(self._free_at - now)
