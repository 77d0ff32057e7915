"""What a connection wants of the door behind it."""

from typing import Protocol

from gateway.errors import GatewayError
from gateway.metrics import Metrics
from gateway.server.exchange import Exchange
from gateway.server.lane import Lane
from gateway.server.sending import Sending
from gateway.server.stamps import Stamps


class Answering(Protocol):
    """What a connection wants of the door behind it."""

    connections_max: int
    metrics: Metrics
    stamps: Stamps
    lane: Lane | None
    """None: every answer goes the ordinary way."""

    async def answer(self, exchange: Exchange) -> None:
        """Answers one request; never raises but for cancelling."""
        ...

    async def see_off(self, sending: Sending) -> None:
        """Sends the rest of an answer of the lane; never raises but for cancelling."""
        ...

    def refusal(self, error: GatewayError) -> bytes:
        """The whole answer to a request whose head never became one."""
        ...
