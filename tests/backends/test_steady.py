"""`steady` around a store that fails by script, in virtual time: retries, resumed reads, limits, the breaker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.base import Backend, Completion, ListQuery, WriteSpec
from gateway.backends.steady import Endpoint, Meter, Rate, Steady, Terms
from gateway.errors import (
    BackendBroken,
    BackendUnavailable,
    BodyIncomplete,
    ConditionFailed,
    CredentialsRefused,
    GatewayError,
    ObjectMissing,
    SlowDown,
    UploadMissing,
    VersionChanged,
)
from gateway.metrics import Metrics
from gateway.model import MIB, IfAbsent, IfVersion, Key, Span, Version
from tests.backends.faulty import Breaks, Fails, Fault, FaultyBackend, Loses
from tests.backends.virtual_time import LoopClock, run
from tests.contract.bodies import Broken, Sent, get, put
from tests.ground.test_metrics import samples

KEY = Key(b"key")
DOWN = BackendUnavailable()
SILENT = BackendUnavailable(silent=True)
IF_ABSENT = WriteSpec(condition=IfAbsent())


@dataclass
class Scene:
    """A faulty store, and steady around it."""

    store: FaultyBackend
    endpoint: Endpoint
    metrics: Metrics = field(default_factory=Metrics)
    requests: Rate = field(default_factory=lambda: Rate(0))
    bandwidth: Rate = field(default_factory=lambda: Rate(0))

    @property
    def steady(self) -> Backend:
        return Steady(self.store, Terms(self.endpoint, Meter(self.metrics, "m"), self.requests, self.bandwidth))

    @property
    def operations(self) -> list[str]:
        return [seen.operation for seen in self.store.script.seen]

    def fails_next(self, *faults: Fault | None) -> None:
        """From here on."""
        self.store.script.faults.extend(faults)
        self.store.script.seen.clear()


def scene(*faults: Fault | None, seed: int = 1) -> Scene:
    return Scene(FaultyBackend(*faults), Endpoint("test", LoopClock(), Random(seed)))


async def filled(data: bytes, *faults: Fault | None) -> Scene:
    made = scene()
    await put(made.store, KEY, data)
    made.fails_next(*faults)
    return made


async def failure(call: Awaitable[object]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await call
    return caught.value


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_a_call_that_reads_is_tried_four_times_and_then_fails_as_the_store_did() -> None:
    async def scenario() -> None:
        for failures in range(6):
            made = await filled(b"content", *[Fails(SlowDown())] * failures)
            if failures < 4:
                assert (await made.steady.stat(KEY)).size == 7
            else:
                assert isinstance(await failure(made.steady.stat(KEY)), SlowDown)
            assert len(made.operations) == min(failures + 1, 4)

    run(scenario())


@pytest.mark.parametrize("error", [ObjectMissing(), ConditionFailed(), CredentialsRefused(), VersionChanged()])
def test_an_answer_about_the_key_is_the_answer(error: GatewayError) -> None:
    async def scenario() -> None:
        made = await filled(b"content", Fails(error))
        assert await failure(made.steady.stat(KEY)) is error
        assert made.operations == ["stat"]

    run(scenario())


breaks = st.lists(st.integers(0, 5000).map(lambda count: Breaks(count, DOWN)), max_size=12)


@given(breaks, st.one_of(st.none(), st.tuples(st.integers(0, 4999), st.integers(1, 6000))))
def test_a_read_is_whole_wherever_its_stream_breaks_or_it_raises(
    faults: list[Breaks], part: tuple[int, int] | None
) -> None:
    data = Random(7).randbytes(5000)
    span = None if part is None else Span(part[0], part[0] + part[1])

    async def scenario() -> None:
        made = await filled(data, *faults)
        try:
            received = await get(made.steady, KEY, span)
        except BackendUnavailable:
            # Only four tries without a byte in between, or a break behind the last byte, may end in a failure.
            counts = [fault.count for fault in faults]
            assert any(counts[i : i + 4] == [0, 0, 0, 0] for i in range(len(counts))) or max(counts) >= (
                min(span.stop, 5000) - span.start if span else 5000
            ) - sum(counts)
            return
        assert received == (data if span is None else data[span.start : span.stop])

    run(scenario())


def test_a_broken_read_goes_on_at_the_next_byte_of_the_same_version() -> None:
    async def scenario() -> None:
        made = await filled(b"0123456789")
        info = await made.store.stat(KEY)
        made.fails_next(Breaks(3, DOWN), Breaks(2, DOWN))
        assert await get(made.steady, KEY, Span(1, 100)) == b"123456789"
        assert [(seen.span, seen.pin) for seen in made.store.script.seen] == [
            (Span(1, 100), None),
            (Span(4, 10), info.version),
            (Span(6, 10), info.version),
        ]

    run(scenario())


def test_a_read_whose_object_changed_before_it_could_go_on_never_mixes() -> None:
    async def scenario() -> None:
        made = await filled(b"a" * 100, Breaks(10, DOWN))
        received = bytearray()
        async with made.steady.read(KEY, None, None) as reading:
            pieces = reading.pieces()
            received += await anext(pieces)
            await put(made.store, KEY, b"b" * 100)
            assert isinstance(await failure(anext(pieces)), VersionChanged)
        assert received == b"a" * 10

    run(scenario())


def test_a_stream_that_breaks_behind_its_last_byte_does_not_end_well() -> None:
    async def scenario() -> None:
        made = await filled(b"0123456789", Breaks(10, BackendBroken()))
        assert isinstance(await failure(get(made.steady, KEY)), BackendBroken)

    run(scenario())


def test_what_a_reader_raises_is_not_taken_for_the_stores_failure() -> None:
    async def scenario() -> None:
        made = await filled(b"0123456789")
        for _ in range(40):
            with pytest.raises(BackendUnavailable):
                async with made.steady.read(KEY, None, None):
                    raise BackendUnavailable
        assert not made.endpoint.breaker.is_open
        assert made.endpoint._slots.in_use == 0

    run(scenario())


@pytest.mark.parametrize("silence_s", [10.0, 18.0, 30.0, 47.0])
def test_a_read_that_meets_silence_again_and_again_fails_before_its_client_gives_up(silence_s: float) -> None:
    async def scenario() -> None:
        for operation in ("stat", "head", "body", "list"):
            silent = Breaks(5, SILENT, silence_s) if operation == "body" else Fails(SILENT, silence_s)
            made = await filled(b"0123456789", silent, *[Fails(SILENT, silence_s)] * 3)
            steady = made.steady
            began_s = now_s()
            call: Awaitable[object]
            match operation:
                case "stat":
                    call = steady.stat(KEY)
                case "list":
                    call = steady.list(ListQuery())
                case _:
                    call = get(steady, KEY)
            assert isinstance(await failure(call), BackendUnavailable)
            assert now_s() - began_s <= 50.0

    run(scenario())


def test_a_stream_that_is_silent_for_thirty_seconds_is_still_resumed() -> None:
    async def scenario() -> None:
        made = await filled(b"0123456789", Breaks(5, SILENT, 30.0))
        assert await get(made.steady, KEY) == b"0123456789"

    run(scenario())


def test_time_that_a_reader_takes_between_two_pieces_costs_it_no_retry() -> None:
    async def scenario() -> None:
        made = await filled(b"0123456789", Breaks(5, DOWN))
        received = b""
        async with made.steady.read(KEY, None, None) as reading:
            async for piece in reading.pieces():
                received += piece
                await asyncio.sleep(600)
        assert received == b"0123456789"

    run(scenario())


@pytest.mark.parametrize("size", [0, 1, MIB])
def test_a_body_of_one_piece_is_sent_again(size: int) -> None:
    async def scenario() -> None:
        made = scene(Fails(DOWN), Fails(SlowDown()), Loses(DOWN))
        info = await made.steady.write(KEY, Sent(b"x" * size), WriteSpec())
        assert made.operations == ["write"] * 4
        assert (info, await get(made.store, KEY)) == (await made.store.stat(KEY), b"x" * size)

    run(scenario())


def test_a_longer_body_is_sent_again_only_while_nothing_of_it_was_asked_for() -> None:
    async def scenario() -> None:
        data = b"x" * (MIB + 1)
        untouched = scene(Fails(DOWN), Fails(SlowDown()))
        await untouched.steady.write(KEY, Sent(data), WriteSpec())
        assert await get(untouched.store, KEY) == data
        begun = scene(Loses(DOWN))
        assert await failure(begun.steady.write(KEY, Sent(data), WriteSpec())) is DOWN
        assert begun.operations == ["write"]

    run(scenario())


@pytest.mark.parametrize("size", [MIB, 3 * MIB])
def test_a_body_with_a_bad_verdict_fails_as_itself_and_harms_nobody(size: int) -> None:
    async def scenario() -> None:
        made = scene()
        for _ in range(25):
            body = Broken(b"x" * size, good=1)
            assert isinstance(await failure(made.steady.write(KEY, body, WriteSpec())), BodyIncomplete)
        assert isinstance(await failure(made.store.stat(KEY)), ObjectMissing)
        assert not made.endpoint.breaker.is_open

    run(scenario())


@dataclass
class FailsElsewhere(Sent):
    """A body that comes from another store, which is down."""

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        async for piece in super().pieces():
            yield piece
            raise BackendUnavailable


def test_a_body_from_a_store_that_is_down_is_not_the_failure_of_the_store_it_goes_to() -> None:
    async def scenario() -> None:
        made = scene()
        for _ in range(40):
            assert isinstance(
                await failure(made.steady.write(KEY, FailsElsewhere(b"x" * 3 * MIB), WriteSpec())), BackendUnavailable
            )
        assert not made.endpoint.breaker.is_open
        assert len(made.operations) == 40

    run(scenario())


def test_a_write_that_meets_its_own_object_after_a_lost_answer_has_succeeded() -> None:
    async def scenario() -> None:
        made = scene(Loses(DOWN))
        info = await made.steady.write(KEY, Sent(b"mine"), IF_ABSENT)
        assert (info, info.size) == (await made.store.stat(KEY), 4)
        assert info.metadata == ()
        made.fails_next(Loses(DOWN), None, Fails(DOWN))
        newer = await made.steady.write(KEY, Sent(b"newer"), WriteSpec(condition=IfVersion(info.version)))
        assert newer == await made.store.stat(KEY)
        assert made.operations[:4] == ["write", "write", "stat", "write"]

    run(scenario())


def test_a_write_that_meets_the_object_of_another_has_failed_even_with_equal_bytes() -> None:
    async def scenario() -> None:
        made = await filled(b"same", Fails(DOWN))
        assert isinstance(await failure(made.steady.write(KEY, Sent(b"same"), IF_ABSENT)), ConditionFailed)
        await made.store.delete(KEY, None)
        gone = WriteSpec(condition=IfVersion(Version(b"gone")))
        assert isinstance(await failure(made.steady.write(KEY, Sent(b"same"), gone)), ConditionFailed)
        twice = scene()
        await twice.steady.write(KEY, Sent(b"same"), IF_ABSENT)
        twice.fails_next(Fails(DOWN))
        assert isinstance(await failure(twice.steady.write(KEY, Sent(b"same"), IF_ABSENT)), ConditionFailed)

    run(scenario())


def test_only_writes_with_a_condition_carry_a_name() -> None:
    async def scenario() -> None:
        made = scene()
        assert not (await made.steady.write(KEY, Sent(b"x"), WriteSpec())).write_id
        named = [await made.steady.write(Key(b"%d" % i), Sent(b"x"), IF_ABSENT) for i in range(2)]
        assert len({info.write_id for info in named} - {""}) == 2

    run(scenario())


def test_what_is_as_well_done_twice_is_repeated_after_a_lost_answer() -> None:
    async def scenario() -> None:
        made = await filled(b"content", Loses(DOWN))
        await made.steady.delete(KEY, None)
        upload = await made.steady.begin_upload(KEY, WriteSpec())
        part = await made.steady.write_part(upload, 1, Sent(b"part"))
        made.fails_next(Loses(DOWN))
        listed = await made.steady.list_parts(upload, 0, 10)
        info = await made.steady.complete_upload(upload, listed.parts, Completion())
        assert (part.size, info) == (4, await made.store.stat(KEY))
        other = await made.steady.begin_upload(KEY, WriteSpec())
        made.fails_next(Loses(DOWN))
        await made.steady.abort_upload(other)
        assert isinstance(await failure(made.steady.abort_upload(other)), UploadMissing)

    run(scenario())


def test_a_wait_that_the_store_asks_for_is_kept_and_one_too_long_is_the_end() -> None:
    async def scenario() -> None:
        made = await filled(b"content", Fails(SlowDown(wait_s=4.0)))
        await made.steady.stat(KEY)
        assert now_s() >= 4.0
        made.fails_next(Fails(SlowDown(wait_s=6.0)))
        assert isinstance(await failure(made.steady.stat(KEY)), SlowDown)
        assert made.operations == ["stat"]

    run(scenario())


def test_an_outage_is_not_multiplied() -> None:
    async def scenario() -> None:
        made = await filled(b"content")
        made.store.script.always = Fails(BackendBroken())
        for _ in range(300):
            await failure(made.steady.stat(KEY))
        # 500 tokens pay for 100 retries, and nothing earns any.
        assert len(made.operations) == 400

    run(scenario())


def test_no_more_requests_are_in_progress_than_the_limit_and_slow_down_shrinks_it() -> None:
    async def scenario() -> None:
        made = await filled(b"content")
        made.store.script.lasts_s = 0.1
        async with asyncio.TaskGroup() as tasks:
            for _ in range(300):
                tasks.create_task(made.steady.stat(KEY))
        before = made.endpoint.limit.size
        assert 64 <= made.store.script.in_progress_max <= before
        made.fails_next(Fails(SlowDown()))
        await made.steady.stat(KEY)
        assert made.endpoint.limit.size == int(before * 0.7)

    run(scenario())


def test_waiting_for_a_turn_ends_in_slow_down_after_thirty_seconds() -> None:
    async def scenario() -> None:
        made = await filled(b"content")
        made.store.script.lasts_s = 100.0
        errors: list[GatewayError] = []

        async def stat() -> None:
            try:
                await made.steady.stat(KEY)
            except GatewayError as error:
                errors.append(error)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(65):
                tasks.create_task(stat())
            await asyncio.sleep(30.1)
            assert [type(error) for error in errors] == [SlowDown]

    run(scenario())


def test_a_caller_that_leaves_gives_its_slot_back() -> None:
    async def scenario() -> None:
        made = await filled(b"content")
        made.store.script.lasts_s = 10.0
        async with asyncio.TaskGroup() as tasks:
            calls: list[Coroutine[None, None, object]] = [made.steady.stat(KEY) for _ in range(100)]
            calls += [get(made.steady, KEY) for _ in range(100)]
            started = [tasks.create_task(call) for call in calls]
            await asyncio.sleep(1.0)
            for task in started:
                task.cancel()
        assert made.endpoint._slots.in_use == 0
        made.store.script.lasts_s = 0.0
        assert await get(made.steady, KEY) == b"content"

    run(scenario())


def test_copies_at_one_store_never_wait_for_themselves() -> None:
    @dataclass
    class From:
        steady: Backend
        checksum = None
        size = 2 * MIB

        async def pieces(self) -> AsyncIterator[bytes | memoryview]:
            async with self.steady.read(KEY, None, None) as reading:
                async for piece in reading.pieces():
                    yield piece

    async def scenario() -> None:
        made = await filled(b"x" * 2 * MIB)
        async with asyncio.TaskGroup() as tasks:
            for number in range(200):
                tasks.create_task(made.steady.write(Key(b"copy/%d" % number), From(made.steady), WriteSpec()))
        assert now_s() < 1.0

    run(scenario())


def test_a_store_that_is_down_is_asked_by_one_probe_at_a_time_and_is_back_within_one_period() -> None:
    async def scenario() -> None:
        made = await filled(b"content")
        made.store.script.always = Fails(SILENT, 10.0)
        back_s = 0.0

        async def ask(for_s: float) -> None:
            nonlocal back_s
            while now_s() < for_s:
                try:
                    await made.steady.stat(KEY)
                    back_s = back_s or now_s()
                except GatewayError:
                    pass
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(30):
                tasks.create_task(ask(200.0))
            await asyncio.sleep(25.0)
            assert made.endpoint.breaker.is_open
            made.store.script.in_progress_max = 0
            before = len(made.operations)
            await asyncio.sleep(60.0)
            assert made.store.script.in_progress_max == 1
            assert 1 <= len(made.operations) - before <= 6
            made.store.script.always = None
            up_s = now_s()
        # The longest opening is 60 s and a fifth, and the last probe may have begun before the store was back.
        assert up_s < back_s <= up_s + 72.0 + 10.0

    run(scenario())


def test_an_open_breaker_fails_at_once_also_those_who_wait_for_a_turn() -> None:
    async def scenario() -> None:
        made = await filled(b"content")
        made.store.script.always = Fails(SILENT, 10.0)
        ended_s: list[float] = []

        async def write() -> None:
            with pytest.raises(BackendUnavailable):
                await made.steady.delete(KEY, None)
            ended_s.append(now_s())

        async with asyncio.TaskGroup() as tasks:
            for _ in range(200):
                tasks.create_task(write())
        assert max(ended_s) < 11.0
        assert len(made.operations) == 64
        began_s = now_s()
        await failure(made.steady.stat(KEY))
        assert now_s() == began_s

    run(scenario())


def test_failures_of_a_key_and_slow_down_open_no_breaker() -> None:
    async def scenario() -> None:
        made = await filled(b"content", *[Fails(ObjectMissing())] * 30)
        for _ in range(30):
            await failure(made.steady.stat(KEY))
        made.fails_next(*[Fails(SlowDown(wait_s=9.0))] * 30)
        for _ in range(30):
            await failure(made.steady.stat(KEY))
        assert not made.endpoint.breaker.is_open

    run(scenario())


def test_a_mounts_rates_are_kept_and_cost_no_call_its_time() -> None:
    async def scenario() -> None:
        made = replace(await filled(b"x" * 4 * MIB), requests=Rate(2), bandwidth=Rate(MIB / 60))
        steady = made.steady
        began_s = now_s()
        assert len(await get(steady, KEY)) == 4 * MIB
        # A second's worth is saved up.
        assert now_s() - began_s == pytest.approx(4 * 60.0 - 1.0)
        began_s = now_s()
        for _ in range(10):
            await steady.stat(KEY)
        assert now_s() - began_s == pytest.approx(4.0)

    run(scenario())


def test_what_happens_is_told_in_the_metrics() -> None:
    async def scenario() -> None:
        made = await filled(b"content", Fails(DOWN), Breaks(3, DOWN))
        Meter(made.metrics, "m").watch(
            lambda: made.endpoint.limit.size,
            lambda: made.endpoint.breaker.is_open,
            lambda: made.endpoint.tokens.left,
        )
        await get(made.steady, KEY)
        await failure(made.steady.stat(Key(b"missing")))
        told = {
            name + "".join(f" {value}" for _, value in labels): value
            for (name, labels), value in samples(made.metrics).items()
        }
        assert told["forebay_backend_requests_total m read unavailable"] == 2
        assert told["forebay_backend_requests_total m read ok"] == 1
        assert told["forebay_backend_requests_total m stat refused"] == 1
        assert told["forebay_backend_request_seconds_count m read"] == 3
        assert told["forebay_backend_bytes_total m"] == 7
        assert told["forebay_backend_retries_total m"] == 2
        assert told["forebay_backend_concurrency_limit m"] == 64
        assert told["forebay_backend_breaker_open m"] == 0
        assert told["forebay_backend_retry_tokens m"] == 500 - 10 + 2

    run(scenario())
