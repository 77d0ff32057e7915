"""One version of an object, open for one request: through the cache, or straight from the backend."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.backends.base import Backend, Reading
from gateway.cache.freshness import Demand
from gateway.cache.infos import Seen
from gateway.cache.reader import Reader
from gateway.cache.words import Facts, Source, word
from gateway.errors import SpanOutside
from gateway.model import Info, Key, Span
from gateway.timing import Stage, each_timed


@dataclass(frozen=True, slots=True)
class Want:
    """What a read begins with: the span it will most likely be, before the object's size is known; None: all of it.

    `info_first`: the span depends on the info, or there may be none. `complete`: the info must tell the checksum.
    """

    span: Span | None = None
    info_first: bool = False
    complete: bool = False
    demand: Demand = Demand.NORMAL


class View(Protocol):
    """An object as one request sees it: info and bytes are of one version. To be closed by who opened it."""

    @property
    def info(self) -> Info: ...

    @property
    def age_s(self) -> int:
        """Seconds since the backend confirmed the version."""
        ...

    @property
    def is_stale(self) -> bool: ...

    async def source(self, span: Span | None) -> Source:
        """The x-cache word of an answer with these bytes, of which some may have been read; None: without any."""
        ...

    def pieces(self, span: Span, *, whole: bool) -> AsyncIterator[bytes | memoryview]:
        """Exactly the bytes of the span, in pieces of at most 1 MiB; may be called once. `whole`: it is all of them."""
        ...

    async def close(self) -> None:
        """Ends what was begun for it."""
        ...


class CachedView:
    """A view through the cache."""

    def __init__(self, reader: Reader, seen: Seen, age_s: int) -> None:
        self._reader = reader
        self._seen = seen
        self.age_s = age_s

    @property
    def info(self) -> Info:
        return self._seen.info

    @property
    def is_stale(self) -> bool:
        return self._seen.is_stale

    async def source(self, span: Span | None) -> Source:
        filled = await self._reader.needs_backend(span) if span is not None and span.size else None
        return word_of(self._seen, filled=filled)

    def pieces(self, span: Span, *, whole: bool) -> AsyncIterator[bytes | memoryview]:
        return self._reader.pieces(span, whole=whole)

    async def close(self) -> None:
        self._reader.close()


class DirectView:
    """A view that leaves the cache alone."""

    age_s = 0
    is_stale = False

    def __init__(self, backend: Backend, key: Key, info: Info, stream: "OpenStream | None" = None) -> None:
        self._backend = backend
        self._key = key
        self._stream = stream
        self.info = info

    async def source(self, span: Span | None) -> Source:
        return Source.BYPASS

    async def pieces(self, span: Span, *, whole: bool) -> AsyncIterator[bytes | memoryview]:
        if self._stream is not None:
            async for piece in each_timed(Stage.BACKEND, self._stream.reading.pieces()):
                yield piece
            return
        async with self._backend.read(self._key, None if whole else span, self.info.version) as reading:
            async for piece in each_timed(Stage.BACKEND, reading.pieces()):
                yield piece

    async def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.context.__aexit__(None, None, None)


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream of a backend that outlives the call that opened it."""

    context: AbstractAsyncContextManager[Reading]
    reading: Reading


async def direct_view(backend: Backend, key: Key, want: Want) -> View:
    """The object as the backend has it, in one request where the span is known."""
    if not want.info_first:
        context = backend.read(key, want.span, None)
        try:
            reading = await context.__aenter__()
        except SpanOutside:
            # Conditions come before the range, so the info is needed to say what is wrong.
            pass
        else:
            return DirectView(backend, key, reading.info, OpenStream(context, reading))
    return DirectView(backend, key, await backend.stat(key))


def word_of(seen: Seen, *, filled: bool | None) -> Source:
    """The word of an answer; `filled` None: it has no bytes, and the info counts instead."""
    return word(
        Facts(
            filled=seen.is_new if filled is None else filled,
            is_stale=seen.is_stale,
            revalidated=seen.asked and not seen.is_stale,
        )
    )
