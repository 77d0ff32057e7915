"""The S3 door: from a request head to an answer on the wire, with an id, a metric and a log line for each."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway import timing
from gateway.budget import Budget
from gateway.clock import Clock
from gateway.errors import GatewayError, InternalError, SlowDown
from gateway.handlers import handle
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.service import Service
from gateway.metrics import Metrics
from gateway.s3 import errors as s3_errors
from gateway.s3.auth import client_address, scheme_of
from gateway.s3.choice import choose
from gateway.s3.head import Head
from gateway.s3.headers import lines_of
from gateway.s3.operations import Operation
from gateway.s3.target import resolve
from gateway.server.exchange import ClientGone, Exchange
from gateway.server.heads import head_bytes
from gateway.server.lane import READY_TARGET, TIMING_ASKED, Lane
from gateway.server.sending import Sending
from gateway.server.stamps import Stamps
from gateway.timing import Stage, Timing, timed

QUEUE_TIME_MAX_S = 5.0
"""How long a request above `limits.requests` waits before it is told to slow down."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Request:
    """What is known of a request so far, for its log line and metrics."""

    id: str
    started_s: float
    operation: str = "Unknown"
    status: int = 0
    error: str = ""
    cache: str = ""
    sent_bytes: int = 0
    timing: Timing | None = None


