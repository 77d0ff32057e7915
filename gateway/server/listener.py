"""Sockets that listen, and the uvicorn servers behind them."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BACKLOG = 2048
GOODBYE_TIME_MAX_S = 5.0
"""How long a closed TLS connection waits for the client to close it, too. Idle clients do not look."""


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; raises `OSError` when the address is taken or not ours."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


class Listener(Server):
    """A uvicorn server on a socket of ours, stopped by its owner and not by signals."""

    def __init__(
        self,
        app: object,
        sock: socket.socket,
        protocol: type[HttpToolsProtocol],
        *,
        tls: ssl.SSLContext | None,
        stop_grace_s: float,
    ) -> None:
        config = Config(
            app,  # type: ignore[arg-type]  # what `protocol` takes it for is the protocol's business
            http=protocol,
            ws="none",
            interface="asgi3",
            lifespan="off",
            proxy_headers=False,
            access_log=False,
            log_config=None,
            server_header=False,
            headers=[("server", "forebay")],
            timeout_keep_alive=75,
            timeout_graceful_shutdown=max(1, round(stop_grace_s)),
            backlog=BACKLOG,
            ssl_context_factory=(lambda _config, _default: tls) if tls is not None else None,
        )
        super().__init__(config)
        self._sock = sock
        self.accepting = asyncio.Event()

    async def run(self) -> None:  # type: ignore[override]  # uvicorn's own `run` makes a loop of its own
        """Serves until `stop` was called and its grace is over."""
        await self.serve(sockets=[self._sock])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's start; afterwards the first request can be answered."""
        await super().startup(sockets=sockets)
        self.accepting.set()

    def stop(self) -> None:
        """Ends accepting; answers in progress get their grace."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """uvicorn's end; idle TLS connections do not take all of the grace."""
        asyncio.get_running_loop().call_later(GOODBYE_TIME_MAX_S, self._hang_up)
        await super().shutdown(sockets)

    def _hang_up(self) -> None:
        for connection in list(self.server_state.connections):
            assert isinstance(connection, HttpToolsProtocol)
            if connection.transport.is_closing() and not connection.flow.write_paused:
                connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leaves signals to the node."""
        yield
