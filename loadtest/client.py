"""A cheap S3 client for load: requests signed beforehand, bare sockets, bodies that are never copied."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tests.real.wire import Signer, head_bytes, path

BUCKET = "demo"
HOST = "127.0.0.1"
BUFFER_SIZE = 1024 * 1024
TIMEOUT_S = 300
NO_HEADERS: Mapping[str, str] = {}


class LoadFailed(Exception):
    """The server answered something else than 200, or not all of it."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load; its bucket exists. `pid` leads all its processes. Without a signer it asks for no proof."""

    name: str
    port: int
    pid: int
    signer: Signer | None
    bucket: str = BUCKET

    def put_head(self, key: str, size: int) -> bytes:
        """The head of a signed PUT of `size` bytes; it may be sent again and again for some minutes."""
        return self.head("PUT", key, {"content-length": str(size)})

    def get_head(self, key: str) -> bytes:
        """The same for a GET; an empty key lists the bucket."""
        return self.head("GET", key)

    def head(
        self, method: str, key: str, headers: Mapping[str, str] = NO_HEADERS, *, now: datetime | None = None
    ) -> bytes:
        """The head of a request, signed as if it was `now`."""
        target = path(self.bucket, key)
        given = {"host": f"{HOST}:{self.port}", **headers}
        if self.signer is not None:
            given = self.signer.signed(method, target, given, now=now)
        return head_bytes(method, target, given)


class Channel:
    """One connection that stays open, with one request on it at a time."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection((HOST, server.port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(BUFFER_SIZE)

    def send(self, data: bytes | memoryview) -> None:
        """Sends a head, or a piece of a body."""
        self._socket.sendall(data)

    def finish(self, *, has_body: bool = True) -> int:
        """Receives the whole answer and drops it; returns the length it tells. Raises `LoadFailed`.

        The answer to a HEAD has no body.
        """
        filled, end = 0, -1
        while end < 0:
            filled += self._received(filled)
            end = self._buffer.find(b"\r\n\r\n", 0, filled)
        if self._buffer[9:12] != b"200":
            raise LoadFailed(self._buffer[:filled].decode("latin-1"))
        head = bytes(self._buffer[: end + 2]).lower()
        size = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        left = size - (filled - end - 4) if has_body else 0
        while left > 0:
            left -= self._received(0)
        return size

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def _received(self, start: int) -> int:
        count = self._socket.recv_into(memoryview(self._buffer)[start:])
        if count == 0:
            raise LoadFailed("the server closed the connection")
        return count
