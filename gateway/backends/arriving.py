"""A connection to a store that carries GETs, and the answer that arrives on it: framing, bounds, limits on silence."""

import asyncio
from collections import deque
from collections.abc import Callable

import httptools

from gateway.errors import BackendBroken, BackendUnavailable, GatewayError

HEAD_SIZE_MAX = 64 * 1024
"""Bytes of a head and of the interim answers before it."""
HELD_MAX = 512 * 1024
"""Bytes of an answer that wait for its reader."""
_READ_MAX = 256 * 1024
"""What the loop may hand over at once: this much below `HELD_MAX` the store is made to wait."""
_BODILESS = frozenset({204, 304})


class Arriving:
    """The answer to one GET while it comes in.

    The connection is free for the next request as soon as the last byte has come, whether or not it was read.
    """

    __slots__ = (
        "_connection",
        "_failure",
        "_fields_size",
        "_head_size",
        "_held",
        "_held_size",
        "_keeps_alive",
        "_left",
        "_parser",
        "_until_closed",
        "_waiter",
        "_whole",
        "ended",
        "headers",
        "status",
    )

    def __init__(self, connection: "Connection") -> None:
        self.status = 0
        """Of the answer; 0 until its head is here."""
        self.headers: dict[str, str] = {}
        """By names in lower case; the first of several with one name."""
        self.ended = False
        """Whether nothing more will come."""
        self._connection = connection
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._failure: GatewayError | None = None
        self._fields_size = 0
        self._head_size = 0
        self._held: deque[bytes] = deque()
        self._held_size = 0
        self._left: int | None = None
        self._until_closed = False
        self._keeps_alive = False
        self._whole = False

    @property
    def content(self) -> "Arriving":
        """What the body is read from."""
        return self

    async def begun(self) -> bool:
        """Waits for the head; False where the connection was found closed before the first byte of an answer.

        Raises `BackendUnavailable` and `BackendBroken`. Cancelling ends the connection.
        """
        try:
            while not self.status:
                if self._failure is not None:
                    raise self._failure
                if self.ended:
                    return False
                await self._more()
        except asyncio.CancelledError:
            self.close()
            raise
        return True

    async def readany(self) -> bytes:
        """The next piece of the body; empty at its end. Raises `BackendUnavailable` and `BackendBroken`."""
        while not self._held:
            if self._failure is not None:
                raise self._failure
            if self.ended:
                return b""
            await self._more()
        piece = self._held.popleft()
        self._held_size -= len(piece)
        if self._held_size + _READ_MAX <= HELD_MAX and not self.ended:
            self._connection.resume()
        return piece

    def close(self) -> None:
        """Ends the connection if bytes are still to come."""
        if not self.ended:
            self._end(reusable=False)

    def take(self, data: bytes) -> None:
        """What came from the store."""
        if self._parser is None:
            self._take_content(data)
        else:
            self._parse(self._parser, data)
        if not self.ended and self._held_size + _READ_MAX > HELD_MAX:
            self._connection.pause()
        self._wake()

    def break_off(self, *, in_order: bool) -> None:
        """The store ended the connection, in order or by a failure of the network."""
        if (self._until_closed and in_order) or not (self.status or self._head_size):
            self._end(reusable=False)
        else:
            self.fail(BackendUnavailable("The store behind this bucket broke off in the middle of an answer."))

    def fail(self, failure: GatewayError) -> None:
        """Nothing more will come; the reader learns it behind what has."""
        self._failure = failure
        self._end(reusable=False)

    def on_message_begin(self) -> None:
        if self._whole:
            # Of an answer that nobody asked for.
            raise BackendBroken

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:
            # A trailer.
            return
        # The fields of one read are measured here; a field that never ends only where it is fed.
        self._fields_size += len(name) + len(value)
        if self._fields_size > HEAD_SIZE_MAX:
            raise BackendBroken
        self.headers.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "surrogateescape").strip(" \t"))

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None, "a parser that was let go still speaks"
        status: int = parser.get_status_code()
        if status == 101:
            # Nobody asked for another protocol.
            raise BackendBroken
        if status < 200:
            self.headers.clear()
            return
        self.status = status
        self._keeps_alive = parser.should_keep_alive()
        self._connection.allow_silence()
        if "transfer-encoding" in self.headers:
            self._until_closed = not self.headers["transfer-encoding"].lower().endswith("chunked")
        elif status not in _BODILESS:
            length = self.headers.get("content-length")
            self._left = None if length is None else int(length)
            self._until_closed = length is None

    def on_body(self, data: bytes) -> None:
        self._hold(data)
        if self._left is not None:
            self._left -= len(data)

    def on_message_complete(self) -> None:
        self._whole = bool(self.status)

    def _parse(self, parser: httptools.HttpResponseParser, data: bytes) -> None:
        try:
            parser.feed_data(data)
        except httptools.HttpParserError:
            if not self._whole:
                self.fail(BackendBroken())
                return
            self._keeps_alive = False
        if self._whole:
            self._end(reusable=self._keeps_alive)
        elif not self.status:
            self._head_size += len(data)
            if self._head_size > HEAD_SIZE_MAX:
                self.fail(BackendBroken())
        elif self._left is not None:
            # What is left is only counted, which spares copying it.
            self._parser = None

    def _take_content(self, data: bytes) -> None:
        assert self._left is not None, "only an answer of known length goes without a parser"
        if len(data) > self._left:
            data = data[: self._left]
            self._keeps_alive = False
        self._left -= len(data)
        self._hold(data)
        if not self._left:
            self._end(reusable=self._keeps_alive)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)

    async def _more(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, *, reusable: bool) -> None:
        self.ended = True
        # It holds on to this answer, and with it to what was read.
        self._parser = None
        self._connection.finish(reusable=reusable)
        self._wake()


