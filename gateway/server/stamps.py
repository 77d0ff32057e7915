"""What every answer of the S3 port carries: the date, the server's name, an id of its own."""

import itertools
import secrets

from gateway.clock import Clock
from gateway.s3.dates import http_date

_ID_MASK = (1 << 64) - 1


class Stamps:
    """The fields and ids of a node's answers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._lines = ""
        # Ids must differ, not be secret: counting from a random start costs nothing per request.
        self._ids = itertools.count(secrets.randbits(64))

    def lines(self) -> str:
        """The header lines `date` and `server`, made anew each second (SDKs correct their clocks by them)."""
        second = int(self._clock.now_s())
        if second != self._second:
            self._second = second
            self._lines = f"date: {http_date(second)}\r\nserver: forebay\r\n"
        return self._lines

    def request_id(self) -> str:
        """16 hex digits that no other answer of this or, in all likelihood, any node has."""
        return f"{next(self._ids) & _ID_MASK:016X}"
