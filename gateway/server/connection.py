"""The S3 port's protocol class: uvicorn's httptools protocol with strict framing, limits and our own exchanges."""

import asyncio
import logging
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.errors import GatewayError, HeadTooLarge, RequestMalformed, RequestTimeout, SlowDown
from gateway.s3.head import Head
from gateway.server import framing
from gateway.server.answering import Answering
from gateway.server.arriving import Arrived, Arriving, RequestLines
from gateway.server.exchange import Exchange
from gateway.server.idle import Idle
from gateway.server.lane import READY_TARGET, Lane, Reply
from gateway.server.listener import GOODBYE_TIME_MAX_S
from gateway.server.sending import Outlet, Sending
from gateway.server.stamps import Stamps

HEAD_TIME_MAX_S = 10.0
IDLE_MAX_S = 75
LINGER_SIZE_MAX = 1024 * 1024
LINGER_TIME_MAX_S = 2.0
PIPELINE_MAX = 100
"""Requests that wait behind the one being answered; no client of S3 sends any."""

log = logging.getLogger(__name__)


class Connection(HttpToolsProtocol):
    """One client connection: bytes to exchanges, one at a time, answers in order.

    A request whose framing cannot be trusted is answered and the connection closed; nothing after it
    is read. Implements `exchange.Line`.
    """

    transport: asyncio.Transport
    cycle: Exchange | Sending | None  # type: ignore[assignment]  # uvicorn's name for what we call an exchange

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._door: Answering = config.app  # type: ignore[assignment]  # uvicorn would call it an ASGI application
        self._arriving = Arriving()
        self._received_size = 0
        self._chunk_start = 0
        self._loose_size = 0
        self._in_head = False
        self._between = True
        self._lines = RequestLines()
        self._running: Exchange | Sending | None = None
        self._trailers_size = 0
        self._refusal: GatewayError | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._linger_left: int | None = None
        self._linger_timer: asyncio.TimerHandle | None = None
        self._outlet: Outlet | None = None
        self._idle = Idle(self.loop, IDLE_MAX_S, self._hang_up)

    @property
    def stamps(self) -> Stamps:
        """See `exchange.Line`."""
        return self._door.stamps

    # From the transport.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Written means sent: pieces are views of buffers that their givers use again.
        # uvloop's TLS (0.23) takes an empty buffer for a full one when the limit is 0, and never resumes;
        # there the bytes were encrypted into a buffer of its own, so the last one may wait.
        transport.set_write_buffer_limits(high=1 if self.scheme == "https" else 0, low=0)
        self._door.metrics.s3_connections.inc()
        if len(self.connections) > self._door.connections_max:
            self._door.metrics.s3_refused.labels(reason="connections").inc()
            self._refuse(SlowDown("The gateway has as many connections as it may have."))
            return
        if self._door.lane is not None:
            self._outlet = Outlet(transport, is_tls=self.scheme == "https")
        self._idle.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.metrics.s3_connections.dec()
        self._idle.stop()
        self._cancel_head_timer()
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        self.pipeline.clear()
        if self._running is not None:
            self._running.gone()
            self._running = None
        if self._outlet is not None:
            self._outlet.close()
        self.cycle = None  # uvicorn would tell it once more; and this breaks the circle of connection and exchange
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client may shut down its sending side and still read the answer, but sends no further request."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        self.cycle.body_broke_off()
        return True

    def data_received(self, data: bytes) -> None:
        if self._linger_left is not None:
            self._drop(len(data))
            return
        if self._between:
            self._idle.interrupt()
            data = self._lines.whole(data)
            if not data:
                self._await_line()
                return
            self._between = False
        self._loose_size += len(data)
        self._chunk_start = self._received_size
        self._received_size += len(data)
        self._parse(data)
        if self._refusal is None and self._is_too_loose():
            self._refusal = HeadTooLarge()
        if self._refusal is not None:
            self._refuse(self._refusal)
        elif self._in_head:
            self._await_head()

    def _is_too_loose(self) -> bool:
        """Whether too much has come since the head began or the body last grew.

        The parser gathers a field before it shows it, be it of a head or a trailer.
        """
        if self._between:
            return False
        return self._loose_size > (
            framing.HEAD_SIZE_MAX + framing.TARGET_SIZE_MAX if self._in_head else framing.TRAILERS_SIZE_MAX
        )

    def _await_line(self) -> None:
        if self._lines.is_too_long:
            self._refuse(HeadTooLarge())
        else:
            self._await_head()

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Not offered: the request is answered as if it had not asked, and the connection ends.
            if self.cycle is not None:
                self.cycle.keep_alive = False
        except httptools.HttpParserError:
            self._refusal = self._refusal or RequestMalformed()

    # From the parser.

    def on_message_begin(self) -> None:
        self._arriving.begin(self._chunk_start)
        self._loose_size = 0
        self._trailers_size = 0
        self._in_head = True
        self._between = False

    def on_url(self, url: bytes) -> None:
        self._arriving.target += url
        if len(self._arriving.target) > framing.TARGET_SIZE_MAX:
            self._refusal = HeadTooLarge()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            self._arriving.names.append(name)
            self._arriving.values.append(value)
            return
        self._trailers_size += len(name) + len(value)
        if self._trailers_size > framing.TRAILERS_SIZE_MAX:
            self._refusal = HeadTooLarge("The trailers are too large.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._loose_size = 0
        self._cancel_head_timer()
        if self._refusal is None and self._arriving.is_too_large(self._received_size):
            self._refusal = HeadTooLarge()
        if self._refusal is not None:
            return
        arriving, peer = self._arriving, self.client[0] if self.client else ""
        method = self.parser.get_method().decode("ascii")
        arrived = Arrived(method, arriving.target, arriving.names, arriving.values, self.scheme or "http", peer)
        lane = self._open_lane(arrived)
        reply = None if lane is None else self._reply(lane, arrived)
        if lane is not None and reply is not None:
            self._send(lane, reply)
        else:
            self._take_up(arrived, None if lane is None or lane.has_understood else lane)

    def _open_lane(self, arrived: Arrived) -> Lane | None:
        """The lane, if an answer could leave at once and the connection goes on as it is."""
        if arrived.method not in ("GET", "HEAD") or self._outlet is None or self._linger_timer is not None:
            return None
        if arrived.target == READY_TARGET:
            return None
        is_busy = self.cycle is not None and not self.cycle.response_complete
        if is_busy or self.pipeline or self.flow.write_paused or not self._outlet.is_clear:
            return None
        keeps_alive = self.parser.should_keep_alive() and self.parser.get_http_version() == "1.1"
        return self._door.lane if keeps_alive else None

    def _reply(self, lane: Lane, arrived: Arrived, head: Head | None = None) -> Reply | None:
        try:
            return lane.usual(arrived) if head is None else lane.any(arrived, head)
        except Exception:
            # The parser would take it for the client's mistake; and the ordinary way may well have an answer.
            log.exception("hit lane failed by our mistake")
            return None

    def _send(self, lane: Lane, reply: Reply) -> None:
        assert self._outlet is not None
        sending = self._outlet.send(reply)
        if sending is None:
            lane.count(reply)
            self.server_state.total_requests += 1
            self._idle.begin()
            return
        lane.slots.take_now(1)
        self._idle.interrupt()
        self.cycle = self._running = sending
        self._start_asgi_task(sending, self._see_off)  # type: ignore[arg-type]

    async def _see_off(self, sending: Sending) -> None:
        try:
            await self._door.see_off(sending)
        finally:
            sending.response_complete = True
            if not sending.failed:
                if not sending.keep_alive:
                    self.close()
                self.on_response_complete()

    def _take_up(self, arrived: Arrived, lane: Lane | None) -> None:
        """Begins an exchange, unless the lane knows the answer after all."""
        version = self.parser.get_http_version()
        head = arrived.head()
        try:
            frame = framing.frame(version, head.fields)
        except GatewayError as error:
            self._refusal = error
            return
        upgrades = self.parser.should_upgrade()
        if frame.has_body and upgrades:
            # The parser takes what follows for another protocol: the body would seem to be empty.
            self._refusal = RequestMalformed("Upgrades are not offered.")
            return
        if lane is not None and not frame.has_body and not frame.expects_continue and not upgrades:
            reply = self._reply(lane, arrived, head)
            if reply is not None:
                self._send(lane, reply)
                return
        keep_alive = bool(self.parser.should_keep_alive())
        self._begin(Exchange(self, head, frame, keep_alive=keep_alive, is_http_10=version == "1.0"))

    def _begin(self, exchange: Exchange) -> None:
        earlier = self.cycle
        self.cycle = exchange
        if (earlier is None or earlier.response_complete) and not self.flow.write_paused:
            self._start(exchange)
        elif len(self.pipeline) < PIPELINE_MAX:
            self.flow.pause_reading()
            self.pipeline.appendleft((exchange, self.app))  # type: ignore[arg-type]
        else:
            self.cycle = earlier
            self._refusal = SlowDown("Too many requests wait on this connection.")

    def _start(self, exchange: Exchange) -> None:
        # Its head may have begun to come before the last answer was sent.
        self._idle.interrupt()
        self._running = exchange
        self._start_asgi_task(exchange, self._door.answer)  # type: ignore[arg-type]

    def on_body(self, body: bytes) -> None:
        self._loose_size = 0
        if self._refusal is None:
            # What has a body does not take the lane.
            assert isinstance(self.cycle, Exchange)
            self.cycle.body_arrived(body)

    def on_message_complete(self) -> None:
        self._between = True
        if self._refusal is None and self.cycle is not None:
            self.cycle.body_ended()

    # From the exchange.

    def resume_reading(self) -> None:
        self.flow.resume_reading()

    def pause_reading(self) -> None:
        self.flow.pause_reading()

    async def written(self, silence_max_s: float) -> None:
        """See `exchange.Line`."""
        if not self.flow.write_paused:
            return
        try:
            async with asyncio.timeout(silence_max_s):
                await self.flow.drain()
        except TimeoutError:
            if self._running is not None:
                self._running.disconnected = True
            self.transport.abort()

    def linger(self) -> None:
        """See `exchange.Line`."""
        self._linger_left = LINGER_SIZE_MAX
        self._linger_timer = self.loop.call_later(LINGER_TIME_MAX_S, self.transport.abort)
        self.flow.resume_reading()

    def close(self) -> None:
        """See `exchange.Line`."""
        if self._linger_left is not None:
            # More comes than could be trusted: closed upon unread, it would take the answer with it.
            self.linger()
            return
        self.transport.close()
        wait_s = IDLE_MAX_S if self.flow.write_paused else GOODBYE_TIME_MAX_S
        self._linger_timer = self.loop.call_later(wait_s, self.transport.abort)

    def on_response_complete(self) -> None:
        """Starts the next request that already waits, else lets the idle time run."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._linger_timer is None:
            self._idle.begin()
        if not self.flow.write_paused:
            self._go_on()

    def resume_writing(self) -> None:
        super().resume_writing()
        if (self._running is None or self._running.response_complete) and not self.transport.is_closing():
            self._go_on()

    def _go_on(self) -> None:
        """Turns to what comes next. The client has taken all answers: else they would pile up in memory."""
        if self.pipeline:
            # It came whole, and is answered even if what followed it is dropped.
            exchange, _ = self.pipeline.pop()
            self._start(exchange)  # type: ignore[arg-type]
        self.flow.resume_reading()

    def _hang_up(self) -> None:
        """Ends a connection on which nothing moves."""
        if self.flow.write_paused:
            # Closing would wait for the client to take the rest.
            self.transport.abort()
        elif not self.transport.is_closing():
            self.transport.close()

    # Ends.

    def _refuse(self, error: GatewayError) -> None:
        """Ends the connection with this error; whatever still comes is dropped unread."""
        self._refusal = None
        self._cancel_head_timer()
        if self.cycle is not None and not self.cycle.response_complete:
            # The error lies in that request's body, or behind it. A second answer would be read as
            # part of the first, so the first one ends the connection.
            self.cycle.body_broke_off()
            self._linger_left = LINGER_SIZE_MAX
        else:
            self.transport.write(self._door.refusal(error))
            self.linger()

    def _drop(self, size: int) -> None:
        assert self._linger_left is not None
        self._linger_left -= size
        if self._linger_left <= 0:
            self.transport.abort()

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_TIME_MAX_S, self._head_overdue)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_overdue(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._refuse(RequestTimeout())
