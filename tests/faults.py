"""A proxy between a client and an HTTP/1.1 store that does to answers what networks and sick stores do."""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

_PIECE_SIZE = 64 * 1024


@dataclass(frozen=True)
class Delay:
    """The head comes late, then every piece of up to 64 KiB."""

    head_s: float = 0.0
    per_piece_s: float = 0.0


@dataclass(frozen=True)
class Silence:
    """Nothing more comes after so many bytes of the body; -1: not even the head. The connection stays."""

    after: int = -1


@dataclass(frozen=True)
class Answer:
    """This instead of asking the store."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Cut:
    """The connection ends after so many bytes of the body (of the head with `in_head`), all of it promised."""

    after: int
    in_head: bool = False


@dataclass(frozen=True)
class Reset:
    """As `Cut`, with a reset."""

    after: int
    in_head: bool = False


@dataclass(frozen=True)
class Lie:
    """Another Content-Length (-1: none at all), more bytes than promised, another ETag."""

    length: int | None = None
    extra: bytes = b""
    etag: str | None = None


@dataclass(frozen=True)
class LoseAnswer:
    """The store does it all, and its answer is dropped with the connection."""


@dataclass(frozen=True)
class Change:
    """A hook runs before the request is passed on: somebody overwrites the object."""

    writer: Callable[[], Awaitable[object]]


@dataclass(frozen=True)
class Sip:
    """The upload is read slowly."""

    bytes_per_s: int


Fault = Delay | Silence | Answer | Cut | Reset | Lie | LoseAnswer | Change | Sip


@dataclass
class Rule:
    """What happens to requests of `method` whose path matches `path` from its beginning.

    `nth`: to which of them, counted from 1; None: to all. The first rule that fits is taken.
    """

    method: str
    path: re.Pattern[str]
    nth: Collection[int] | None
    fault: Fault
    matches: int = 0

    def fits(self, method: str, path: str) -> bool:
        """Counts the request, and says whether it is meant."""
        if method != self.method or not self.path.match(path):
            return False
        self.matches += 1
        return self.nth is None or self.matches in self.nth


@dataclass(frozen=True)
class Head:
    """A head as it came. Names are lower case; of equal ones the last counts."""

    raw: bytes
    start: str
    fields: dict[str, str] = field(repr=False)

    @property
    def length(self) -> int | None:
        """What Content-Length says."""
        return int(self.fields["content-length"]) if "content-length" in self.fields else None

    @property
    def is_chunked(self) -> bool:
        return "chunked" in self.fields.get("transfer-encoding", "")

    def with_field(self, name: str, value: str | None) -> "Head":
        """With another value of a field it has; None: without it."""
        lines = self.raw[:-4].split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(name.encode() + b":")]
        if value is not None:
            kept.append(f"{name}: {value}".encode())
        return _head_of(b"\r\n".join(kept) + b"\r\n\r\n")


class _Over(Exception):
    """The connection to the client is to end here."""


class Faults:
    """The proxy, at `url`, in front of `upstream`; keeps connections and changes no head, so signatures still hold.

    `seen` are the requests that came, as (method, path).
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self._upstream = (parts.hostname, parts.port)
        self._rules: list[Rule] = []
        self._port = 0
        self.seen: list[tuple[str, str]] = []
        self.in_progress = 0
        self.in_progress_max = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def rule(self, method: str, path: str, fault: Fault, nth: Collection[int] | None = None) -> None:
        """Adds a rule; `path` is a regular expression for the beginning of the request's path."""
        self._rules.append(Rule(method, re.compile(path), nth, fault))

    def forget(self) -> None:
        """Drops all rules and what was seen."""
        self._rules.clear()
        self.seen.clear()
        self.in_progress_max = 0

    async def __aenter__(self) -> "Faults":
        self._group = asyncio.TaskGroup()
        self._connections: set[asyncio.Task[None]] = set()
        await self._group.__aenter__()
        await self.rise()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.fall()
        # Of a failure of the test the group learns nothing, so that it is told as it is.
        await self._group.__aexit__(None, None, None)

    async def rise(self) -> None:
        """Listens; again on the same port after `fall`."""
        listening = socket.create_server(("127.0.0.1", self._port))
        # A store that reads slowly is felt only when the kernel does not hold the whole upload.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _PIECE_SIZE)
        self._server = await asyncio.start_server(self._accepted, sock=listening)
        self._port = self._server.sockets[0].getsockname()[1]

    def fall(self) -> None:
        """Refuses connections, and ends those there are."""
        self._server.close()
        for connection in self._connections:
            connection.cancel()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._group.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that leaves in the middle is what these tests are about.
        with suppress(ConnectionError, asyncio.IncompleteReadError, _Over):
            try:
                while True:
                    head = await _read_head(reader)
                    self.in_progress += 1
                    self.in_progress_max = max(self.in_progress_max, self.in_progress)
                    try:
                        await self._exchange(head, reader, writer)
                    finally:
                        self.in_progress -= 1
            finally:
                writer.close()

    async def _exchange(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, path, _ = head.start.split(" ", 2)
        self.seen.append((method, path))
        fault = next((rule.fault for rule in self._rules if rule.fits(method, path)), None)
        if isinstance(fault, Answer):
            async for _ in _body(reader, head):
                pass
            await _answer(fault, writer, is_bare=method == "HEAD")
            return
        if isinstance(fault, Change):
            await fault.writer()
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        try:
            await _Exchange(head, fault, reader, writer).run(up_reader, up_writer)
        finally:
            up_writer.close()


@dataclass
class _Exchange:
    """One request on its way to the store, and the answer on its way back."""

    request: Head
    fault: Fault | None
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def run(self, up_reader: asyncio.StreamReader, up_writer: asyncio.StreamWriter) -> None:
        """Raises `_Over` when the connection to the client has served."""
        try:
            async with asyncio.TaskGroup() as both:
                # A store may answer before it has read all of the request.
                sending = both.create_task(self._send(up_writer))
                await self._receive(up_reader, sending)
        except* (ConnectionError, asyncio.IncompleteReadError, _Over):
            raise _Over from None

    async def _send(self, upstream: asyncio.StreamWriter) -> None:
        upstream.write(self.request.raw)
        async for piece in _body(self.reader, self.request):
            if isinstance(self.fault, Sip):
                await asyncio.sleep(len(piece) / self.fault.bytes_per_s)
            upstream.write(piece)
            await upstream.drain()

    async def _receive(self, upstream: asyncio.StreamReader, sending: asyncio.Task[None]) -> None:
        head = await _read_head(upstream)
        fault = self.fault
        match fault:
            case Delay():
                await asyncio.sleep(fault.head_s)
                self.writer.write(head.raw)
            case Silence() if fault.after < 0:
                pass
            case Cut() | Reset() if fault.in_head:
                self.writer.write(head.raw[: fault.after])
            case Lie():
                self.writer.write(_lied(head, fault).raw)
            case LoseAnswer():
                pass
            case _:
                self.writer.write(head.raw)
        await self._receive_body(upstream, head)
        await self.writer.drain()
        await sending
        match fault:
            case Silence():
                # Until the client has had enough.
                await self.reader.read()
                raise _Over
            case Cut() | LoseAnswer():
                raise _Over
            case Reset():
                _reset(self.writer)
                raise _Over
            case Lie():
                self.writer.write(fault.extra)
                await self.writer.drain()
                raise _Over
            case _ if head.length is None and not head.is_chunked and not self._is_bare(head):
                raise _Over

    async def _receive_body(self, upstream: asyncio.StreamReader, head: Head) -> None:
        left = self._bytes_passed()
        async for piece in _body(upstream, head, is_bare=self._is_bare(head), until_end=True):
            if isinstance(self.fault, Delay):
                await asyncio.sleep(self.fault.per_piece_s)
            shown = piece if left is None else piece[:left]
            self.writer.write(shown)
            await self.writer.drain()
            if left is not None:
                left -= len(shown)

    def _bytes_passed(self) -> int | None:
        """How much of the answer's body the client gets; None: all."""
        match self.fault:
            case Silence(after):
                return max(after, 0)
            case Cut(after, in_head) | Reset(after, in_head):
                return 0 if in_head else after
            case LoseAnswer():
                return 0
            case _:
                return None

    def _is_bare(self, answer: Head) -> bool:
        return self.request.start.startswith("HEAD ") or answer.start.split(" ")[1] in {"204", "304"}


def _reset(writer: asyncio.StreamWriter) -> None:
    # Closing a socket that lingers for no time sends RST in place of FIN.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _lied(head: Head, lie: Lie) -> Head:
    if lie.length is not None:
        head = head.with_field("content-length", None if lie.length < 0 else str(lie.length))
    if lie.etag is not None:
        head = head.with_field("etag", lie.etag)
    return head


async def _answer(answer: Answer, writer: asyncio.StreamWriter, *, is_bare: bool) -> None:
    lines = [f"HTTP/1.1 {answer.status} Fault", f"content-length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if is_bare else answer.body))
    await writer.drain()


async def _read_head(reader: asyncio.StreamReader) -> Head:
    return _head_of(await reader.readuntil(b"\r\n\r\n"))


def _head_of(raw: bytes) -> Head:
    start, *lines = raw[:-4].decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return Head(raw, start, {name.strip().lower(): value.strip() for name, value in pairs})


async def _body(
    reader: asyncio.StreamReader, head: Head, *, is_bare: bool = False, until_end: bool = False
) -> AsyncIterator[bytes]:
    """The bytes after a head as they are on the wire, framing included."""
    if is_bare:
        return
    if head.is_chunked:
        async for piece in _chunks(reader):
            yield piece
    elif head.length is not None:
        left = head.length
        while left:
            piece = await reader.read(min(left, _PIECE_SIZE))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece
    elif until_end:
        while piece := await reader.read(_PIECE_SIZE):
            yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    size = -1
    while size:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        yield line
        if size:
            yield await reader.readexactly(size + 2)
    line = b""
    while line != b"\r\n":
        line = await reader.readuntil(b"\r\n")
        yield line
