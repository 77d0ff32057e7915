"""Requests that come at a steady rate whether or not the answers keep up, and how long each answer took."""

import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

from loadtest.client import HOST, TIMEOUT_S, LoadFailed, Server

CONNECTIONS = 8
BUFFER_SIZE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Latencies:
    """How long answers took, in seconds, in order."""

    seconds: Sequence[float]

    @property
    def p50_us(self) -> float:
        return self._at(0.5)

    @property
    def p99_us(self) -> float:
        return self._at(0.99)

    def _at(self, part: float) -> float:
        return self.seconds[int(len(self.seconds) * part)] * 1e6


def paced(server: Server, heads: Sequence[bytes], answer_size: int, per_s: float, seconds: float) -> Latencies:
    """Sends the heads in turn, `per_s` of them for so many seconds. Raises `LoadFailed`.

    An answer's time begins when its request was due if no connection was free then, else when it was sent: that
    this process slept a moment too long is not the server's.
    """
    run = _Run(server, heads, answer_size)
    try:
        return Latencies(sorted(run.go(per_s, int(per_s * seconds))))
    finally:
        run.close()


class _Run:
    def __init__(self, server: Server, heads: Sequence[bytes], answer_size: int) -> None:
        self._heads = heads
        self._answer_size = answer_size
        self._free = [socket.create_connection((HOST, server.port), TIMEOUT_S) for _ in range(CONNECTIONS)]
        self._all = list(self._free)
        for sock in self._all:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._waiting: dict[socket.socket, float] = {}
        self._left: dict[socket.socket, int] = {}
        self._buffer = bytearray(BUFFER_SIZE)
        self._taken_s: list[float] = []

    def go(self, per_s: float, count: int) -> list[float]:
        """How long each of `count` answers took."""
        started, sent, is_blocked = time.perf_counter(), 0, False
        while len(self._taken_s) < count:
            due_s, now_s = started + sent / per_s, time.perf_counter()
            if sent < count and now_s >= due_s and self._free:
                self._send(self._heads[sent % len(self._heads)], due_s if is_blocked else now_s)
                sent, is_blocked = sent + 1, False
                continue
            is_blocked = sent < count and now_s >= due_s
            self._wait(due_s - now_s if self._free and sent < count else TIMEOUT_S)
        return self._taken_s

    def _wait(self, pause_s: float) -> None:
        """Receives what comes until the pause is over or something came."""
        ready, _, _ = select.select(list(self._waiting), [], [], pause_s)
        if not ready and pause_s >= TIMEOUT_S:
            raise LoadFailed("no answer")
        for sock in ready:
            self._receive(sock)

    def close(self) -> None:
        for sock in self._all:
            sock.close()

    def _send(self, head: bytes, since_s: float) -> None:
        sock = self._free.pop()
        self._waiting[sock] = since_s
        sock.sendall(head)

    def _receive(self, sock: socket.socket) -> None:
        count = sock.recv_into(self._buffer)
        if count == 0:
            raise LoadFailed("the server closed the connection")
        left = self._left.pop(sock, 0)
        if not left:
            end = self._buffer.find(b"\r\n\r\n", 0, count)
            if self._buffer[9:12] != b"200" or end < 0:
                raise LoadFailed(self._buffer[:count].decode("latin-1"))
            left = end + 4 + self._answer_size
        left -= count
        if left:
            self._left[sock] = left
            return
        self._taken_s.append(time.perf_counter() - self._waiting.pop(sock))
        self._free.append(sock)
