"""A request on its way through the handlers, and the answer that comes back."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Protocol

from gateway.access.callers import Caller
from gateway.s3.head import Head, Target
from gateway.s3.proof import Proof

XML_TYPE = ("content-type", "application/xml")
"""The field of answers whose body is a document."""
CHUNK_COST = 64
"""Bytes that holding a chunk of a body takes beside the chunk's own; clients may send them one byte each."""


class Incoming(Protocol):
    """The raw body as it comes from the socket, before any aws-chunked framing is undone."""

    async def chunk(self) -> bytes | None:
        """The next bytes as received (never empty), or None after the last.

        Sends `100 Continue` on the first call if the client waits for it. Raises `BodyIncomplete`
        when the client is gone and `RequestTimeout` when it is silent for too long.
        """
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request."""

    request_id: str
    head: Head
    target: Target
    proof: Proof
    caller: Caller
    incoming: Incoming
    now_s: float


@dataclass(slots=True)
class Answer:
    """What goes back: a whole `body`, or a `stream` of pieces.

    `size` is the stream's length; None sends it chunked. Answers to HEAD have no body and no stream,
    only `size`. `cache` is the x-cache word of reads.
    `held` is closed when the answer has been sent or given up, whichever comes first.
    Names in `fields` are lower case; the server adds date, request id, node and content-length.
    """

    status: int
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    stream: AsyncIterator[bytes | memoryview] | None = None
    size: int | None = None
    cache: str | None = None
    held: AsyncExitStack | None = None
