"""Answers of the lane that a client takes slowly, together with others, or not to their end."""

import asyncio
import functools
import random
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from gateway.model import MIB
from gateway.server import sending as sending_module
from gateway.server.sending import Sending
from tests.server.two_ways import Client, TwoWays, two_ways

LARGE = "large"
LARGE_SIZE = 6 * MIB + 345
SMALL = "small"
BUFFER = 64 * 1024
"""So little fits between the two ends that nearly all of a large answer waits for its client."""


@functools.cache
def content(key: str) -> bytes:
    """The bytes of an object."""
    return random.Random(key).randbytes(LARGE_SIZE if key == LARGE else 4096)


async def fill(ways: TwoWays) -> None:
    """Has the objects lie in the store, verified."""
    for key in (LARGE, SMALL):
        head = ways.request("PUT", f"/cached/{key}", {"content-length": str(len(content(key)))})
        assert (await ways.ask(ways.slow, head + content(key))).status == 200
        for _ in range(2):
            assert (await ways.ask(ways.slow, ways.request("GET", f"/cached/{key}"))).body == content(key)


@asynccontextmanager
async def filled(directory: Path) -> AsyncIterator[TwoWays]:
    """A node whose objects lie in the store, verified."""
    async with asyncio.timeout(60), two_ways(directory, capacity_bytes=48 * MIB) as ways:
        await fill(ways)
        yield ways


@asynccontextmanager
async def begun(ways: TwoWays) -> AsyncIterator[tuple[Client, Sending]]:
    """A large answer that the lane has begun, and of which the client has taken nothing."""
    async with ways.connection(ways.fast, send_buffer=BUFFER) as (client, connection):
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        await client.send(ways.request("GET", f"/cached/{LARGE}"))
        await client.readable()
        assert isinstance(connection.cycle, Sending)
        yield client, connection.cycle


def test_a_slow_client_gets_all_bytes_and_holds_up_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways, begun(ways) as (client, sending):
            other = await ways.ask(ways.fast, ways.request("GET", f"/cached/{SMALL}"))
            assert other.body == content(SMALL)
            assert not sending.response_complete
            assert ways.metric("forebay_s3_requests_in_progress") == 1
            said = await client.answer()
            assert said.body == content(LARGE)
            await client.send(ways.request("GET", f"/cached/{SMALL}"))
            assert (await client.answer()).body == content(SMALL)
            assert ways.metric("forebay_s3_requests_in_progress") == 0

    uvloop.run(scenario())


def test_requests_behind_an_answer_that_is_being_sent_are_answered_after_it_in_order(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways, begun(ways) as (client, _):
            for key in (SMALL, LARGE, SMALL):
                await client.send(ways.request("GET", f"/cached/{key}"))
            for key in (LARGE, SMALL, LARGE, SMALL):
                assert (await client.answer()).body == content(key)

    uvloop.run(scenario())


def test_a_client_that_leaves_gives_everything_back(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways:
            readers = [segment.readers for segment in ways.segments()]
            async with begun(ways) as (client, sending):
                assert [segment.readers for segment in ways.segments()] != readers
                client.sock.close()
            assert sending.failed
            assert [segment.readers for segment in ways.segments()] == readers
            assert ways.fast.lane is not None
            assert not ways.fast.lane.slots.used_bytes
            assert ways.metric("forebay_s3_requests_in_progress") == 0

    uvloop.run(scenario())


def test_what_is_evicted_while_it_is_sent_stays_readable_to_its_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways, begun(ways) as (client, _):
            before = {segment.id for segment in ways.segments()}
            size = 900_000
            for number in range(60):
                head = ways.request("PUT", f"/cached/other{number}", {"content-length": str(size)})
                assert (await ways.ask(ways.slow, head + bytes(size))).status == 200
            assert before.isdisjoint(segment.id for segment in ways.segments()), "nothing was evicted"
            assert (await client.answer()).body == content(LARGE)

    uvloop.run(scenario())


@pytest.mark.parametrize("is_evicted", [True, False])
def test_a_client_that_takes_nothing_of_what_is_evicted_does_not_keep_its_space_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_evicted: bool
) -> None:
    monkeypatch.setattr(sending_module, "EVICTED_TAKEN_MAX_S", 0.05)
    monkeypatch.setattr(sending_module, "LOOK_EVERY_S", 0.01)

    async def scenario() -> None:
        async with filled(tmp_path) as ways, begun(ways) as (client, sending):
            table = ways.store.shards[0].table
            if is_evicted:
                for segment in ways.segments():
                    ways.store.shards[0].upkeep.condemn(segment)
                async with asyncio.timeout(10):
                    await ways.store.shards[0].upkeep.settled()
                    while table.doomed:
                        table.changed.clear()
                        await table.changed.wait()
                assert sending.failed
                assert len((await client.answer()).body) < LARGE_SIZE
                assert ways.metric("forebay_s3_requests_in_progress") == 0
            else:
                # Twice as long as would be enough.
                await asyncio.sleep(0.1)
                assert (await client.answer()).body == content(LARGE)

    uvloop.run(scenario())


def test_a_closed_descriptor_sends_a_hit_the_ordinary_way_which_opens_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways:
            request = ways.request("GET", f"/cached/{SMALL}")
            await ways.ask(ways.fast, request)
            for segment in ways.segments():
                ways.close_descriptor(segment)
            before = ways.lane_answers
            for answered_by_lane in (0, 1):
                said = await ways.ask(ways.fast, request)
                assert said.field("x-cache") == "hit"
                assert said.body == content(SMALL)
                assert ways.lane_answers - before == answered_by_lane

    uvloop.run(scenario())


def test_a_file_that_is_shorter_than_it_should_be_ends_the_connection(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways, begun(ways) as (client, sending):
            for segment in ways.segments():
                segment.path.open("r+b").truncate(4096)
            said = await client.answer()
            assert len(said.body) < LARGE_SIZE
            assert sending.failed
            assert client.received == b""

    uvloop.run(scenario())


def test_the_lane_gives_way_when_all_requests_that_may_be_answered_at_once_are(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with filled(tmp_path) as ways:
            assert ways.fast.lane is not None
            ways.fast.lane.slots.limit_bytes = 1
            async with begun(ways) as (client, _):
                before = ways.lane_answers
                async with ways.connected(ways.fast) as other:
                    await other.send(ways.request("GET", f"/cached/{SMALL}"))
                    assert (await client.answer()).body == content(LARGE)
                    assert (await other.answer()).body == content(SMALL)
                    assert ways.lane_answers == before

    uvloop.run(scenario())
