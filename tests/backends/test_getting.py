"""GETs on the path of bytes: exactly what was promised or a failure, and connections kept only where that is safe."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backends.arriving import HEAD_SIZE_MAX, HELD_MAX, Arriving
from gateway.backends.getting import Getting, Limits
from gateway.backends.http import Http
from gateway.config.places import HttpOptions
from gateway.errors import BackendBroken, BackendUnavailable
from gateway.model import MIB
from tests.contract.stores import asynchronous
from tests.real.certificate import self_signed

LIMITS = Limits(connections=4, pool_wait_s=5.0, keep_alive_s=60.0, connect_s=3.0, patience_s=5.0, silence_s=5.0)
SHORT_S = 0.05
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nTrailer: x\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.1 200 OK\r\nServer: old\r\n\r\nabc"
CLOSE = None
"""In a script: end the connection."""


@dataclass
class Store:
    """What it sends per request, in pieces of one write each; a request past the script is never answered."""

    script: list[Sequence[bytes | None]]
    origin: str = ""
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a client has ended a connection."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                for piece in self.script.pop(0) if self.script else []:
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    # So that the pieces are read one by one, as far as the loop has a say.
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def store(*script: Sequence[bytes | None], limits: Limits = LIMITS) -> AsyncIterator[tuple[Getting, Store]]:
    served = Store(list(script))
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    served.origin = f"http://{host}:{port}"
    getting = Getting(None, limits)
    try:
        yield getting, served
    finally:
        await getting.close()
        for writer in served.writers:
            writer.close()
        server.close()
        await server.wait_closed()


async def asked(getting: Getting, served: Store) -> Arriving:
    return await getting.get(served.origin, "/b/k%20/./x", {"host": "store", "accept-encoding": "identity"})


async def whole(arriving: Arriving) -> bytes:
    data = b""
    while piece := await arriving.content.readany():
        data += piece
    return data


async def closed_by_the_store(served: Store) -> None:
    """Until the client, too, has seen that every connection is closed."""
    for writer in served.writers:
        writer.close()
        await writer.wait_closed()
    # What was closed there is seen here in the loop's next rounds.
    for _ in range(10):
        await asyncio.sleep(0)


@asynchronous
async def test_a_request_is_sent_as_it_was_given_and_connections_are_opened_only_for_it() -> None:
    async with store([OK], [OK]) as (getting, served):
        assert served.connections == 0
        assert await whole(await asked(getting, served)) == b"abc"
        assert served.heads == [b"GET /b/k%20/./x HTTP/1.1\r\nhost: store\r\naccept-encoding: identity\r\n\r\n"]


@asynchronous
async def test_the_next_request_takes_the_same_connection() -> None:
    async with store(*[[OK]] * 5) as (getting, served):
        for _ in range(5):
            assert await whole(await asked(getting, served)) == b"abc"
        assert served.connections == 1


@given(cuts=st.lists(st.integers(0, 200), max_size=8), answer=st.sampled_from([OK, CHUNKED, UNTIL_CLOSED]))
@settings(max_examples=40, deadline=None)
def test_an_answer_is_the_same_wherever_it_is_cut(cuts: list[int], answer: bytes) -> None:
    ends = sorted({min(cut, len(answer)) for cut in cuts} | {0, len(answer)})
    pieces: list[bytes | None] = [answer[start:stop] for start, stop in pairwise(ends)]
    if answer == UNTIL_CLOSED:
        pieces.append(CLOSE)

    async def read() -> None:
        async with store(pieces, [OK]) as (getting, served):
            first = await asked(getting, served)
            assert (first.status, await whole(first)) == (200, b"abc")
            assert await whole(await asked(getting, served)) == b"abc"
            assert served.connections == (2 if answer == UNTIL_CLOSED else 1)

    asyncio.run(read())


@asynchronous
async def test_headers_are_found_in_lower_case_the_first_of_a_name_without_blanks_around() -> None:
    head = (
        b'HTTP/1.1 206 \r\nETag:\t"\xc3\xa9\xff" \r\nX-Empty:\r\nx-twice: 1\r\nX-Twice: 2\r\ncontent-length: 0\r\n\r\n'
    )
    async with store([head]) as (getting, served):
        headers = (await asked(getting, served)).headers
        assert headers == {"etag": '"\xe9\udcff"', "x-empty": "", "x-twice": "1", "content-length": "0"}


@asynchronous
async def test_a_head_may_be_long_and_come_in_many_pieces() -> None:
    line = b"x-%05d: " + b"y" * 990 + b"\r\n"
    lines = [line % number for number in range(HEAD_SIZE_MAX // 1024 - 1)]
    async with store([b"HTTP/1.1 200 OK\r\n", *lines, b"content-length: 0\r\n\r\n"]) as (getting, served):
        assert len((await asked(getting, served)).headers) == len(lines) + 1


@asynchronous
async def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with store([interim, interim + OK], [b"HTTP/1.1 100 Continue\r\n\r\n" + OK]) as (getting, served):
        for _ in range(2):
            arriving = await asked(getting, served)
            assert (arriving.status, arriving.headers) == (200, {"content-length": "3"})
            assert await whole(arriving) == b"abc"
        assert served.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"nothing like HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_SIZE_MAX + b"\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (HEAD_SIZE_MAX // 2),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2 * HEAD_SIZE_MAX,
        b"HTTP/1.1 100 Continue\r\n\r\n" * (HEAD_SIZE_MAX // 25 + 1),
    ],
)
@asynchronous
async def test_what_is_no_answer_is_broken_and_its_connection_is_not_used_again(answer: bytes) -> None:
    async with store([answer], [OK]) as (getting, served):
        with pytest.raises(BackendBroken):
            await asked(getting, served)
        assert await whole(await asked(getting, served)) == b"abc"
        assert served.connections == 2


@asynchronous
async def test_broken_chunks_are_no_body() -> None:
    async with store([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", b"XX"]) as (getting, served):
        arriving = await asked(getting, served)
        with pytest.raises(BackendBroken):
            await whole(arriving)


@pytest.mark.parametrize("start", [b"HTTP", OK[:20], OK[:-3], OK[:-1], CHUNKED[:-2]])
@asynchronous
async def test_an_answer_that_breaks_off_is_a_failure_behind_the_bytes_that_came(start: bytes) -> None:
    async with store([start, CLOSE], [OK]) as (getting, served):
        with pytest.raises(BackendUnavailable) as failure:
            await whole(await asked(getting, served))
        assert not failure.value.silent
        assert len(served.heads) == 1
        assert await whole(await asked(getting, served)) == b"abc"


@pytest.mark.parametrize("extra", [b"x", OK, b"HTTP/1.1 200"])
@pytest.mark.parametrize("together", [True, False])
@asynchronous
async def test_bytes_behind_an_answer_end_the_connection_and_not_the_answer(extra: bytes, *, together: bool) -> None:
    pieces: list[bytes | None] = [OK + extra] if together else [OK[:-2], OK[-2:] + extra]
    async with store(pieces, [OK]) as (getting, served):
        assert await whole(await asked(getting, served)) == b"abc"
        assert await whole(await asked(getting, served)) == b"abc"
        assert served.connections == 2


@pytest.mark.parametrize("answer", [OK.replace(b"\r\n", b"\r\nConnection: close\r\n", 1), OK.replace(b"1.1", b"1.0")])
@asynchronous
async def test_a_connection_that_the_store_wants_to_end_is_not_used_again(answer: bytes) -> None:
    async with store([answer], [OK]) as (getting, served):
        assert await whole(await asked(getting, served)) == b"abc"
        assert await whole(await asked(getting, served)) == b"abc"
        assert served.connections == 2


@asynchronous
async def test_a_kept_connection_that_was_closed_costs_no_failure() -> None:
    async with store([OK], [OK], [OK]) as (getting, served):
        assert await whole(await asked(getting, served)) == b"abc"
        await closed_by_the_store(served)
        assert await whole(await asked(getting, served)) == b"abc"
        assert served.connections == 2


@asynchronous
async def test_a_kept_connection_that_closes_instead_of_answering_is_replaced_once() -> None:
    async with store([OK], [CLOSE], [CLOSE], [OK]) as (getting, served):
        assert await whole(await asked(getting, served)) == b"abc"
        with pytest.raises(BackendUnavailable):
            await asked(getting, served)
        assert (len(served.heads), served.connections) == (3, 2)
        assert await whole(await asked(getting, served)) == b"abc"


@asynchronous
async def test_a_kept_connection_on_which_an_answer_began_is_not_replaced() -> None:
    async with store([OK], [b"HTTP/1.1", CLOSE]) as (getting, served):
        assert await whole(await asked(getting, served)) == b"abc"
        with pytest.raises(BackendUnavailable):
            await asked(getting, served)
        assert len(served.heads) == 2


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", OK[:-1]])
@asynchronous
async def test_silence_ends_a_request_wherever_it_begins(start: bytes) -> None:
    limits = replace(LIMITS, patience_s=SHORT_S, silence_s=SHORT_S)
    async with store([start], limits=limits) as (getting, served):
        with pytest.raises(BackendUnavailable) as failure:
            await whole(await asked(getting, served))
        assert failure.value.silent
        assert len(served.heads) == 1
        await served.left.wait()


@asynchronous
async def test_a_head_has_its_own_limit_also_on_a_connection_that_was_allowed_more() -> None:
    async with store([OK], [], limits=replace(LIMITS, patience_s=SHORT_S, silence_s=60.0)) as (getting, served):
        assert await whole(await asked(getting, served)) == b"abc"
        with pytest.raises(BackendUnavailable) as failure:
            await asked(getting, served)
        assert failure.value.silent


@asynchronous
async def test_bytes_that_keep_coming_are_no_silence_however_long_they_take() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
        for _ in range(20):
            await asyncio.sleep(SHORT_S / 2)
            writer.write(b"x")

    async with dripping(drip, replace(LIMITS, silence_s=6 * SHORT_S)) as (getting, origin):
        assert await whole(await getting.get(origin, "/", {"host": "store"})) == b"x" * 20


@asynccontextmanager
async def dripping(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], limits: Limits
) -> AsyncIterator[tuple[Getting, str]]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    getting = Getting(None, limits)
    try:
        yield getting, f"http://{host}:{port}"
    finally:
        await getting.close()
        server.close()
        await server.wait_closed()


@asynchronous
async def test_a_slow_reader_holds_the_store_back_and_no_limit_runs_meanwhile() -> None:
    size = 32 * MIB
    sent = 0

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            writer.write(bytes(MIB))
            await writer.drain()
            sent += MIB

    async with dripping(pour, replace(LIMITS, silence_s=4 * SHORT_S)) as (getting, origin):
        arriving = await getting.get(origin, "/", {"host": "store"})
        await asyncio.sleep(8 * SHORT_S)
        # The rest is in the buffers of both sockets and of the store.
        assert sent < size
        assert arriving._held_size <= HELD_MAX
        read = 0
        while piece := await arriving.content.readany():
            read += len(piece)
        assert read == size


@asynchronous
async def test_a_reader_that_leaves_early_closes_the_connection() -> None:
    async with store([OK[:-1]], [OK]) as (getting, served):
        (await asked(getting, served)).close()
        await served.left.wait()
        assert await whole(await asked(getting, served)) == b"abc"
        assert served.connections == 2


@asynchronous
async def test_a_reader_that_leaves_behind_the_last_byte_keeps_the_connection() -> None:
    async with store([OK], [OK]) as (getting, served):
        first = await asked(getting, served)
        assert await first.content.readany() == b"abc"
        first.close()
        assert await whole(await asked(getting, served)) == b"abc"
        assert served.connections == 1


@asynchronous
async def test_no_more_connections_are_busy_than_allowed_and_the_others_wait_for_one() -> None:
    async with store(*[[OK]] * 20, limits=replace(LIMITS, connections=1)) as (getting, served):
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(read_one(getting, served)) for _ in range(20)]
        assert [read.result() for read in reads] == [b"abc"] * 20
        assert served.connections == 1


async def read_one(getting: Getting, served: Store) -> bytes:
    return await whole(await asked(getting, served))


@asynchronous
async def test_who_waits_too_long_for_a_connection_is_told_so() -> None:
    limits = replace(LIMITS, connections=1, pool_wait_s=SHORT_S)
    async with store([OK[:-1]], [OK], limits=limits) as (getting, served):
        first = await asked(getting, served)
        with pytest.raises(BackendUnavailable) as failure:
            await asked(getting, served)
        assert failure.value.silent
        first.close()
        assert await read_one(getting, served) == b"abc"


@asynchronous
async def test_a_caller_that_is_cancelled_at_any_step_takes_no_connection_along() -> None:
    async with store(limits=replace(LIMITS, connections=1)) as (getting, served):
        for steps in range(12):
            served.script = [[OK[:20]]]
            async with asyncio.TaskGroup() as tasks:
                read = tasks.create_task(read_one(getting, served))
                for _ in range(steps):
                    await asyncio.sleep(0)
                read.cancel()
            served.script = [[OK]] * 2
            assert await read_one(getting, served) == b"abc"


@asynchronous
async def test_what_has_been_idle_for_long_is_closed() -> None:
    async with store([OK], [OK], limits=replace(LIMITS, keep_alive_s=SHORT_S)) as (getting, served):
        assert await read_one(getting, served) == b"abc"
        await served.left.wait()
        assert await read_one(getting, served) == b"abc"
        assert served.connections == 2


@asynchronous
async def test_closing_ends_idle_connections_and_breaks_off_readers() -> None:
    async with store([OK[:-1]], [OK]) as (getting, served):
        first = await asked(getting, served)
        assert await read_one(getting, served) == b"abc"
        await getting.close()
        with pytest.raises(BackendUnavailable):
            await whole(first)


@asynchronous
async def test_a_store_that_nobody_listens_for_cannot_be_reached() -> None:
    async with store() as (getting, served):
        pass
    with pytest.raises(BackendUnavailable) as failure:
        await asked(getting, served)
    assert not failure.value.silent


@pytest.mark.parametrize("trusted", [True, False])
def test_a_store_over_tls_is_read_where_its_certificate_is_trusted(tmp_path: Path, *, trusted: bool) -> None:
    async def read() -> None:
        own = self_signed(tmp_path)
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(own.certificate, own.key)
        served = Store([[OK], [OK]])
        server = await asyncio.start_server(served.serve, "127.0.0.1", 0, ssl=tls)
        served.origin = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        getting = Getting(ssl.create_default_context(cafile=own.certificate if trusted else None), LIMITS)
        try:
            if trusted:
                for _ in range(2):
                    assert await read_one(getting, served) == b"abc"
                assert served.connections == 1
            else:
                with pytest.raises(BackendUnavailable, match="certificate"):
                    await asked(getting, served)
                assert not served.heads
        finally:
            await getting.close()
            server.close()
            await server.wait_closed()

    asyncio.run(read())


@asynchronous
async def test_a_proxy_is_asked_for_the_whole_address() -> None:
    async with store([OK]) as (_, served):
        http = Http("http://store.example", HttpOptions.model_validate({"proxy": served.origin}))
        try:
            response = await http.get("http://store.example", "/b/k%20/./x", {"host": "store.example"})
            assert (response.status, await response.content.readany()) == (200, b"abc")
        finally:
            await http.close()
        assert served.heads[0].startswith(b"GET http://store.example/b/k%20/./x HTTP/1.1\r\n")


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb"])
@asynchronous
async def test_a_value_that_would_be_another_header_is_not_sent(value: str) -> None:
    async with store() as (getting, served):
        with pytest.raises(BackendBroken):
            await getting.get(served.origin, "/", {"if-match": value})
        assert not served.heads
