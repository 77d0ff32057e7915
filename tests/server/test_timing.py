"""`server-timing` says where the time went, to who asks."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from gateway.clock import ManualClock
from gateway.timing import Stage, Timing, begin, each_timed, timed
from tests.server.two_ways import two_ways

ASKED = {"x-forebay-timing": "1"}
SHAPE = re.compile(r"auth;dur=[\d.]+, info;dur=[\d.]+, store;dur=[\d.]+, peer;dur=[\d.]+, backend;dur=[\d.]+")


def test_who_asks_is_told_on_every_answer_and_nobody_else(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with asyncio.timeout(60), two_ways(tmp_path) as ways:
            put = ways.request("PUT", "/cached/key", {"content-length": "4", **ASKED}) + b"data"
            assert SHAPE.fullmatch((await ways.ask(ways.fast, put)).field("server-timing") or "")
            for method, key, status in (("GET", "key", 200), ("HEAD", "key", 200), ("GET", "nothing", 404)):
                for _ in range(2):
                    request = ways.request(method, f"/cached/{key}", ASKED)
                    said = await ways.ask(ways.fast, request, method)
                    assert said.status == status
                    assert SHAPE.fullmatch(said.field("server-timing") or ""), said.head
                plain = await ways.ask(ways.fast, ways.request(method, f"/cached/{key}"), method)
                assert plain.field("server-timing") is None

    uvloop.run(scenario())


def test_time_counts_where_it_was_spent() -> None:
    async def scenario() -> Timing:
        clock = ManualClock()
        timing = begin(clock)
        with timed(Stage.AUTH):
            clock.advance(0.001)
        clock.advance(1)

        def fails() -> None:
            with timed(Stage.INFO):
                clock.advance(0.25)
                raise ValueError("no")

        with pytest.raises(ValueError, match="no"):
            fails()

        async def slow() -> None:
            for _ in range(2):
                clock.advance(0.002)

        async def items() -> AsyncIterator[int]:
            for number in range(3):
                await slow()
                yield number

        assert [item async for item in each_timed(Stage.BACKEND, items())] == [0, 1, 2]
        return timing

    said = asyncio.run(scenario()).text()
    assert said == "auth;dur=1.000, info;dur=250.000, store;dur=0.000, peer;dur=0.000, backend;dur=12.000"
