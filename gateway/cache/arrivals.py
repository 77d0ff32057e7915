"""A block on its way from the backend: bytes that grow, and everybody who waits for more of them."""

import asyncio
from collections.abc import AsyncIterator

from gateway.errors import GatewayError


class Arrival:
    """One block while it is being filled, and until it lies in the store.

    `cost` is the memory reserved for it. `buffer` never changes where it is filled already, so views of it
    may be handed out and outlive the arrival. `settling`: it is being kept; then `ended`, and perhaps `refused`.
    """

    __slots__ = ("_waiting", "buffer", "cost", "ended", "failure", "filled", "number", "refused", "settling")

    def __init__(self, number: int, size: int, cost: int) -> None:
        self.number = number
        self.cost = cost
        self.buffer = bytearray(size)
        self.filled = 0
        self.failure: GatewayError | None = None
        self.ended = False
        self.settling = False
        self.refused = False
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def complete(self) -> bool:
        return self.filled == len(self.buffer)

    def take(self, piece: memoryview) -> int:
        """Copies what of the piece belongs to this block; returns how many bytes that was."""
        size = min(len(piece), len(self.buffer) - self.filled)
        self.buffer[self.filled : self.filled + size] = piece[:size]
        self.filled += size
        self._wake()
        return size

    def end(self, failure: GatewayError | None) -> None:
        """No more bytes come. Who waits for some gets the failure, or is told to look elsewhere."""
        self.ended = True
        self.failure = failure
        self._wake()

    def settle(self, *, refused: bool) -> None:
        """The store has taken it, or not."""
        self.refused = refused
        self.end(None)

    async def is_settled(self) -> bool:
        """Whether all of it was here already; if so, returns when the store has taken or refused it."""
        if not self.complete or self.refused:
            return False
        while not self.ended:
            await self._more()
        return not self.refused

    async def views(self, start: int, stop: int) -> AsyncIterator[memoryview]:
        """The bytes [start, stop) of the block as they come; ends early if the fill was given up.

        Raises the fill's failure.
        """
        view = memoryview(self.buffer)
        while start < stop:
            if self.filled <= start:
                if self.failure is not None:
                    raise self.failure
                if self.ended:
                    return
                await self._more()
                continue
            upto = min(stop, self.filled)
            yield view[start:upto]
            start = upto

    async def _more(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
