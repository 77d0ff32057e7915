"""A store that answers by script: each request gets the next of the answers, byte by byte as written."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.backends.s3 import S3Backend
from gateway.clock import Clock
from gateway.config.places import S3Options

STAMP = "Wed, 21 Oct 2026 07:28:00 GMT"
FIXED = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "a secret that nobody must see"}


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """An answer with its length, unless `content_length` says another."""
    fields = {"content_length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Said\r\n{lines}\r\n".encode() + body


def stored(body: bytes, status: int = 200, **headers: str) -> bytes:
    """An answer about an object."""
    return answer(status, body, **{"etag": '"tag"', "last_modified": STAMP, **headers})


def refused(status: int, code: str, **headers: str) -> bytes:
    """An error document."""
    return answer(status, f"<Error><Code>{code}</Code></Error>".encode(), **headers)


@dataclass
class Scripted:
    """What the store will answer, and the requests it got: the head as text, line by line."""

    answers: list[bytes]
    requests: list[list[str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def hang_up(self) -> None:
        """Ends every connection."""
        for writer in self.writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers on one connection until the script or the client ends."""
        self.writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                self.requests.append(head)
                length = next((int(line[15:]) for line in head if line.lower().startswith("content-length:")), 0)
                self.bodies.append(await reader.readexactly(length))
                if not self.answers:
                    return
                writer.write(self.answers.pop(0))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def scripted(
    answers: Sequence[bytes], options: dict[str, object] | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[S3Backend, Scripted]]:
    """A backend for the bucket `b`, and the store behind it."""
    store = Scripted(list(answers))
    server = await asyncio.start_server(store.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    given = {"endpoint_url": f"http://{host}:{port}", **(FIXED if options is None else options)}
    backend = S3Backend("s3://b", S3Options.model_validate(given), clock)
    try:
        yield backend, store
    finally:
        await backend.close()
        store.hang_up()
        server.close()
        await server.wait_closed()
