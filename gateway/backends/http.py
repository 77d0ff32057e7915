"""HTTP to a store: one session, encoded URLs, limits on silence, bodies of exact length, failures translated."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from enum import Enum
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from gateway.backends.base import Body
from gateway.backends.getting import Getting, Limits
from gateway.config.places import HttpOptions
from gateway.errors import BackendBroken, BackendUnavailable, GatewayError
from gateway.model import MIB, PIECE_SIZE_MAX

POOL_WAIT_S = 5.0
"""How long a request may wait for one of the connections."""
DOCUMENT_SIZE_MAX = 16 * MIB
"""Bytes of an answer that is read whole; a page of 1,000 keys of 1,024 encoded bytes takes 4 MiB."""
_CONNECTIONS = 256
_KEEP_ALIVE_S = 60.0
_NAMES_KEPT_S = 30
_FIELD_SIZE_MAX = 64 * 1024
_AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")
"""Headers that the library would add and nobody asked for."""


class Patience(Enum):
    """How long an answer may take to begin, as a multiple of the silence allowed in its middle."""

    SHORT = 1 / 3
    """Nearly everything."""
    LIST = 1.0
    """Listings."""
    LONG = 10.0
    """What moves bytes inside the store before it answers: copies, completed uploads."""


class Content(Protocol):
    """The body of an answer while it comes in."""

    async def readany(self) -> bytes:
        """The next bytes; empty at the end."""
        ...


class Response(Protocol):
    """An answer whose head is here."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Asked for by names in lower case; how they are spelled when all are looked at is the store's choice."""
        ...

    @property
    def content(self) -> Content: ...

    def close(self) -> None:
        """Ends the connection if bytes are still to come."""
        ...


