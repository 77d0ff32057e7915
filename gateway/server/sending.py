"""An answer that goes from files to a socket without passing through memory, as fast as the client takes it."""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Sequence

from gateway.server.exchange import PIECE_TAKEN_MAX_S
from gateway.server.lane import Reply
from gateway.store.resident import Slice

TURN_MAX = 4 * 1024 * 1024
"""Bytes sent in one stretch of the event loop, however fast the client takes them."""
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")
EVICTED_TAKEN_MAX_S = 60.0
"""How long a client may take nothing once its bytes are evicted: the disk has no room for others as long as it is
sent from there."""
LOOK_EVERY_S = 5.0
_MORE = getattr(socket, "MSG_MORE", 0)


class Outlet:
    """The socket under a transport, for replies that go past it. To be closed before the transport's own end."""

    def __init__(self, transport: asyncio.Transport, *, is_tls: bool) -> None:
        self._transport = transport
        self._is_tls = is_tls
        sock = transport.get_extra_info("socket")
        self._fd: int = -1 if sock is None or is_tls else sock.fileno()
        self._family: int = -1 if sock is None else sock.family
        self._sock: socket.socket | None = None

    @property
    def is_clear(self) -> bool:
        """Whether nothing written before still waits to leave."""
        return self._transport.get_write_buffer_size() == 0 and not self._transport.is_closing()

    def send(self, reply: Reply) -> "Sending | None":
        """Sends a reply, which nothing may overtake. None: it has left, or is the transport's to send."""
        slices = reply.slices
        body = slices[0].data if len(slices) == 1 else None
        if body is not None:
            self._write((reply.head, body), len(reply.head) + reply.size)
        elif not slices:
            self._write((reply.head,), len(reply.head))
        elif self._is_tls:
            self._transport.write(b"".join((reply.head, *[piece.data for piece in slices if piece.data is not None])))
        else:
            sending = Sending(self._transport, self._socket(), reply)
            if not sending.start():
                return sending
            sending.release()
        return None

    def close(self) -> None:
        """Forgets the descriptor, which is the transport's to close."""
        if self._sock is not None:
            self._sock.detach()
            self._sock = None

    def _write(self, parts: Sequence[bytes | bytearray], size: int) -> None:
        if self._fd < 0:
            self._transport.write(b"".join(parts))
            return
        try:
            sent = os.writev(self._fd, parts)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._transport.abort()
            return
        if sent < size:
            self._transport.write(b"".join(parts)[sent:])

    def _socket(self) -> socket.socket:
        if self._sock is None:
            self._sock = socket.socket(self._family, socket.SOCK_STREAM, 0, fileno=self._fd)
            # Else a copy of it would let the descriptor wait, the transport's too.
            self._sock.setblocking(False)
        return self._sock


class Sending:
    """A reply being sent. `start` it; if that was not all, `finish` it.

    Stands where an `Exchange` stands while a connection is busy, with those of its attributes that uvicorn's
    protocol and server look at. `sent` counts bytes of the body.
    """

    __slots__ = (
        "_at",
        "_ended",
        "_head",
        "_index",
        "_sock",
        "_transport",
        "_wake",
        "disconnected",
        "failed",
        "keep_alive",
        "reply",
        "response_complete",
        "sent",
    )

    def __init__(self, transport: asyncio.Transport, sock: socket.socket, reply: Reply) -> None:
        self._transport = transport
        self._sock = sock
        self.reply = reply
        self._head = reply.head
        self._index = 0
        self._at = 0
        self._wake: asyncio.Future[None] | None = None
        self.sent = 0
        self._ended = False
        self.failed = False
        self.keep_alive = True
        self.disconnected = False
        self.response_complete = False

    # From the connection.

    def start(self) -> bool:
        """Sends what the socket takes at once; True if that was all, or the connection has ended over it."""
        self._push()
        return self._ended

    async def finish(self) -> None:
        """Sends the rest and gives the slices back; then `failed` says whether the client lacks something.

        A client that takes nothing for `PIECE_TAKEN_MAX_S`, or `EVICTED_TAKEN_MAX_S` of what is evicted, is given
        up. Cancelling ends the connection.
        """
        try:
            # The loop refuses to watch a descriptor that belongs to a transport.
            with self._sock.dup() as self._sock:
                await self._finish(asyncio.get_running_loop())
        except OSError:
            # No descriptor is left, or the connection has ended before it was begun to be watched.
            self._fail()
        finally:
            self.release()

    async def _finish(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.add_writer(self._sock, self._push)
        try:
            taken, taken_s = self.sent, loop.time()
            while not self._ended:
                self._wake = loop.create_future()
                await asyncio.wait([self._wake], timeout=LOOK_EVERY_S)
                if self.sent != taken:
                    taken, taken_s = self.sent, loop.time()
                elif not self._ended and loop.time() - taken_s >= self._silence_max_s():
                    self._fail()
        finally:
            if not self._ended:
                self._fail()
            loop.remove_writer(self._sock)

    def release(self) -> None:
        """Gives the slices back; once `start` or `finish` has ended it."""
        for piece in self.reply.slices[self._index :]:
            piece.release()

    async def run_asgi(self, app: Callable[["Sending"], Awaitable[None]]) -> None:
        await app(self)

    def body_ended(self) -> None: ...

    def body_broke_off(self) -> None:
        """The client will ask for nothing more."""
        self.keep_alive = False

    def gone(self) -> None:
        """The connection has ended."""
        self.disconnected = True
        if not self._ended:
            self._end(failed=True)

    # How it is done.

    def _push(self) -> None:
        try:
            self._send(TURN_MAX)
        except BlockingIOError:
            pass
        except OSError:
            # The client has left, or the disk has failed: neither leaves a way to say more.
            self._fail()

    def _send(self, room: int) -> None:
        """Sends until all or `room` bytes are sent. Raises `BlockingIOError` when the socket is full, `OSError`."""
        while self._head:
            self._head = self._head[self._sock.send(self._head, _MORE) :]
        slices, out = self.reply.slices, self._sock.fileno()
        while self._index < len(slices):
            if room <= 0:
                return
            piece = slices[self._index]
            if piece.data is not None:
                count = self._sock.send(memoryview(piece.data)[self._at :])
            else:
                offset = piece.offset + self._at
                # Up to the next page first: 64 KiB across 17 pages cost the kernel (Linux 6.18) six times as much.
                size = min(room, piece.size - self._at, -offset % PAGE_SIZE or room)
                count = self._sendfile(out, piece, offset, size)
            room -= count
            self.sent += count
            self._at += count
            if self._at == piece.size:
                piece.release()
                self._index += 1
                self._at = 0
        self._end(failed=False)

    def _sendfile(self, out: int, piece: Slice, offset: int, size: int) -> int:
        try:
            count = os.sendfile(out, piece.fd, offset, size)
            if not count:
                raise OSError(errno.EIO, "the file ends before the record")
        except (BlockingIOError, ConnectionError):
            raise
        except OSError:
            # Else who asks again gets as far as this again, and never what the backend has.
            piece.doubt()
            raise
        return count

    def _silence_max_s(self) -> float:
        holds_evicted = any(piece.is_evicted for piece in self.reply.slices[self._index :])
        return EVICTED_TAKEN_MAX_S if holds_evicted else PIECE_TAKEN_MAX_S

    def _fail(self) -> None:
        self._transport.abort()
        self._end(failed=True)

    def _end(self, *, failed: bool) -> None:
        self._ended = True
        self.failed = failed
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)
