"""The lane behind TLS: answers of a moderate size, through the transport."""

import asyncio
import ssl
from pathlib import Path

import pytest
import uvloop
from uvicorn import Config as ServerConfig
from uvicorn.server import ServerState

from gateway.server.connection import Connection
from gateway.server.lane import TLS_REACH
from tests.real.certificate import self_signed
from tests.server.two_ways import two_ways


@pytest.mark.parametrize(("size", "by_lane"), [(0, 2), (4096, 2), (TLS_REACH.span_max, 2), (TLS_REACH.span_max + 1, 0)])
def test_the_lane_sends_moderate_answers_over_tls(tmp_path: Path, size: int, by_lane: int) -> None:
    async def scenario() -> None:
        certificate = self_signed(tmp_path)
        ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ours.load_cert_chain(certificate.certificate, certificate.key)
        theirs = ssl.create_default_context(cafile=str(certificate.certificate))
        async with asyncio.timeout(60), two_ways(tmp_path / "node") as ways:
            data = b"x" * size
            put = ways.request("PUT", "/cached/key", {"content-length": str(size)}) + data
            assert (await ways.ask(ways.slow, put)).status == 200
            for _ in range(2):
                await ways.ask(ways.slow, ways.request("GET", "/cached/key"))
            config = ServerConfig(ways.fast, ws="none", interface="asgi3", lifespan="off", log_config=None)  # type: ignore[arg-type]
            config.load()
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: Connection(config, ServerState(), {}), "127.0.0.1", 0, ssl=ours)
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=theirs)
            for number in range(3):
                if number == 1:
                    # The first finds what ends the handshake still waiting to leave.
                    before = ways.lane_answers
                writer.write(ways.request("GET", "/cached/key"))
                head = await reader.readuntil(b"\r\n\r\n")
                assert b"x-cache: hit\r\n" in head
                assert await reader.readexactly(size) == data
            assert ways.lane_answers - before == by_lane
            writer.close()
            server.close()

    uvloop.run(scenario())