class Door:
    """Answers every exchange of the S3 port. Shared by all connections of the node."""

    def __init__(
        self,
        service: Service,
        metrics: Metrics,
        clock: Clock,
        *,
        limits: "DoorLimits",
        not_ready: Callable[[], str | None],
    ) -> None:
        self.metrics = metrics
        self.stamps = Stamps(clock)
        self.connections_max = limits.connections
        self._service = service
        self._clock = clock
        self._slow_s = limits.slow_s
        # One of it is one request.
        self._slots = Budget(limits.requests)
        self._not_ready = not_ready
        # What tells of each request tells of all of them.
        self.lane = None if log.isEnabledFor(logging.DEBUG) else Lane(service, metrics, clock, self.stamps, self._slots)

    async def answer(self, exchange: Exchange) -> None:
        """Answers one request; never raises but for cancelling."""
        request = _Request(self.stamps.request_id(), self._clock.monotonic_s())
        if exchange.head.first(TIMING_ASKED) == b"1":
            request.timing = timing.begin(self._clock)
        self.metrics.s3_requests_in_progress.inc()
        try:
            if exchange.head.target == READY_TARGET and exchange.head.method in ("GET", "HEAD"):
                # Answered out of turn: a busy node is still one that serves.
                request.operation = "Ready"
                await self._send(exchange, self._readiness(), request)
            else:
                await self._attempt(exchange, request)
        except ClientGone:
            request.error = "ClientGone"
        except asyncio.CancelledError:
            exchange.abort()
            request.error = "Stopped"
            raise
        except Exception as error:
            # The head is out, or the error document itself failed: only the end of the connection can tell.
            exchange.abort()
            request.error = type(error).__name__
            log.warning(
                "answer cut short",
                extra={"request_id": request.id, "operation": request.operation, "error": str(error)},
                exc_info=not isinstance(error, GatewayError),
            )
        finally:
            self.metrics.s3_requests_in_progress.dec()
            self.metrics.s3_bytes_received.inc(exchange.received_bytes)
            self._record(exchange.head, request)

    async def see_off(self, sending: Sending) -> None:
        """Sends the rest of an answer of the lane, for which a slot was taken; never raises but for cancelling."""
        reply = sending.reply
        self.metrics.s3_requests_in_progress.inc()
        request = _Request(reply.request_id, reply.started_s, reply.operation, reply.status, cache="hit")
        try:
            await sending.finish()
        finally:
            self.metrics.s3_requests_in_progress.dec()
            self._slots.give_back(1)
            request.error = "ClientGone" if sending.failed else ""
            request.sent_bytes = sending.sent
            self._record(reply.arrived.head(), request)

    async def _attempt(self, exchange: Exchange, request: _Request) -> None:
        try:
            await self._take_slot()
            try:
                answer = await self._result(exchange, request)
                async with answer.held or AsyncExitStack():
                    await self._send(exchange, answer, request)
            finally:
                self._slots.give_back(1)
        except GatewayError as error:
            if exchange.response_started:
                raise
            await self._send(exchange, self._error(error, exchange.head, request), request)
        except ClientGone:
            raise
        except Exception:
            if exchange.response_started:
                raise
            log.exception("request failed by our mistake", extra={"request_id": request.id})
            await self._send(exchange, self._error(InternalError(), exchange.head, request), request)

    async def _result(self, exchange: Exchange, request: _Request) -> Answer:
        head = exchange.head
        service = self._service
        now_s = self._clock.now_s()
        with timed(Stage.AUTH):
            target = resolve(head, service.domain)
            proof = service.verifier.authenticate(head, target, now_s)
        operation = choose(head, target)
        request.operation = name_of(operation)
        rules = service.verifier.rules
        caller = service.access.caller(
            proof, address=client_address(head, rules), secure=scheme_of(head, rules) == "https"
        )
        return await handle(service, Call(request.id, head, target, proof, caller, exchange, now_s), operation)

    async def _take_slot(self) -> None:
        try:
            await self._slots.take(1, QUEUE_TIME_MAX_S)
        except SlowDown:
            self.metrics.s3_refused.labels(reason="requests").inc()
            raise

    def _error(self, error: GatewayError, head: Head, request: _Request) -> Answer:
        row = s3_errors.row_of(error)
        request.error = row.code
        body = s3_errors.document(error, resource=head.resource, request_id=request.id, host_id=self._service.node_name)
        if row.status >= 500:
            log.warning(
                "request failed",
                extra={"request_id": request.id, "operation": request.operation, "error": str(error)},
            )
        return Answer(row.status, [*s3_errors.fields_of(error), XML_TYPE], body)

    def _readiness(self) -> Answer:
        why = self._not_ready()
        if why is None:
            return Answer(200, [("content-type", "text/plain")], b"ready\n")
        return Answer(503, [("content-type", "text/plain"), ("retry-after", "1")], f"{why}\n".encode())

    async def _send(self, exchange: Exchange, answer: Answer, request: _Request) -> None:
        request.status = answer.status
        request.cache = answer.cache or ""
        answer.fields += self._marks(request)
        if request.timing is not None:
            answer.fields.append(("server-timing", request.timing.text()))
        request.sent_bytes = await exchange.send(answer)

    def _marks(self, request: _Request) -> list[tuple[str, str]]:
        node = self._service.node_name
        return [("x-amz-request-id", request.id), ("x-amz-id-2", node), ("x-cache-node", node)]

    def refusal(self, error: GatewayError) -> bytes:
        """The whole answer to a request whose head never became one; the connection then closes."""
        request = _Request(self.stamps.request_id(), self._clock.monotonic_s(), operation="Refused")
        row = s3_errors.row_of(error)
        body = s3_errors.document(error, resource="", request_id=request.id, host_id=self._service.node_name)
        fields = [
            *s3_errors.fields_of(error),
            *self._marks(request),
            XML_TYPE,
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        self.metrics.s3_refused.labels(reason="framing").inc()
        log.debug("connection refused", extra={"request_id": request.id, "error": row.code})
        return head_bytes(row.status, self.stamps.lines(), lines_of(fields)) + body

    def _record(self, head: Head, request: _Request) -> None:
        seconds = self._clock.monotonic_s() - request.started_s
        cache = request.cache or "none"
        self.metrics.s3_requests.row(request.operation, str(request.status), cache).inc()
        self.metrics.s3_request_seconds.row(request.operation, cache).observe(seconds)
        self.metrics.s3_bytes_sent.inc(request.sent_bytes)
        slow = 0 < self._slow_s <= seconds
        if slow or log.isEnabledFor(logging.DEBUG):
            log.log(
                logging.WARNING if slow else logging.DEBUG,
                "slow request" if slow else "request",
                extra={
                    "request_id": request.id,
                    "method": head.method,
                    "path": head.resource,
                    "operation": request.operation,
                    "status": request.status,
                    "error": request.error,
                    "seconds": round(seconds, 6),
                    "sent_bytes": request.sent_bytes,
                    "peer": head.peer,
                },
            )


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """What the door obeys: requests and connections at once, and from when on a request is called slow (0: never)."""

    requests: int
    connections: int
    slow_s: float


def name_of(operation: Operation) -> str:
    """The operation's name in metrics and logs; from a short closed list."""
    name = type(operation).__name__
    verb = getattr(operation, "verb", None)
    return name if verb is None else f"{verb.value.title()}{name}"
