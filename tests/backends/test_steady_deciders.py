"""The deciders of `steady`: when to try again, how much at once, when not to ask at all, how fast."""

import asyncio
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.steady.breaker import Breaker, Pass
from gateway.backends.steady.limit import LIMIT_MAX, LIMIT_MIN, LIMIT_START, Kind, Limit, Slots
from gateway.backends.steady.rate import Rate
from gateway.backends.steady.retry import PATIENCE_S, TRIES_MAX, Repeat, RetryTokens, pause_s
from gateway.errors import (
    BackendBroken,
    BackendUnavailable,
    ConditionFailed,
    Conflict,
    CredentialsRefused,
    GatewayError,
    ObjectMissing,
    SlowDown,
    VersionChanged,
)
from tests.backends.virtual_time import run

FINAL = (ObjectMissing(), ConditionFailed(), VersionChanged(), CredentialsRefused())
HELPFUL: tuple[GatewayError, ...] = (SlowDown(), BackendUnavailable(), BackendUnavailable(silent=True), Conflict())
dice = st.integers(0, 2**32).map(Random)


@given(st.sampled_from(FINAL), st.sampled_from(Repeat), dice)
def test_what_a_retry_cannot_help_is_never_retried(error: GatewayError, repeat: Repeat, chance: Random) -> None:
    assert pause_s(error, repeat, 1, 0.0, chance) is None


@given(st.sampled_from(HELPFUL), st.sampled_from(Repeat), st.integers(1, 9), st.floats(0, 100), dice)
def test_a_retry_keeps_to_tries_pauses_and_patience(
    error: GatewayError, repeat: Repeat, tries: int, elapsed_s: float, chance: Random
) -> None:
    pause = pause_s(error, repeat, tries, elapsed_s, chance)
    # The longest pause of few tries is 0.4 s.
    if tries >= TRIES_MAX or elapsed_s >= PATIENCE_S or repeat is Repeat.NEVER:
        assert pause is None
    elif elapsed_s < PATIENCE_S - 0.4:
        assert pause is not None
    if pause is not None:
        assert 0 <= pause <= 0.1 * 2 ** (tries - 1)
        assert elapsed_s + pause < PATIENCE_S


@given(st.sampled_from((Repeat.READ, Repeat.WRITE)), st.floats(0, 60), dice)
def test_a_store_that_names_a_wait_gets_it_or_is_left_alone(repeat: Repeat, asked_s: float, chance: Random) -> None:
    pause = pause_s(SlowDown(wait_s=asked_s), repeat, 1, 0.0, chance)
    bearable_s = 5.0 if repeat is Repeat.READ else 20.0
    assert (pause is not None) == (asked_s <= bearable_s)
    assert pause is None or pause >= asked_s


def test_an_answer_without_sense_is_asked_for_once_more_when_reading() -> None:
    again = [pause_s(BackendBroken(), Repeat.READ, tries, 0.0, Random(1)) is not None for tries in (1, 2)]
    assert again == [True, False]
    assert pause_s(BackendBroken(), Repeat.WRITE, 1, 0.0, Random(1)) is None


@given(st.lists(st.sampled_from(["well", "failed", "silent"]), max_size=400))
def test_retries_never_outrun_their_tokens(course: list[str]) -> None:
    tokens = RetryTokens()
    for what in course:
        before = tokens.left
        if what == "well":
            tokens.succeeded()
            assert tokens.left == min(before + 1, 500)
        else:
            cost = 10 if what == "silent" else 5
            assert tokens.take(BackendUnavailable(silent=what == "silent")) == (before >= cost)
            assert tokens.left == (before - cost if before >= cost else before)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.integers(1, 300)), max_size=300))
def test_the_limit_grows_by_one_shrinks_by_a_share_and_keeps_its_bounds(course: list[tuple[bool, float, int]]) -> None:
    limit, now_s, shrunk_s = Limit(), 0.0, float("-inf")
    for slow, passes_s, in_use in course:
        now_s += passes_s
        before = limit.size
        if not slow:
            limit.succeeded(in_use)
            assert before <= limit.size <= before + 1
        else:
            limit.slowed(now_s)
            if now_s - shrunk_s < 0.25:
                assert limit.size == before
            else:
                shrunk_s = now_s
                assert limit.size >= int(before * 0.7)
        assert LIMIT_MIN <= limit.size <= LIMIT_MAX


def test_a_full_window_of_successes_adds_one_and_an_idle_one_nothing() -> None:
    busy, idle = Limit(), Limit()
    for _ in range(LIMIT_START):
        busy.succeeded(in_use=LIMIT_START)
        idle.succeeded(in_use=1)
    assert (busy.size, idle.size) == (LIMIT_START + 1, LIMIT_START)