class Connection(asyncio.Protocol):
    """Carries one request at a time. `freed` is told once per request when its answer has ended, one way or another."""

    def __init__(self, origin: str, silence_s: float, freed: "Callable[[Connection], None]") -> None:
        """Silence before a head is limited by `ask`, in the middle of an answer by `silence_s`."""
        self.origin = origin
        self.is_closed = False
        self._silence_s = silence_s
        self._freed = freed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._arriving: Arriving | None = None
        self._is_paused = False
        self._allowed_s = silence_s
        self._due_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, head: bytes, patience_s: float) -> Arriving:
        """Sends a request; its answer."""
        assert self._transport is not None, "a connection is asked while it is open"
        assert self._arriving is None, "a connection carries one request at a time"
        arriving = self._arriving = Arriving(self)
        self._allowed_s = patience_s
        self._due_s = self._loop.time() + patience_s
        self._watch()
        self._transport.write(head)
        return arriving

    def finish(self, *, reusable: bool) -> None:
        """The answer has ended."""
        self._arriving = None
        if reusable:
            self.resume()
        else:
            self.abort()
        self._freed(self)

    def abort(self) -> None:
        """Ends the connection, and the answer that is under way."""
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()

    def allow_silence(self) -> None:
        """The head is here: from now on the limit is that between bytes."""
        self._allowed_s = self._silence_s

    def pause(self) -> None:
        """Makes the store wait; no limit on its silence runs meanwhile."""
        if not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Lets the store go on."""
        if self._is_paused and self._transport is not None and not self.is_closed:
            self._is_paused = False
            self._due_s = self._loop.time() + self._allowed_s
            self._watch()
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # what TCP and TLS give
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._arriving is None:
            # Nobody asked.
            self.abort()
            return
        self._arriving.take(data)
        self._due_s = self._loop.time() + self._allowed_s

    def connection_lost(self, error: Exception | None) -> None:
        self.abort()
        self._transport = None
        if self._arriving is not None:
            self._arriving.break_off(in_order=error is None)

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_at(self._due_s, self._look)
        elif self._timer.when() > self._due_s:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._due_s, self._look)

    def _look(self) -> None:
        # One timer, which looks again later when bytes came: to set one anew for each piece costs more than a piece.
        self._timer = None
        if self._arriving is None or self._is_paused:
            return
        if self._loop.time() < self._due_s:
            self._watch()
        else:
            self._arriving.fail(BackendUnavailable(silent=True))
