"""The hit lane answers as the ordinary way does, byte for byte, and answers what is plain."""

import asyncio
import random
from base64 import b64encode
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import pytest
import uvloop
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import MIB
from tests.server.two_ways import Said, TwoWays, presigned, two_ways

T = TypeVar("T")

SIZES = {
    "empty": 0,
    "small": 1,
    "small page": 4096,
    "small-16k": 16 * 1024,
    "small-16k+1": 16 * 1024 + 1,
    "middle": 300_000,
    "block": MIB,
    "large": 2 * MIB + 77,
}
HEADERS: dict[str, dict[str, str]] = {
    "small page": {
        "content-type": "text/plain; charset=utf-8",
        "x-amz-meta-note": "a note",
        "cache-control": "max-age=5",
        "content-encoding": "gzip",
    },
    "small-16k": {"content-type": "image/png"},
}
CHECKED = "middle"
"""The object that has a checksum."""
BUCKETS = ("cached", "open", "asked", "direct", "missing")


def content(key: str) -> bytes:
    """The bytes of an object."""
    return random.Random(key).randbytes(SIZES[key])


@dataclass
class Scene:
    """The node, all objects of which have been read before, and a loop to ask it in."""

    runner: asyncio.Runner
    ways: TwoWays

    def run(self, work: Awaitable[None]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(60):
                await work

        self.runner.run(limited())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stop = asyncio.Event()
        opened: asyncio.Future[TwoWays] = runner.get_loop().create_future()
        node = runner.get_loop().create_task(_live(tmp_path_factory.mktemp("node"), opened, stop))
        ways = runner.run(_outcome(opened))
        runner.run(_filled(ways))
        yield Scene(runner, ways)
        stop.set()
        runner.run(_outcome(node))


async def _outcome(future: Awaitable[T]) -> T:
    return await future


async def _live(directory: Path, opened: asyncio.Future[TwoWays], stop: asyncio.Event) -> None:
    async with two_ways(directory) as ways:
        opened.set_result(ways)
        await stop.wait()


async def _filled(ways: TwoWays) -> None:
    for bucket in ("cached", "open", "asked", "direct"):
        for key in SIZES:
            data = content(key)
            headers = HEADERS.get(key, {})
            if key == CHECKED:
                headers = {"x-amz-checksum-crc32c": b64encode(crc32c(data).to_bytes(4, "big")).decode()}
            head = ways.request("PUT", f"/{bucket}/{quote(key)}", {**headers, "content-length": str(len(data))})
            assert (await ways.ask(ways.slow, head + data)).status == 200
            for _ in range(2):
                said = await ways.ask(ways.slow, ways.request("GET", f"/{bucket}/{quote(key)}"))
                assert said.body == data


async def both(ways: TwoWays, request: bytes, method: str) -> tuple[Said, Said, int]:
    """The answers of both ways, and how many of them the lane gave: 0 or 1."""
    before = ways.lane_answers
    fast = await ways.ask(ways.fast, request, method)
    slow = await ways.ask(ways.slow, request, method)
    return fast, slow, ways.lane_answers - before


def ranges() -> st.SearchStrategy[str]:
    position = st.one_of(st.integers(0, 5000), st.sampled_from([16383, 16384, 16385, MIB - 1, MIB, MIB + 1, 2 * MIB]))
    return st.one_of(
        st.builds("bytes={}-{}".format, position, position),
        st.builds("bytes={}-".format, position),
        st.builds("bytes=-{}".format, position),
        st.sampled_from(["bytes=0-0,5-6", "items=0-5", "nonsense", "", "bytes=-", "bytes=5-2", "BYTES=0-9"]),
    )


TAGS = st.sampled_from(["*", '"nothing"', 'W/"nothing"', "THE", "W/THE", '"nothing", THE', ""])
DATES = st.sampled_from(
    ["Tue, 14 Nov 2023 22:13:20 GMT", "Mon, 13 Nov 2023 22:13:20 GMT", "Wed, 15 Nov 2023 22:13:20 GMT", "yesterday"]
)
OPTIONAL = {
    "range": ranges(),
    "if-match": TAGS,
    "if-none-match": TAGS,
    "if-modified-since": DATES,
    "if-unmodified-since": DATES,
    "if-range": st.one_of(TAGS, DATES),
    "cache-control": st.sampled_from(["no-cache", "no-store", "max-age=0", "No-Cache, x"]),
    "x-amz-checksum-mode": st.sampled_from(["ENABLED", "enabled", "no"]),
    "x-amz-expected-bucket-owner": st.sampled_from(["root", "somebody"]),
    "x-amz-meta-odd": st.just("a"),
    "x-amz-server-side-encryption": st.just("AES256"),
    "user-agent": st.sampled_from(["aws-cli/2", "two  blanks", "tab\there"]),
    "accept-encoding": st.sampled_from(["identity", "gzip, deflate"]),
    "connection": st.sampled_from(["keep-alive", "close"]),
    "content-length": st.just("0"),
    "expect": st.just("100-continue"),
    "amz-sdk-invocation-id": st.just("8b0e1f6a"),
}
QUERIES = st.sampled_from(
    [
        "",
        "",
        "x-id=GetObject",
        "partNumber=1",
        "partNumber=2",
        "partNumber=0",
        "versionId=null",
        "versionId=other",
        "versionId=",
        "response-content-type=text%2Fplain",
        "response-cache-control=no-store&response-expires=never",
        "response-content-language=%0a",
        "acl",
        "tagging",
        "torrent",
        "unknown",
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, dict[str, str], str | None, bool]:
    """Method, target, headers, user, and whether the signature stands in the URL."""
    names = draw(st.lists(st.sampled_from(sorted(OPTIONAL)), max_size=3, unique=True))
    headers = {name: draw(OPTIONAL[name]) for name in names}
    key = draw(st.sampled_from([*SIZES, "nothing", "a%00b", "%zz"]))
    bucket = draw(st.sampled_from(BUCKETS))
    path = f"/{bucket}/{key if '%' in key else quote(key)}"
    query = draw(QUERIES)
    user = draw(st.sampled_from(["root", "root", "reader", "near", "stranger", None]))
    return (
        draw(st.sampled_from(["GET", "HEAD"])),
        path + (f"?{query}" if query else ""),
        headers,
        user,
        draw(st.booleans()),
    )


@settings(max_examples=250, deadline=None)
@given(requests())
def test_both_ways_answer_the_same(scene: Scene, drawn: tuple[str, str, dict[str, str], str | None, bool]) -> None:
    method, target, headers, user, in_url = drawn
    scene.run(_both_the_same(scene.ways, method, target, headers, user if not in_url else f"url:{user}"))


async def _both_the_same(ways: TwoWays, method: str, target: str, headers: Mapping[str, str], user: str | None) -> None:
    key = target.partition("?")[0].rpartition("/")[2]
    told = await ways.ask(ways.slow, ways.request("HEAD", f"/direct/{key}"), "HEAD")
    given = {name: value.replace("THE", told.field("etag") or '""') for name, value in headers.items()}
    if user is not None and user.startswith("url:"):
        request = presigned(ways, method, target, given, user.removeprefix("url:"))
    else:
        request = ways.request(method, target, given, user=user)
    # The second time the lane may know how the client signs.
    for _ in range(2):
        fast, slow, by_lane = await both(ways, request, method)
        assert fast.plain == slow.plain
        assert by_lane == 0 or fast.status in (200, 206, 304)


RANGE_STOP = 2001
TRIES_MAX = 5
"""The system may have dropped a page; who reads it brings it back."""
SHAPES: dict[str, dict[str, str]] = {
    "bare": {},
    "boto3": {
        "user-agent": "Boto3/1.43.0 md/Botocore#1.43.0",
        "x-amz-checksum-mode": "ENABLED",
        "accept-encoding": "identity",
        "amz-sdk-invocation-id": "8b0e1f6a-93d3-4d43-a8e7-b2a0f8c0b8a1",
        "amz-sdk-request": "attempt=1",
    },
    "boto3 range": {"range": f"bytes=10-{RANGE_STOP - 1}", "x-amz-checksum-mode": "ENABLED"},
    "minio": {"user-agent": "MinIO (linux; amd64) minio-go/v7.0.70 mc/RELEASE.2024"},
    "aws sdk for java": {
        "user-agent": "aws-sdk-java/2.25",
        "amz-sdk-request": "attempt=1; max=4",
        "connection": "keep-alive",
        "accept": "*/*",
    },
    "condition that holds": {"if-match": "*"},
    "not modified": {"if-none-match": "*"},
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("shape", "key"),
    [(shape, key) for shape in SHAPES for key in SIZES if "range" not in SHAPES[shape] or SIZES[key] > RANGE_STOP],
)
def test_the_lane_answers_what_is_plain(scene: Scene, shape: str, key: str, method: str) -> None:
    async def work() -> None:
        ways = scene.ways
        request = ways.request(method, f"/cached/{quote(key)}", SHAPES[shape])
        for _ in range(TRIES_MAX):
            fast, slow, by_lane = await both(ways, request, method)
            assert fast.plain == slow.plain
            assert fast.field("x-cache") == "hit"
            if by_lane:
                return
        raise AssertionError("answered the ordinary way again and again")

    scene.run(work())


@pytest.mark.parametrize("user", ["root", "near", None])
def test_the_lane_answers_signed_urls_and_strangers_where_they_may(scene: Scene, user: str | None) -> None:
    async def work() -> None:
        ways = scene.ways
        target = "/open/middle" if user is None else "/cached/middle"
        request = ways.request("GET", target, user=None) if user is None else presigned(ways, "GET", target, {}, user)
        fast, slow, by_lane = await both(ways, request, "GET")
        assert fast.plain == slow.plain
        may = user != "near"
        assert (fast.status, by_lane) == ((200, 1) if may else (403, 0))

    scene.run(work())


def test_answers_of_the_lane_are_counted_as_all_others(scene: Scene) -> None:
    async def work() -> None:
        ways = scene.ways
        deltas = []
        for door in (ways.fast, ways.slow):
            before = ways.counts()
            for method, key, headers in (
                ("GET", "middle", {}),
                ("GET", "large", {"range": "bytes=5-1500000"}),
                ("HEAD", "small", {}),
                ("GET", "small", {"if-none-match": "*"}),
            ):
                await ways.ask(door, ways.request(method, f"/cached/{key}", headers), method)
            # The last bytes leave before their answer is counted.
            await asyncio.sleep(0)
            after = ways.counts()
            deltas.append({name: after[name] - before.get(name, 0) for name in after})
        assert deltas[0] == deltas[1]
        assert deltas[0]['forebay_s3_requests_total{cache="hit",operation="GetObject",status="206"}'] == 1

    scene.run(work())
