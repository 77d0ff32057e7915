"""What a client gets while its S3 store is sick: the right bytes or a clean failure in time, never a short read.

The limit on silence before an answer is 100 ms here, within one 300 ms.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import uuid4

import boto3
import pytest

from gateway.backends.base import Completion, ListQuery, WriteSpec
from gateway.backends.s3 import S3Backend
from gateway.backends.steady import Endpoint, Meter, Rate, Steady, Terms
from gateway.clock import Clock, ManualClock, SystemClock
from gateway.config.places import S3Options
from gateway.errors import (
    BackendUnavailable,
    BodyIncomplete,
    ConditionFailed,
    CredentialsRefused,
    GatewayError,
    ObjectMissing,
    SlowDown,
    VersionChanged,
)
from gateway.metrics import Metrics
from gateway.model import MIB, IfAbsent, Key, Span
from tests.contract.bodies import Broken, Sent, get, put
from tests.faults import Answer, Change, Cut, Delay, Fault, Faults, Lie, LoseAnswer, Reset, Silence, Sip
from tests.real.servers import Server

pytestmark = pytest.mark.slow

KEY = Key(b"dir/key")
DATA = Random(3).randbytes(300_000)
TIME_MAX_S = 10.0
"""Of four tries, their pauses and a machine under load; the limits on silence are a hundredth of the usual."""
ONCE = frozenset({1})


@dataclass
class Sick:
    """A bucket with one object, and two ways to it: through the proxy, and past it."""

    proxy: Faults
    steady: Steady
    healthy: S3Backend
    endpoint: Endpoint


@asynccontextmanager
async def sick(moto: Server, clock: Clock | None = None, **changes: str) -> AsyncIterator[Sick]:
    """`changes` are options of the store behind the proxy; empty ones are left out."""
    bucket = f"faults-{uuid4().hex}"
    options = {
        "endpoint_url": moto.endpoint,
        "access_key_id": moto.values["ACCESS_KEY"],
        "secret_access_key": moto.values["SECRET_KEY"],
        "silence_timeout": "300ms",
    }
    healthy = S3Backend(f"s3://{bucket}", S3Options.model_validate({**options, "silence_timeout": "30s"}))
    client = boto3.client(
        "s3",
        endpoint_url=moto.endpoint,
        aws_access_key_id=moto.values["ACCESS_KEY"],
        aws_secret_access_key=moto.values["SECRET_KEY"],
        region_name="us-east-1",
    )
    await asyncio.to_thread(client.create_bucket, Bucket=bucket)
    await put(healthy, KEY, DATA)
    endpoint = Endpoint("moto", clock or SystemClock(), Random(1))
    async with Faults(moto.endpoint) as proxy:
        changed = {name: value for name, value in {**options, **changes}.items() if value}
        inner = S3Backend(f"s3://{bucket}", S3Options.model_validate({**changed, "endpoint_url": proxy.url}), clock)
        steady = Steady(inner, Terms(endpoint, Meter(Metrics(), "m"), Rate(0), Rate(0)))
        try:
            # What the store does with conditions is found out while it is well.
            await steady.probe()
            proxy.forget()
            yield Sick(proxy, steady, healthy, endpoint)
        finally:
            await steady.close()
            await healthy.close()


def each(scenario: Callable[[Sick], Awaitable[None]], moto: Server, **changes: str) -> None:
    """Runs a scenario; `changes` as in `sick`."""

    async def whole() -> None:
        async with sick(moto, None, **changes) as scene:
            await scenario(scene)

    asyncio.run(whole())


async def outcome(call: Awaitable[object]) -> object:
    """What a call answers, or the failure it raises, in time."""
    began_s = time.monotonic()
    try:
        return await call
    except GatewayError as error:
        return error
    finally:
        assert time.monotonic() - began_s < TIME_MAX_S


READ_FAULTS: dict[str, Fault] = {
    "F2 silence before the head": Silence(),
    "F3 silence in the body": Silence(after=100_000),
    "F3 silence right behind the head": Silence(after=0),
    "F4 cut in the body": Cut(after=123_456),
    "F4 cut before the body": Cut(after=0),
    "F5 reset in the body": Reset(after=123_456),
    "F5 reset before the body": Reset(after=0),
    "F5 reset in the head": Reset(after=30, in_head=True),
    "F6 429": Answer(429, (("retry-after", "0"),)),
    "F6 503": Answer(503, (("retry-after", "0"),)),
    "F7 500": Answer(500),
    "F7 502": Answer(502, body=b"<html>Bad Gateway</html>"),
    "F7 504": Answer(504),
    "F12 broken head": Cut(after=20, in_head=True),
    "F12 no length": Lie(length=-1),
    "F12 shorter than promised": Lie(length=len(DATA) + 5),
    "F12 longer than promised": Lie(length=1000),
    "F12 more than was asked": Lie(extra=b"more"),
    "slow drip": Delay(head_s=0.05, per_piece_s=0.05),
}


@pytest.mark.parametrize("name", READ_FAULTS)
@pytest.mark.parametrize("times", [1, 3, 1000])
def test_a_read_gives_the_right_bytes_or_a_clean_failure(moto: Server, name: str, times: int) -> None:
    async def scenario(scene: Sick) -> None:
        info = await scene.healthy.stat(KEY)
        scene.proxy.rule("GET", "/", READ_FAULTS[name], nth=range(1, times + 1))
        for span in (None, Span(1000, 290_000)):
            wanted = DATA if span is None else DATA[1000:290_000]
            answered = await outcome(get(scene.steady, KEY, span, info.version))
            assert answered == wanted or isinstance(answered, GatewayError), answered
            # A length that lies is another version; what else is broken is asked for once more.
            if times < 4 and not name.startswith("F12"):
                assert answered == wanted

    each(scenario, moto)


def test_f1_a_refused_connection_is_unavailable_and_forgotten_when_the_store_is_back(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        scene.proxy.fall()
        for call in (scene.steady.stat(KEY), get(scene.steady, KEY), scene.steady.list(ListQuery())):
            assert isinstance(await outcome(call), BackendUnavailable)
        await scene.proxy.rise()
        assert await get(scene.steady, KEY) == DATA

    each(scenario, moto)


def test_f6_a_wait_that_the_store_asks_for_is_kept(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        scene.proxy.rule("HEAD", "/", Answer(503, (("retry-after", "1"),)), nth=ONCE)
        began_s = time.monotonic()
        assert (await scene.steady.stat(KEY)).size == len(DATA)
        assert time.monotonic() - began_s >= 1.0
        scene.proxy.rule("HEAD", "/", Answer(503, (("retry-after", "3600"),)))
        assert isinstance(await outcome(scene.steady.stat(KEY)), SlowDown)

    each(scenario, moto)


def test_f8_an_object_that_changes_between_two_reads_is_never_mixed(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        info = await scene.steady.stat(KEY)
        scene.proxy.rule("GET", "/", Change(lambda: put(scene.healthy, KEY, DATA[::-1])), nth={2})
        assert await get(scene.steady, KEY, Span(0, 1000), info.version) == DATA[:1000]
        assert isinstance(await outcome(get(scene.steady, KEY, Span(1000, 2000), info.version)), VersionChanged)

    each(scenario, moto)


def test_f8_an_object_that_changes_before_a_broken_read_goes_on_is_never_mixed(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        scene.proxy.rule("GET", "/", Reset(after=100_000), nth=ONCE)
        scene.proxy.rule("GET", "/", Change(lambda: put(scene.healthy, KEY, DATA[::-1])), nth=ONCE)
        assert isinstance(await outcome(get(scene.steady, KEY)), VersionChanged)

    each(scenario, moto)


def test_f8_another_tag_in_the_middle_is_another_version(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        scene.proxy.rule("GET", "/", Reset(after=100_000), nth=ONCE)
        scene.proxy.rule("GET", "/", Lie(etag='"00000000000000000000000000000000"'), nth=ONCE)
        assert isinstance(await outcome(get(scene.steady, KEY)), VersionChanged)

    each(scenario, moto)


@pytest.mark.parametrize("fault", [LoseAnswer(), Silence(), Reset(after=10, in_head=True)], ids=repr)
def test_f9_what_was_committed_is_a_success_though_its_answer_was_lost(moto: Server, fault: Fault) -> None:
    async def scenario(scene: Sick) -> None:
        steady, healthy = scene.steady, scene.healthy
        scene.proxy.rule("PUT", "/", fault, nth=ONCE)
        created = await steady.write(Key(b"new"), Sent(b"new"), WriteSpec(condition=IfAbsent()))
        scene.proxy.rule("PUT", f"/[^/]+/{KEY.decode()}", fault, nth=ONCE)
        written = await steady.write(KEY, Sent(b"over"), WriteSpec())
        assert created == await healthy.stat(Key(b"new"))
        assert written == await healthy.stat(KEY)
        assert not created.metadata
        scene.proxy.rule("DELETE", "/", fault, nth=ONCE)
        await steady.delete(KEY, None)
        assert isinstance(await outcome(healthy.stat(KEY)), ObjectMissing)

    each(scenario, moto)


def test_f9_a_completed_upload_is_a_success_though_its_answer_was_lost(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        upload = await scene.steady.begin_upload(KEY, WriteSpec())
        part = await scene.steady.write_part(upload, 1, Sent(b"part"))
        scene.proxy.rule("POST", "/", LoseAnswer(), nth=ONCE)
        info = await scene.steady.complete_upload(upload, [part], Completion())
        assert info == await scene.healthy.stat(KEY)

    each(scenario, moto)


def test_f9_the_object_of_another_is_no_success_after_a_lost_request(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        scene.proxy.rule("PUT", "/", Answer(500), nth=ONCE)
        call = scene.steady.write(KEY, Sent(DATA), WriteSpec(condition=IfAbsent()))
        assert isinstance(await outcome(call), ConditionFailed)

    each(scenario, moto)


REFUSED = Answer(
    403,
    (("content-type", "application/xml"),),
    b"<Error><Code>InvalidAccessKeyId</Code><Message>who are you</Message></Error>",
)


def test_f10_credentials_refused_once_are_looked_up_again_and_cost_no_client_anything(
    moto: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()

    def write_keys(key_id: str) -> None:
        (tmp_path / "credentials").write_text(f"[team]\naws_access_key_id = {key_id}\naws_secret_access_key = secret\n")

    async def whole() -> None:
        async with sick(moto, clock, access_key_id="", secret_access_key="", profile="team") as scene:
            write_keys("changed")
            # The machine is asked for keys once in ten seconds at most.
            clock.advance(11.0)
            scene.proxy.rule("GET", "/", REFUSED, nth=ONCE)
            assert await get(scene.steady, KEY) == DATA
            assert len(scene.proxy.seen) == 2

    write_keys("first")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    asyncio.run(whole())


def test_f11_credentials_refused_for_ever_are_no_clients_fault_and_open_the_breaker(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        scene.proxy.rule("GET", "/", REFUSED)
        for _ in range(20):
            assert isinstance(await outcome(get(scene.steady, KEY)), CredentialsRefused)
        asked = len(scene.proxy.seen)
        assert isinstance(await outcome(get(scene.steady, KEY)), BackendUnavailable)
        assert len(scene.proxy.seen) == asked

    each(scenario, moto)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_f13_a_redirect_elsewhere_is_not_followed(moto: Server, status: int) -> None:
    async def scenario(scene: Sick) -> None:
        async with Faults(moto.endpoint) as elsewhere:
            scene.proxy.rule("GET", "/", Answer(status, (("location", f"{elsewhere.url}/other"),)))
            assert isinstance(await outcome(get(scene.steady, KEY)), GatewayError)
            assert not elsewhere.seen

    each(scenario, moto)


def test_f14_an_upload_that_is_read_slowly_is_not_silent(moto: Server) -> None:
    async def whole() -> None:
        # An answer may take one second, and the upload takes more than two.
        async with sick(moto, silence_timeout="3s") as scene:
            scene.proxy.rule("PUT", "/", Sip(10 * MIB))
            await scene.steady.write(KEY, Sent(b"x" * 24 * MIB), WriteSpec())
            assert (await scene.healthy.stat(KEY)).size == 24 * MIB

    asyncio.run(whole())


WRITE_FAULTS: dict[str, Fault] = {
    "silence": Silence(),
    "reset": Reset(after=10, in_head=True),
    "cut": Cut(after=10, in_head=True),
    "503": Answer(503, (("retry-after", "0"),)),
    "500": Answer(500),
}


@pytest.mark.parametrize("name", WRITE_FAULTS)
@pytest.mark.parametrize("size", [0, 1000, 3 * MIB])
def test_a_write_is_whole_or_a_clean_failure(moto: Server, name: str, size: int) -> None:
    async def scenario(scene: Sick) -> None:
        data = os.urandom(size)
        scene.proxy.rule("PUT", "/", WRITE_FAULTS[name], nth=ONCE)
        answered = await outcome(scene.steady.write(KEY, Sent(data), WriteSpec()))
        stored = await get(scene.healthy, KEY)
        if size <= MIB:
            assert answered == await scene.healthy.stat(KEY)
        if isinstance(answered, GatewayError):
            assert stored in (data, DATA)
        else:
            assert stored == data

    each(scenario, moto)


def test_a_body_that_breaks_leaves_the_old_object_and_no_suspicion(moto: Server) -> None:
    async def scenario(scene: Sick) -> None:
        for good in (0, 1, 2):
            call = scene.steady.write(KEY, Broken(b"x" * 3 * MIB, good=good), WriteSpec())
            assert isinstance(await outcome(call), BodyIncomplete)
        assert await get(scene.healthy, KEY) == DATA

    each(scenario, moto)


READS = [pytest.param(2_000, id="2000"), pytest.param(10_000, id="10000", marks=pytest.mark.long)]


@pytest.mark.parametrize("reads", READS)
def test_in_a_bad_network_all_bytes_are_right_and_few_requests_are_made_again(moto: Server, reads: int) -> None:
    dice = Random(reads)
    numbers = dice.sample(range(1, reads + 1), reads * 21 // 1000)
    share = reads // 100

    async def scenario(scene: Sick) -> None:
        scene.proxy.rule("GET", "/", Reset(after=20_000), nth=frozenset(numbers[:share]))
        scene.proxy.rule("GET", "/", Answer(503, (("retry-after", "0"),)), nth=frozenset(numbers[share : 2 * share]))
        scene.proxy.rule("GET", "/", Silence(), nth=frozenset(numbers[2 * share :]))
        places = iter([dice.randrange(0, 200_000) for _ in range(reads)])

        async def read() -> None:
            for start in places:
                assert await get(scene.steady, KEY, Span(start, start + 65_536)) == DATA[start : start + 65_536]

        async with asyncio.TaskGroup() as tasks:
            for _ in range(16):
                tasks.create_task(read())
        assert reads < len(scene.proxy.seen) <= reads * 1.03

    # Longer than a busy moto needs: what is counted are the faults, not the machine.
    each(scenario, moto, silence_timeout="3s")


def test_a_store_that_is_down_gets_one_probe_at_a_time_and_is_used_again_within_one_period(moto: Server) -> None:
    clock = ManualClock()

    async def herd(scene: Sick) -> list[object]:
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(outcome(scene.steady.stat(KEY))) for _ in range(30)]
        return [call.result() for call in calls]

    async def whole() -> None:
        async with sick(moto, clock) as scene:
            scene.proxy.fall()
            await herd(scene)
            assert scene.endpoint.breaker.is_open
            await scene.proxy.rise()
            scene.proxy.rule("HEAD", "/", Silence())
            for period_s in (5, 10, 20, 40, 60, 60):
                scene.proxy.seen.clear()
                clock.advance(period_s * 1.2)
                assert all(isinstance(answered, BackendUnavailable) for answered in await herd(scene))
                assert len(scene.proxy.seen) == 1
            scene.proxy.forget()
            clock.advance(60 * 1.2)
            assert (await scene.steady.stat(KEY)).size == len(DATA)
            assert not any(isinstance(answered, GatewayError) for answered in await herd(scene))

    asyncio.run(whole())
