"""A read that goes on at the next byte when its stream breaks."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from gateway.backends.base import Backend, Reading
from gateway.backends.steady.course import Course, Operation, Terms
from gateway.backends.steady.endpoint import Turn
from gateway.backends.steady.limit import Kind
from gateway.backends.steady.retry import Repeat
from gateway.errors import GatewayError
from gateway.model import Info, Key, Span, Version

READ = Operation("read", Kind.READ, Repeat.READ)


class SteadyRead:
    """A context and the `Reading` in it. It holds its slot for as long as it is open.

    The version of the first answer binds the stream, however often it is resumed.
    """

    __slots__ = ("_course", "_inner", "_key", "_pin", "_reading", "_span", "_stream", "_terms", "_turn", "info")

    info: Info
    _stream: AbstractAsyncContextManager[Reading]
    _reading: Reading

    def __init__(self, inner: Backend, terms: Terms, key: Key, span: Span | None, pin: Version | None) -> None:
        self._inner = inner
        self._terms = terms
        self._key = key
        self._span = span
        self._pin = pin
        self._course = Course(terms, READ)
        self._turn: Turn | None = None

    async def __aenter__(self) -> "SteadyRead":
        await self._connect()
        self.info = self._reading.info
        self._pin = self.info.version
        size, span = self.info.size, self._span
        self._span = Span(0, size) if span is None else Span(span.start, min(span.stop, size))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            try:
                await self._stream.__aexit__(kind, error, at)
            finally:
                # What ended the block was not the store's doing.
                turn.end(None)

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """As `Reading.pieces`."""
        course, meter, bandwidth = self._course, self._terms.meter, self._terms.bandwidth
        while True:
            try:
                pieces = self._reading.pieces()
                # The first piece is the one that a reader may have waited for since before a break.
                piece = await course.hurried(anext(pieces, b""))
                while piece:
                    size = len(piece)
                    self._advance(size)
                    meter.received(size)
                    if bandwidth.is_limited:
                        await course.pace(bandwidth, size)
                    yield piece
                    course.progressed()
                    piece = await anext(pieces, b"")
                return
            except GatewayError as error:
                await self._resume(error)

    def _advance(self, size: int) -> None:
        span = self._span
        assert span is not None
        self._span = Span(span.start + size, span.stop)

    async def _resume(self, error: GatewayError) -> None:
        turn, self._turn = self._turn, None
        assert turn is not None
        try:
            await self._stream.__aexit__(type(error), error, error.__traceback__)
        finally:
            turn.end(error)
        # A stream that breaks after its last byte has more wrong with it than a request for nothing could tell.
        if self._span is not None and not self._span.size:
            raise error
        await self._course.recover(error, Repeat.READ)
        await self._connect()

    async def _connect(self) -> None:
        while True:
            turn = await self._course.turn()
            try:
                await self._open(turn)
            except GatewayError as error:
                await self._course.recover(error, Repeat.READ)
            else:
                return

    async def _open(self, turn: Turn) -> None:
        stream = self._inner.read(self._key, self._span, self._pin)
        try:
            self._reading = await self._course.hurried(stream.__aenter__())
        except BaseException as error:
            turn.end(error)
            raise
        turn.answered()
        self._stream, self._turn = stream, turn
