"""GETs over HTTP/1.1 for the path that bytes take: few instructions per request, connections kept for the next one."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.backends.arriving import Arriving, Connection
from gateway.errors import BackendBroken, BackendUnavailable

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections may be busy at once, and the waits in seconds."""

    connections: int
    pool_wait_s: float
    """For one of the connections."""
    keep_alive_s: float
    """For the next request on a connection."""
    connect_s: float
    patience_s: float
    """For an answer to begin."""
    silence_s: float
    """For bytes in the middle of an answer."""


class Getting:
    """The connections to one store. Nothing is opened before the first request."""

    def __init__(self, tls: ssl.SSLContext | None, limits: Limits) -> None:
        """`tls` is None where origins are `http`."""
        self._tls = tls
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.connections)
        self._busy: set[Connection] = set()
        self._idle: list[tuple[float, Connection]] = []
        """Since when, the most recent one last."""
        self._sweeper: asyncio.TimerHandle | None = None

    async def get(self, origin: str, path: str, headers: Mapping[str, str]) -> Arriving:
        """The head of the answer, whatever its status; the caller closes it. `path` is sent as it is.

        `origin` is scheme and authority. Raises `BackendUnavailable` and `BackendBroken`. Cancelling ends the request.
        """
        request = _request(path, headers)
        await self._free_slot()
        connection = self._kept(origin)
        if connection is not None:
            arriving = self._asked(connection, request)
            if await arriving.begun():
                return arriving
            # The store had closed what we had kept. It answered nothing, and asking again changes nothing there.
            await self._free_slot()
        try:
            connection = await self._connected(origin)
        except BaseException:
            self._slots.release()
            raise
        arriving = self._asked(connection, request)
        if not await arriving.begun():
            raise BackendUnavailable
        return arriving

    async def close(self) -> None:
        """Ends all connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in (*self._busy, *(connection for _, connection in self._idle)):
            connection.abort()
        self._idle.clear()
        # The loop closes the sockets in its next round.
        await asyncio.sleep(0)

    async def _free_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self._limits.pool_wait_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise BackendUnavailable("The store behind this bucket cannot be reached.", silent=True) from error

    def _kept(self, origin: str) -> Connection | None:
        oldest_s = asyncio.get_running_loop().time() - self._limits.keep_alive_s
        idle = self._idle
        for at in range(len(idle) - 1, -1, -1):
            since_s, connection = idle[at]
            if connection.origin == origin and not connection.is_closed and since_s > oldest_s:
                del idle[at]
                return connection
        return None

    async def _connected(self, origin: str) -> Connection:
        parts = urlsplit(origin)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(origin, self._limits.silence_s, self._freed),
                    parts.hostname or "",
                    parts.port or _PORTS[parts.scheme],
                    ssl=self._tls,
                )
        except TimeoutError as error:
            raise BackendUnavailable("The store behind this bucket cannot be reached.", silent=True) from error
        except ssl.SSLCertVerificationError as error:
            raise BackendUnavailable("The certificate of the store behind this bucket cannot be verified.") from error
        except OSError as error:
            raise BackendUnavailable("The store behind this bucket cannot be reached.") from error
        if connection.is_closed:
            raise BackendUnavailable
        return connection

    def _asked(self, connection: Connection, request: bytes) -> Arriving:
        self._busy.add(connection)
        return connection.ask(request, self._limits.patience_s)

    def _freed(self, connection: Connection) -> None:
        self._slots.release()
        self._busy.discard(connection)
        if connection.is_closed:
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time(), connection))
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._limits.keep_alive_s, self._sweep)

    def _sweep(self) -> None:
        """Ends what has been idle for long."""
        loop = asyncio.get_running_loop()
        oldest_s = loop.time() - self._limits.keep_alive_s
        for since_s, connection in self._idle:
            if since_s <= oldest_s:
                connection.abort()
        self._idle = [(since_s, connection) for since_s, connection in self._idle if not connection.is_closed]
        self._sweeper = None
        if self._idle:
            self._sweeper = loop.call_at(self._idle[0][0] + self._limits.keep_alive_s, self._sweep)


def _request(path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()], "", ""]
    request = "\r\n".join(lines).encode("utf-8", "surrogateescape")
    if not request.count(b"\n") == request.count(b"\r") == len(lines) - 1:
        # A tag that the store gave, and that no header can carry back to it.
        raise BackendBroken
    return request