@given(st.lists(st.tuples(st.sampled_from(Kind), st.floats(0.1, 5)), min_size=1, max_size=60), st.integers(4, 9))
def test_slots_are_never_overrun_and_everybody_gets_a_turn(wanted: list[tuple[Kind, float]], size: int) -> None:
    slots = Slots(Limit(size))
    most = 0

    async def use(kind: Kind, lasts_s: float) -> None:
        nonlocal most
        if not slots.take(kind):
            await slots.wait(kind, 1000.0)
        most = max(most, slots.in_use)
        await asyncio.sleep(lasts_s)
        slots.give_back(kind)

    async def everybody() -> None:
        async with asyncio.TaskGroup() as tasks:
            for kind, lasts_s in wanted:
                tasks.create_task(use(kind, lasts_s))

    run(everybody())
    assert slots.in_use == 0
    # One more per kind that had nothing in progress.
    assert most <= size + len(Kind) - 1


def test_a_kind_that_has_nothing_in_progress_never_waits_for_the_others() -> None:
    slots = Slots(Limit(LIMIT_MIN))
    assert [slots.take(Kind.READ) for _ in range(LIMIT_MIN + 1)] == [True] * LIMIT_MIN + [False]
    assert slots.take(Kind.WRITE)
    assert not slots.take(Kind.WRITE)


def test_who_waits_in_vain_is_told_to_slow_down_and_who_is_cancelled_leaves_nothing() -> None:
    async def scenario() -> list[str]:
        slots, told = Slots(Limit(1)), list[str]()
        assert slots.take(Kind.READ)

        async def wait(wait_s: float) -> None:
            try:
                await slots.wait(Kind.READ, wait_s)
            except SlowDown:
                told.append("slow down")

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(wait(1.0))
            tasks.create_task(wait(100.0)).cancel()
            leaver = tasks.create_task(wait(100.0))
            await asyncio.sleep(2.0)
            # The grant and the cancelling meet: the slot is not lost.
            slots.give_back(Kind.READ)
            leaver.cancel()
        assert slots.take(Kind.READ)
        return told

    assert run(scenario()) == ["slow down"]


def drowned(breaker: Breaker, now_s: float, failures: int = 20) -> None:
    for _ in range(failures):
        breaker.failed(Pass.FREE, now_s)


@given(st.integers(0, 60), st.integers(0, 60), dice)
def test_the_breaker_opens_when_half_of_at_least_twenty_failed(failures: int, successes: int, chance: Random) -> None:
    breaker = Breaker(chance)
    for _ in range(successes):
        breaker.succeeded(Pass.FREE, 1.0)
    drowned(breaker, 2.0, failures)
    # Each failure is judged as it comes, so it opens at the first moment that half of what was seen failed.
    assert breaker.is_open == any(n + successes >= 20 and n >= successes for n in range(1, failures + 1))


def test_failures_of_long_ago_open_nothing() -> None:
    breaker = Breaker(Random(1))
    for second in range(100):
        drowned(breaker, float(second), failures=1)
    assert not breaker.is_open


@given(dice)
def test_one_probe_at_a_time_and_twice_the_wait_after_each_that_fails(chance: Random) -> None:
    breaker, now_s, expected_s = Breaker(chance), 0.0, 5.0
    drowned(breaker, now_s)
    for _ in range(8):
        assert breaker.admit(now_s + expected_s * 0.8 - 0.01) is Pass.NONE
        now_s += expected_s * 1.2 + 0.01
        assert breaker.admit(now_s) is Pass.PROBE
        assert breaker.admit(now_s) is Pass.NONE
        breaker.given_up(Pass.PROBE)
        assert breaker.admit(now_s) is Pass.PROBE
        breaker.failed(Pass.PROBE, now_s)
        expected_s = min(expected_s * 2, 60.0)
    assert breaker.admit(now_s + 80.0) is Pass.PROBE
    breaker.succeeded(Pass.PROBE, now_s + 80.0)
    assert breaker.admit(now_s + 80.0) is Pass.FREE


def test_late_answers_to_what_went_before_change_nothing_about_an_open_breaker() -> None:
    breaker = Breaker(Random(1))
    drowned(breaker, 0.0)
    breaker.succeeded(Pass.FREE, 0.1)
    breaker.failed(Pass.FREE, 0.2)
    assert breaker.refuses(1.0)


@given(st.floats(1, 1e9), st.lists(st.tuples(st.floats(0, 3), st.floats(0.001, 2)), min_size=1, max_size=50))
def test_a_rate_is_kept_over_every_stretch_but_for_one_second_saved_up(
    per_s: float, course: list[tuple[float, float]]
) -> None:
    rate, now_s, used, began_s = Rate(per_s), 0.0, 0.0, 0.0
    for passes_s, share in course:
        now_s += passes_s
        now_s += rate.take(share * per_s, now_s)
        used += share * per_s
        assert used <= per_s * (now_s - began_s + 1.0) * (1 + 1e-9) + 1e-6


def test_no_rate_is_no_wait() -> None:
    assert [Rate(0).take(10**12, 0.0), Rate(0).is_limited] == [0.0, False]