class Http:
    """The one session of a store. Nothing is opened before the first request."""

    def __init__(self, endpoint: str, options: HttpOptions) -> None:
        """Raises `BackendUnavailable` where `ca_file` cannot be used."""
        self._tls = _tls(options) if endpoint.startswith("https:") else None
        self._proxy = options.proxy.reveal() or _proxy_of_the_environment(endpoint)
        self._silence_s = float(options.silence_timeout)
        connect_s = float(options.connect_timeout)
        self._timeouts = {
            patience: aiohttp.ClientTimeout(
                total=None,
                connect=POOL_WAIT_S + connect_s,
                sock_connect=connect_s,
                sock_read=patience.value * self._silence_s,
            )
            for patience in Patience
        }
        self._session: aiohttp.ClientSession | None = None
        self._getting = Getting(
            self._tls,
            Limits(
                connections=_CONNECTIONS,
                pool_wait_s=POOL_WAIT_S,
                keep_alive_s=_KEEP_ALIVE_S,
                connect_s=connect_s,
                patience_s=Patience.SHORT.value * self._silence_s,
                silence_s=self._silence_s,
            ),
        )

    async def get(self, origin: str, path: str, headers: Mapping[str, str]) -> Response:
        """As `send` with `GET` for what is read in bulk, at a third of its cost.

        `origin` is scheme and authority; `path` is sent as it is.
        """
        if self._proxy is not None:
            return await self.send("GET", origin + path, headers)
        return await self._getting.get(origin, path, headers)

    async def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: "bytes | Upload | None" = None,
        patience: Patience = Patience.SHORT,
    ) -> Response:
        """The head of the answer, whatever its status; the caller closes it. No redirect is followed.

        `url` is sent as it is. Raises `BackendUnavailable`, `BackendBroken`, and what the body raised.
        """
        session = self._session or self._opened()
        try:
            response = await session.request(
                method,
                URL(url, encoded=True),
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=self._timeouts[patience],
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(body, Upload) and body.failure is not None:
                raise body.failure from None
            raise translated(error) from error
        self._allow_silence(response)
        return response

    async def close(self) -> None:
        """Ends all connections."""
        await self._getting.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _allow_silence(self, response: aiohttp.ClientResponse) -> None:
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = self._silence_s
            connection.protocol.start_timeout()

    def _opened(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=_CONNECTIONS,
            keepalive_timeout=_KEEP_ALIVE_S,
            ttl_dns_cache=_NAMES_KEPT_S,
            ssl=self._tls if self._tls is not None else True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=PIECE_SIZE_MAX,
            skip_auto_headers=_AUTOMATIC,
            max_field_size=_FIELD_SIZE_MAX,
            max_line_size=_FIELD_SIZE_MAX,
            proxy=self._proxy,
        )
        # The library repeats what it holds for repeatable, PUT among it, and tells nobody. Whoever calls decides that.
        self._session._retry_connection = False
        return self._session


class Upload(aiohttp.Payload):
    """A request's body that is sent as it comes; its last piece waits until the verdict on the whole is good."""

    def __init__(self, body: Body, silence_s: float) -> None:
        super().__init__(body)
        self._body = body
        self._size = body.size
        self._silence_s = silence_s
        self._begun = False
        self.failure: Exception | None = None
        """What the body raised, which the library hides."""

    @property
    def begun(self) -> bool:
        """Whether any of it was asked for: it cannot be sent a second time."""
        return self._begun

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        raise TypeError("a body that passes by has no text")

    async def write(self, writer: AbstractStreamWriter) -> None:
        if self._begun:
            # The library repeats a request whose kept connection turned out closed; this body has begun to pass.
            self.failure = BackendUnavailable()
            raise self.failure
        self._begun = True
        try:
            async for piece in self._held_back():
                async with asyncio.timeout(self._silence_s):
                    await writer.write(piece)
        except TimeoutError as error:
            self.failure = BackendUnavailable("The store behind this bucket takes no more bytes.", silent=True)
            raise self.failure from error

    async def _held_back(self) -> AsyncIterator[bytes]:
        left = self._body.size
        last = b""
        try:
            async for piece in self._body.pieces():
                left -= len(piece)
                assert left >= 0, "a body yielded more than its size"
                # A copy: the transport keeps what it cannot send at once, and the piece is only lent.
                copied = bytes(piece)
                if left:
                    yield copied
                elif copied:
                    last = copied
            assert left == 0, "a body ended early without an error"
        except Exception as error:
            self.failure = error
            raise
        yield last


async def exactly(response: Response, size: int) -> AsyncIterator[bytes | memoryview]:
    """The bytes of an answer that promised `size` of them, in pieces of at most 1 MiB; raises if they are not all."""
    content = response.content
    left = size
    while left:
        try:
            data = await content.readany()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise translated(error) from error
        left -= len(data)
        if not data:
            raise BackendUnavailable("The store behind this bucket broke off in the middle of an answer.")
        if left < 0:
            raise BackendBroken
        if len(data) <= PIECE_SIZE_MAX:
            yield data
            continue
        view = memoryview(data)
        for start in range(0, len(data), PIECE_SIZE_MAX):
            yield view[start : start + PIECE_SIZE_MAX]


async def document(response: Response) -> bytes:
    """The whole body of a short answer, which is closed then."""
    data = bytearray()
    try:
        while piece := await response.content.readany():
            data += piece
            if len(data) > DOCUMENT_SIZE_MAX:
                raise BackendBroken("The store behind this bucket gave an answer that is too long.")
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise translated(error) from error
    finally:
        response.close()
    return bytes(data)


def translated(error: Exception) -> GatewayError:
    """What a failure of the library says about the store."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return BackendUnavailable("The certificate of the store behind this bucket cannot be verified.")
        case aiohttp.ConnectionTimeoutError():
            return BackendUnavailable("The store behind this bucket cannot be reached.", silent=True)
        case aiohttp.ClientConnectorError():
            return BackendUnavailable("The store behind this bucket cannot be reached.")
        case TimeoutError():
            return BackendUnavailable(silent=True)
        case aiohttp.ClientPayloadError() | aiohttp.ClientConnectionError():
            return BackendUnavailable()
        case aiohttp.ClientResponseError():
            return BackendBroken()
        case _:
            return BackendUnavailable()


def _tls(options: HttpOptions) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=options.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BackendUnavailable(f"The certificates in {options.ca_file} cannot be used.") from error


def _proxy_of_the_environment(endpoint: str) -> str | None:
    parts = urlsplit(endpoint)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
