"""An open stream from an S3 store: which bytes an answer promises, and nothing but these."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType

from gateway.backends.http import Response, exactly
from gateway.backends.s3.headers import etag_of_version, info_of, range_of, size_of, size_of_version
from gateway.backends.s3.wire import Ask, Headers, Wire
from gateway.errors import BackendBroken, ConditionFailed, SpanOutside, VersionChanged
from gateway.model import Info, Key, Span, Version

CHECKSUMS_WANTED = {"x-amz-checksum-mode": "ENABLED"}


@dataclass(frozen=True, slots=True)
class S3Reading:
    """An open answer. Of its `body_size` bytes the reader gets those of `cut`, counted from the first that comes."""

    info: Info
    response: Response
    body_size: int
    cut: Span

    def pieces(self) -> AsyncIterator[bytes | memoryview]:
        """The bytes asked for, exactly, in pieces of at most 1 MiB; raises if the store sends anything else."""
        stream = exactly(self.response, self.body_size)
        return stream if self.cut == Span(0, self.body_size) else _cut(stream, self.cut)


class OpenedRead:
    """What `S3Backend.read` returns: sends the request on entering, frees the connection on leaving."""

    __slots__ = ("_key", "_pin", "_response", "_span", "_wire")

    def __init__(self, wire: Wire, key: Key, span: Span | None, pin: Version | None) -> None:
        self._wire = wire
        self._key = key
        self._span = span
        self._pin = pin
        self._response: Response | None = None

    async def __aenter__(self) -> S3Reading:
        response = self._response = await self._sent()
        try:
            reading = _reading(response, self._span)
            if self._pin is not None and reading.info.version != self._pin:
                raise VersionChanged
        except BaseException:
            response.close()
            raise
        return reading

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            # Does nothing to a connection whose answer was read to its end; that one is kept.
            self._response.close()

    async def _sent(self) -> Response:
        ask = Ask("GET", self._wire.place.path(self._key), (), self._headers())
        try:
            return await self._wire.send(ask)
        except ConditionFailed as error:
            raise VersionChanged from error
        except SpanOutside as error:
            if self._pin is not None and size_of_version(self._pin) != error.size:
                raise VersionChanged from error
            raise

    def _headers(self) -> Headers:
        headers: Headers = {}
        if self._span is None:
            headers.update(CHECKSUMS_WANTED)
        else:
            headers["range"] = f"bytes={self._span.start}-{self._span.stop - 1}"
        if self._pin is not None:
            etag = etag_of_version(self._pin)
            if etag is None:
                raise VersionChanged
            headers["if-match"] = f'"{etag}"'
        return headers


def _reading(response: Response, span: Span | None) -> S3Reading:
    headers, length = response.headers, size_of(response.headers)
    if response.status == 200:
        # The whole: it was asked for, or the store knows no ranges.
        info = info_of(headers, length)
        cut = Span(0, length) if span is None else Span(span.start, min(span.stop, length))
        if cut.start >= length and span is not None:
            raise SpanOutside(length)
        return S3Reading(info, response, length, cut)
    if response.status != 206 or span is None:
        raise BackendBroken
    start, stop, size = range_of(headers)
    if start != span.start or stop != min(span.stop, size) or stop - start != length:
        raise BackendBroken("The store behind this bucket sends other bytes than were asked for.")
    return S3Reading(info_of(headers, size), response, length, Span(0, length))


async def _cut(stream: AsyncIterator[bytes | memoryview], cut: Span) -> AsyncIterator[bytes | memoryview]:
    position = 0
    async for piece in stream:
        start, stop = max(cut.start - position, 0), min(cut.stop - position, len(piece))
        position += len(piece)
        if start < stop:
            yield memoryview(piece)[start:stop]
        if position >= cut.stop:
            return
