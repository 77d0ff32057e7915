"""A request head while it arrives, and when it is there."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from gateway.s3.head import Head
from gateway.server import framing

_EMPTY_LINES = re.compile(rb"(?:\r\n)*")


class Arrived(NamedTuple):
    """A request head as it came. `names` and `values` are those of the fields, unchanged."""

    method: str
    target: bytes
    names: Sequence[bytes]
    values: Sequence[bytes]
    scheme: str
    peer: str

    def head(self) -> Head:
        """The same, as everybody else wants it."""
        pairs = zip(self.names, self.values, strict=True)
        fields = tuple([(name.lower(), value.strip(b" \t")) for name, value in pairs])
        return Head(self.method, self.target, fields, self.scheme, self.peer)


class Arriving:
    """What a parser has shown of a head. Sizes are judged when it is complete: until then the connection bounds them.

    `started` and `now` of the methods count all bytes that the connection has received.
    """

    __slots__ = ("_started", "names", "target", "values")

    def __init__(self) -> None:
        self.begin(0)

    def begin(self, started: int) -> None:
        """A new head, whose first byte is not before `started`."""
        self._started = started
        self.target = b""
        self.names: list[bytes] = []
        self.values: list[bytes] = []

    def is_too_large(self, now: int) -> bool:
        """Whether it has more fields, or more bytes in them, than a head may have."""
        if len(self.names) > framing.FIELDS_MAX:
            return True
        if now - self._started < framing.HEAD_SIZE_MAX // 2:
            # However they are counted, so few bytes are not too many.
            return False
        size = sum(map(len, self.names)) + sum(map(len, self.values)) + 4 * len(self.names)
        return size > framing.HEAD_SIZE_MAX


class RequestLines:
    """Holds back a request line until it is complete, and makes it ASCII."""

    def __init__(self) -> None:
        self._begun = b""

    @property
    def is_too_long(self) -> bool:
        """Whether a line has become too long before it came to its end."""
        return len(self._begun) > framing.TARGET_SIZE_MAX

    def whole(self, data: bytes) -> bytes:
        """What to parse, now that `data` came between two requests; nothing until a line is complete."""
        data = self._begun + data
        if data[:1] == b"\r":
            # RFC 9112, section 2.2: empty lines before a request are ignored.
            data = _EMPTY_LINES.sub(b"", data, count=1)
        end = data.find(b"\n")
        if end < 0:
            self._begun = data
            return b""
        self._begun = b""
        line = data[: end + 1]
        return data if line.isascii() else framing.ascii_line(line) + data[end + 1 :]
