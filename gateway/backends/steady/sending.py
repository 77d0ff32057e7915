"""The body of a write as `steady` passes it on: held, so that it can be sent again, or counted as it passes."""

from collections.abc import AsyncIterator

from gateway.backends.base import Body
from gateway.backends.bodies import gathered
from gateway.backends.steady.course import Terms
from gateway.backends.steady.retry import Repeat
from gateway.errors import GatewayError
from gateway.model import PIECE_SIZE_MAX, Checksum


class BodyFailed(Exception):
    """The body broke, not the store; `failure` is its own error."""

    def __init__(self, failure: GatewayError) -> None:
        super().__init__(str(failure))
        self.failure = failure


class Held:
    """A body of one piece, with a good verdict; may be sent any number of times."""

    def __init__(self, data: bytes, checksum: Checksum | None, terms: Terms) -> None:
        self._data = data
        self._terms = terms
        self.checksum = checksum
        self.repeat = Repeat.WRITE

    @property
    def size(self) -> int:
        return len(self._data)

    async def pieces(self) -> AsyncIterator[bytes]:
        """As `Body.pieces`, as often as it is called."""
        if self._data:
            await self._terms.use(self._terms.bandwidth, len(self._data))
            yield self._data


class Passing:
    """A body that is sent as it comes: once."""

    def __init__(self, body: Body, terms: Terms) -> None:
        self._body = body
        self._terms = terms
        self.repeat = Repeat.WRITE
        """NEVER from the moment the first piece is asked for."""

    @property
    def size(self) -> int:
        return self._body.size

    @property
    def checksum(self) -> Checksum | None:
        return self._body.checksum

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """As `Body.pieces`; raises the body's own error as `BodyFailed`."""
        self.repeat = Repeat.NEVER
        pieces = self._body.pieces()
        while True:
            try:
                piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except GatewayError as failure:
                raise BodyFailed(failure) from failure
            await self._terms.use(self._terms.bandwidth, len(piece))
            yield piece


async def sendable(body: Body, terms: Terms) -> Held | Passing:
    """The body in the form in which it can be sent most often.

    What fits in one piece is taken whole before the store is asked, so a slow client holds no slot.
    """
    if body.size > PIECE_SIZE_MAX:
        return Passing(body, terms)
    data = await gathered(body)
    return Held(data, body.checksum, terms)
