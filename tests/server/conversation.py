"""A conversation with one connection: bytes on a transport of our own, and what h11 makes of the same bytes."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import h11
import uvloop
from uvicorn import Config
from uvicorn.server import ServerState

from gateway.clock import ManualClock
from gateway.errors import GatewayError
from gateway.handlers.call import Answer
from gateway.metrics import Metrics
from gateway.s3 import errors as s3_errors
from gateway.s3.head import Head
from gateway.server.connection import Connection
from gateway.server.exchange import ClientGone, Exchange
from gateway.server.lane import Lane
from gateway.server.sending import Sending
from gateway.server.stamps import Stamps


class TurnableLoop(asyncio.SelectorEventLoop):
    """A real loop whose time can be turned ahead, so that a test of a timer need not wait for it."""

    ahead_s = 0.0

    def time(self) -> float:
        return super().time() + self.ahead_s


class Pipe(asyncio.Transport):
    """A transport that remembers what was written and can be closed from both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.closed = False
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True
        self.aborted = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default


@dataclass
class Seen:
    """One request as it came out of the connection."""

    head: Head
    body: bytes
    error: str = ""


@dataclass
class Listener:
    """Stands where the door stands; answers 200 with the body's length after reading all of it."""

    connections_max: int = 100
    reads_bodies: bool = True
    metrics: Metrics = field(default_factory=Metrics)
    stamps: Stamps = field(default_factory=lambda: Stamps(ManualClock()))
    lane: Lane | None = None
    seen: list[Seen] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def answer(self, exchange: Exchange) -> None:
        seen = Seen(exchange.head, b"")
        try:
            while self.reads_bodies and (chunk := await exchange.chunk()) is not None:
                seen.body += chunk
        except GatewayError as error:
            seen.error = type(error).__name__
        self.seen.append(seen)
        with suppress(ClientGone):
            await exchange.send(Answer(200, body=b"%d" % len(seen.body)))

    async def see_off(self, sending: Sending) -> None:
        await sending.finish()

    def refusal(self, error: GatewayError) -> bytes:
        self.refused.append(s3_errors.row_of(error).code)
        return b"HTTP/1.1 400 Refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


@dataclass
class Outcome:
    seen: list[Seen]
    refused: list[str]
    written: bytes
    closed: bool
    aborted: bool


def converse(
    segments: Sequence[bytes],
    *,
    then: Callable[[Connection], None] | None = None,
    reads_bodies: bool = True,
    later_s: float = 0.0,
) -> Outcome:
    """Feeds the segments to a fresh connection, a few loop turns each, and tells what came of them `later_s` after.

    What the loop would only have logged, as a task that failed, is raised here.
    """
    return _run(_converse(segments, then, Listener(reads_bodies=reads_bodies), later_s), turnable=later_s > 0)


async def _converse(
    segments: Sequence[bytes], then: Callable[[Connection], None] | None, door: Listener, later_s: float
) -> Outcome:
    config = Config(door, ws="none", interface="asgi3", lifespan="off", log_config=None)  # type: ignore[arg-type]
    connection = Connection(config, ServerState(), {})
    pipe = Pipe()
    connection.connection_made(pipe)
    for segment in segments:
        if not pipe.closed:
            connection.data_received(segment)
        await _turns()
    if then is not None:
        then(connection)
        await _turns()
    answered = -1
    while answered < len(pipe.written):  # each turn takes the next of the requests that wait
        answered = len(pipe.written)
        await _turns()
    loop = asyncio.get_running_loop()
    if isinstance(loop, TurnableLoop):
        loop.ahead_s += later_s
        await _turns()
    outcome = Outcome(door.seen, door.refused, bytes(pipe.written), pipe.closed, pipe.aborted)
    connection.connection_lost(None)
    await _turns()
    return outcome


async def _turns() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


def _run(work: Coroutine[Any, Any, Outcome], *, turnable: bool) -> Outcome:
    unseen: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=TurnableLoop if turnable else uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: unseen.append(context))
        outcome = runner.run(work)
    assert not unseen, unseen
    return outcome


def cuts(data: bytes, places: set[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:stop] for start, stop in pairwise(edges) if start < stop]


class Peer:
    """What h11 makes of the same bytes: the requests it finds complete, with their bodies."""

    def __init__(self) -> None:
        self.connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        self.requests: list[tuple[bytes, bytes, bytes]] = []

    def accepts(self, data: bytes) -> bool:
        try:
            self.connection.receive_data(data)
            self._read_all()
        except h11.RemoteProtocolError:
            return False
        return True

    def _read_all(self) -> None:
        while True:
            event = self.connection.next_event()
            if isinstance(event, h11.Request):
                self._open = (event.method, event.target, b"")
            elif isinstance(event, h11.Data):
                method, target, body = self._open
                self._open = (method, target, body + bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self.requests.append(self._open)
                # No success: that would turn a CONNECT or an upgrade into another protocol.
                self.connection.send(h11.Response(status_code=400, headers=[("content-length", "0")]))
                self.connection.send(h11.EndOfMessage())
                if self.connection.our_state is not h11.DONE or self.connection.their_state is not h11.DONE:
                    return
                self.connection.start_next_cycle()
            else:
                return
