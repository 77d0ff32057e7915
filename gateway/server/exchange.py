"""One request on a connection, and its answer: the body in, the head and the body out, and when to close."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from gateway.errors import BodyIncomplete, RequestTimeout
from gateway.handlers.call import CHUNK_COST, Answer
from gateway.s3.head import Head
from gateway.s3.headers import lines_of
from gateway.server.framing import Framing
from gateway.server.heads import head_bytes
from gateway.server.stamps import Stamps

BODY_SILENCE_MAX_S = 30.0
PIECE_TAKEN_MAX_S = 300.0
"""A client that does not take one piece (1 MiB) in this time is given up."""
BODY_BUFFER_MAX = 256 * 1024
"""Received and not yet asked for; above it the socket is not read."""
UNWANTED_BODY_MAX = 64 * 1024
"""A body that nobody asked for is dropped up to here, so that the connection lives on."""
JOIN_MAX = 64 * 1024
"""Head and body go out in one piece up to here."""


class ClientGone(Exception):
    """The connection ended under the answer; there is nobody left to tell."""


class Line(Protocol):
    """What an exchange asks of the connection it runs on."""

    transport: asyncio.Transport

    @property
    def stamps(self) -> Stamps: ...

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...

    async def written(self, silence_max_s: float) -> None:
        """Returns when all that was written has left for the kernel, or the connection has ended."""
        ...

    def linger(self) -> None:
        """Reads on for a moment, so that the client gets to see the answer, then closes."""
        ...

    def close(self) -> None:
        """Closes once all that was written has left, or the client does not take it."""
        ...

    def on_response_complete(self) -> None: ...


class Exchange:
    """A request being answered. Implements `handlers.call.Incoming`.

    The connection feeds `body_arrived`, `body_ended`, `body_broke_off` and `disconnected`; the answering task awaits
    `chunk` and `send`. The attribute names `response_complete`, `disconnected`, `message_event`,
    `keep_alive` and `run_asgi` are those that uvicorn's protocol and server look at.
    """

    __slots__ = (
        "_body_broken",
        "_body_done",
        "_buffered",
        "_chunks",
        "_continue_due",
        "_line",
        "disconnected",
        "framing",
        "head",
        "is_http_10",
        "keep_alive",
        "message_event",
        "received_bytes",
        "response_complete",
        "response_started",
    )

    def __init__(self, line: Line, head: Head, framing: Framing, *, keep_alive: bool, is_http_10: bool) -> None:
        self._line = line
        self.head = head
        self.framing = framing
        self.keep_alive = keep_alive
        self.is_http_10 = is_http_10
        self._continue_due = framing.expects_continue
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self.received_bytes = 0
        self._body_done = False
        self._body_broken = False
        self.message_event = asyncio.Event()
        self.disconnected = False
        self.response_started = False
        self.response_complete = False

    async def run_asgi(self, door: Callable[["Exchange"], Awaitable[None]]) -> None:
        await door(self)

    # What the connection tells.

    def body_arrived(self, data: bytes) -> None:
        self.received_bytes += len(data)
        if self.response_complete:
            return
        self._chunks.append(data)
        self._buffered += len(data) + CHUNK_COST
        if self._buffered > BODY_BUFFER_MAX:
            self._line.pause_reading()
        self.message_event.set()

    def body_ended(self) -> None:
        self._body_done = True
        self.message_event.set()

    def body_broke_off(self) -> None:
        """No more of the body will come, or none that can be trusted; the answer can still be sent."""
        if not self._body_done:
            self._body_broken = True
            self.message_event.set()
        self.keep_alive = False

    def gone(self) -> None:
        """The connection has ended."""
        self.disconnected = True
        self.message_event.set()

    # What the answering task asks.

    async def chunk(self) -> bytes | None:
        """See `handlers.call.Incoming`."""
        if self._continue_due:
            self._continue_due = False
            self._line.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self._chunks:
            if self._body_done:
                return None
            if self.disconnected or self._body_broken:
                self.keep_alive = False
                raise BodyIncomplete
            self.message_event.clear()
            self._line.resume_reading()
            try:
                async with asyncio.timeout(BODY_SILENCE_MAX_S):
                    await self.message_event.wait()
            except TimeoutError as error:
                self.keep_alive = False
                raise RequestTimeout from error
        data = self._chunks.popleft()
        self._buffered -= len(data) + CHUNK_COST
        return data

    async def send(self, answer: Answer) -> int:
        """Sends the whole answer and returns the bytes of its body; raises `ClientGone`, or what its stream raises.

        Nothing has been sent as long as `response_started` is false, so a stream that fails at its first
        piece can still be answered with an error. After that a failure leaves the answer short, and the
        caller must `abort`.
        """
        self._decide_whether_to_close()
        if answer.stream is None or self.head.method == "HEAD":
            sent = await self._send_whole(answer)
        else:
            sent = await self._send_stream(answer, answer.stream)
        self._complete()
        return sent

    def abort(self) -> None:
        """Ends the connection at once: the client must not mistake what it has for a whole answer."""
        self.keep_alive = False
        self._line.transport.abort()

    # How it is done.

    def _decide_whether_to_close(self) -> None:
        if self._continue_due:
            # botocore skips the body after a final status instead of 100 and would then reuse the
            # connection, with this status kept for the next answer: an empty body ends it as well.
            self.keep_alive = False
        elif not self._body_done and (self.framing.length is None or self.framing.length > UNWANTED_BODY_MAX):
            self.keep_alive = False

    def _head_bytes(self, answer: Answer, size: int | None) -> bytes:
        framing = ""
        if size is not None:
            if answer.status not in (204, 304):
                framing = f"content-length: {size}\r\n"
        elif self.is_http_10:
            self.keep_alive = False
        else:
            framing = "transfer-encoding: chunked\r\n"
        ending = ""
        if not self.keep_alive:
            ending = "connection: close\r\n"
        elif self.is_http_10:
            ending = "connection: keep-alive\r\n"
        return head_bytes(answer.status, self._line.stamps.lines(), lines_of(answer.fields), framing, ending)

    async def _send_whole(self, answer: Answer) -> int:
        # An answer to HEAD has a size and no body.
        sized = answer.size is not None or answer.stream is not None
        head = self._head_bytes(answer, answer.size if sized else len(answer.body))
        body = b"" if self.head.method == "HEAD" else answer.body
        if self.disconnected:
            raise ClientGone
        self.response_started = True
        if len(body) <= JOIN_MAX:
            self._line.transport.write(head + body)
        else:
            self._line.transport.write(head)
            await self._write(body)
        return len(body)

    async def _send_stream(self, answer: Answer, stream: AsyncIterator[bytes | memoryview]) -> int:
        size = answer.size
        chunked = size is None and not self.is_http_10
        piece = await anext(stream, None)
        head = self._head_bytes(answer, size)
        if self.disconnected:
            raise ClientGone
        self.response_started = True
        self._line.transport.write(head)
        sent = 0
        while piece is not None:
            sent += len(piece)
            assert size is None or sent <= size, "a stream longer than it said"
            await (self._write_chunk(piece) if chunked else self._write(piece))
            piece = await anext(stream, None)
        assert size is None or sent == size, "a stream shorter than it said"
        if chunked:
            self._line.transport.write(b"0\r\n\r\n")
        return sent

    async def _write_chunk(self, piece: bytes | memoryview) -> None:
        if not piece:  # an empty chunk would end the body
            return
        self._line.transport.write(b"%x\r\n" % len(piece))
        self._line.transport.write(piece)
        await self._write(b"\r\n")

    async def _write(self, piece: bytes | memoryview) -> None:
        if self.disconnected:
            raise ClientGone
        self._line.transport.write(piece)
        # The piece's memory is its giver's again once we return, so it must have left.
        await self._line.written(PIECE_TAKEN_MAX_S)
        if self.disconnected:
            raise ClientGone

    def _complete(self) -> None:
        self.response_complete = True
        self._chunks.clear()
        self._buffered = 0
        if not self.keep_alive:
            if self._body_done or self._body_broken:
                self._line.close()
            else:
                self._line.linger()
        self._line.on_response_complete()
