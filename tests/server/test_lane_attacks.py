"""What must not shake the lane: clients that wait, ask oddly or say too much, and a node that runs out of something."""

import asyncio
import os
import resource
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from gateway.model import Bucket, Key, Known
from gateway.s3.usual import SHAPE_SIZE_MAX, SIGNERS_MAX, UsualRead
from gateway.server.connection import IDLE_MAX_S
from gateway.server.sending import Sending
from tests.server.conversation import TurnableLoop
from tests.server.test_sending import BUFFER, LARGE, LARGE_SIZE, SMALL, begun, content, fill, filled
from tests.server.two_ways import HOST, TwoWays, two_ways

DOMAIN = "s3.test"


def run(work: Coroutine[None, None, None]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(60):
            await work

    uvloop.run(limited())


# Time.


@pytest.mark.parametrize("cut", [0, 20], ids=["in one piece", "with the second in two"])
def test_a_slow_answer_behind_a_hit_is_not_taken_for_an_idle_connection(tmp_path: Path, cut: int) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, TurnableLoop)
        async with (
            asyncio.timeout(IDLE_MAX_S + 60),
            two_ways(tmp_path) as ways,
            ways.connection(ways.fast, send_buffer=BUFFER) as (client, connection),
        ):
            await fill(ways)
            first, second = (ways.request("GET", f"/cached/{key}") for key in (SMALL, LARGE))
            await client.send(first + second[:cut])
            if cut:
                await client.readable()
            await client.send(second[cut:])
            assert (await client.answer()).body == content(SMALL)
            await client.readable()
            assert isinstance(connection.cycle, Sending)
            loop.ahead_s += IDLE_MAX_S + 1
            assert (await client.answer()).body == content(LARGE)

    with asyncio.Runner(loop_factory=TurnableLoop) as runner:
        runner.run(scenario())


# What runs out, and what breaks.


@contextmanager
def no_new_descriptors() -> Iterator[None]:
    """Within, nobody gets a descriptor."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_an_answer_that_cannot_go_on_for_want_of_descriptors_ends_its_connection_and_gives_all_back(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways:
            readers = [segment.readers for segment in ways.segments()]
            async with ways.connection(ways.fast, send_buffer=BUFFER) as (client, connection):
                request = ways.request("GET", f"/cached/{LARGE}") + ways.request("GET", f"/cached/{SMALL}")
                with no_new_descriptors():
                    await client.send(request)
                    said = await client.answer()
                assert len(said.body) < LARGE_SIZE
                assert not client.received, "another answer went into the middle of the first"
                assert connection.transport.is_closing()
            assert [segment.readers for segment in ways.segments()] == readers
            assert ways.fast.lane is not None
            assert not ways.fast.lane.slots.used_bytes
            assert ways.metric("forebay_s3_requests_in_progress") == 0

    run(scenario())


def test_a_block_that_could_not_be_sent_is_read_anew_before_it_is_sent_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways:
            async with begun(ways) as (client, sending):
                with unreadable(ways):
                    assert len((await client.answer()).body) < LARGE_SIZE
                assert sending.failed
            for by_lane in (0, 1):
                before = ways.lane_answers
                assert (await ways.ask(ways.fast, ways.request("GET", f"/cached/{LARGE}"))).body == content(LARGE)
                assert ways.lane_answers - before == by_lane

    run(scenario())


@contextmanager
def unreadable(ways: TwoWays) -> Iterator[None]:
    """Within, what is open of the store cannot be read."""
    kept = {segment.fd: os.dup(segment.fd) for segment in ways.segments() if segment.fd >= 0}
    nothing = os.open(os.devnull, os.O_WRONLY)
    for fd in kept:
        os.dup2(nothing, fd)
    try:
        yield
    finally:
        for fd, copy in kept.items():
            os.dup2(copy, fd)
            os.close(copy)
        os.close(nothing)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("text", ["two\r\nlines", "beyond Latin-1: \u20ac"])
def test_what_cannot_be_said_in_a_head_is_the_same_error_on_both_ways(tmp_path: Path, method: str, text: str) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways:
            bucket, key = Bucket("cached"), Key(SMALL.encode())
            known = ways.store.known(bucket, key)
            assert known is not None
            odd = Known(replace(known.info, metadata=(("note", text),)), known.validated_s, known.complete)
            await ways.store.install(bucket, key, odd)
            request = ways.request(method, f"/cached/{SMALL}")
            fast, slow = [await ways.ask(door, request, method) for door in (ways.fast, ways.slow)]
            assert slow.status == 500
            assert fast.plain == slow.plain

    run(scenario())


# What is remembered.


def fields_of(request: bytes) -> tuple[list[bytes], list[bytes]]:
    """The names and the values of a request's fields."""
    lines = request.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    pairs = [line.partition(b": ")[::2] for line in lines]
    return [name for name, _ in pairs], [value for _, value in pairs]


def understood(ways: TwoWays, request: bytes) -> UsualRead | None:
    """What is understood of a request for `/cached/small`."""
    return ways.service.verifier.usual_reads.read(
        "GET", f"/cached/{SMALL}".encode(), *fields_of(request), ways.clock.now_s()
    )


def test_who_is_known_already_pushes_nobody_out(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_ways(tmp_path) as ways:
            learn = ways.service.verifier.usual_reads.learn
            one, other = (ways.request("GET", f"/cached/{SMALL}", user=user) for user in ("root", "reader"))
            learn(*fields_of(one))
            for _ in range(SIGNERS_MAX + 1):
                learn(*fields_of(other))
            assert understood(ways, one) is not None
            assert understood(ways, other) is not None

    run(scenario())


def test_heads_of_a_size_that_no_client_of_s3_sends_are_not_remembered(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with two_ways(tmp_path) as ways:
            for size, is_learnt in ((100, True), (SHAPE_SIZE_MAX, False)):
                request = ways.request("GET", f"/cached/{SMALL}", {"a" * size: "b"})
                ways.service.verifier.usual_reads.learn(*fields_of(request))
                assert (understood(ways, request) is not None) == is_learnt

    run(scenario())


# Names.


@pytest.mark.parametrize(("key", "status"), [("-/ready", 200), ("-/readily", 200), (SMALL, 200), ("nothing", 404)])
@pytest.mark.parametrize("host", [f"cached.{DOMAIN}", f"CACHED.{DOMAIN}:80", f"cached.{DOMAIN}:9000"])
def test_both_ways_find_the_same_behind_virtual_hosts(tmp_path: Path, key: str, status: int, host: str) -> None:
    async def scenario() -> None:
        async with two_ways(tmp_path, domain=DOMAIN) as ways:
            for known in ("-/ready", "-/readily", SMALL):
                put = ways.request("PUT", f"/cached/{known}", {"content-length": "3", "host": HOST}) + b"abc"
                assert (await ways.ask(ways.slow, put)).status == 200
                for _ in range(2):
                    assert (await ways.ask(ways.slow, ways.request("GET", f"/cached/{known}"))).body == b"abc"
            for user in ("root", None):
                request = ways.request("GET", f"/{key}", {"host": host}, user=user)
                for _ in range(2):
                    fast, slow = [await ways.ask(door, request) for door in (ways.fast, ways.slow)]
                    assert fast.plain == slow.plain
                    assert fast.status == (status if user or key == "-/ready" else 403)

    run(scenario())
