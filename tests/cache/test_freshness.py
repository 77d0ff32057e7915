"""Whether an info may be used without asking the backend."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.freshness import CLOCK_BACK_MAX_S, Demand, Trust, age_s, judge, may_serve_stale
from gateway.model import ETag, Info, Known, Version
from gateway.mounts import CachePolicy

NOW_S = 1_700_000_000.0
INFO = Info(Version(b"v"), 5, 1_600_000_000, ETag("e"))
FRESHNESS_S = st.sampled_from([0.0, 1.0, 300.0, math.inf]) | st.floats(0, 1e6)
NEVER = Known(INFO, 0)


def aged(seconds: int) -> Known:
    return Known(INFO, int(NOW_S) - seconds)


def policy(freshness_s: float, stale_if_error_s: float = 0.0) -> CachePolicy:
    return CachePolicy(is_cached=True, freshness_s=freshness_s, stale_if_error_s=stale_if_error_s)


@given(freshness_s=FRESHNESS_S, age=st.integers(0, 10**6))
def test_an_info_is_fresh_exactly_while_it_is_younger_than_the_freshness(freshness_s: float, age: int) -> None:
    expected = Trust.FRESH if age < freshness_s else Trust.EXPIRED
    assert judge(aged(age), policy(freshness_s), Demand.NORMAL, NOW_S) is expected


def test_always_asks_even_in_the_moment_of_the_last_answer() -> None:
    assert judge(aged(0), policy(0.0), Demand.NORMAL, NOW_S) is Trust.EXPIRED


def test_immutable_is_fresh_at_any_age() -> None:
    assert judge(Known(INFO, 1), policy(math.inf), Demand.NORMAL, NOW_S) is Trust.FRESH


@given(freshness_s=FRESHNESS_S, stale_if_error_s=st.sampled_from([0.0, 1e9, math.inf]))
def test_what_was_never_validated_is_never_trusted(freshness_s: float, stale_if_error_s: float) -> None:
    assert judge(NEVER, policy(freshness_s), Demand.NORMAL, NOW_S) is Trust.EXPIRED
    assert not may_serve_stale(NEVER, policy(freshness_s, stale_if_error_s), NOW_S)


@given(ahead_s=st.integers(0, int(CLOCK_BACK_MAX_S)))
def test_a_clock_that_jumped_back_a_little_makes_an_info_new(ahead_s: int) -> None:
    assert judge(aged(-ahead_s), policy(1.0), Demand.NORMAL, NOW_S) is Trust.FRESH
    assert age_s(aged(-ahead_s), NOW_S) == 0


@given(freshness_s=FRESHNESS_S, ahead_s=st.integers(int(CLOCK_BACK_MAX_S) + 1, 10**9))
def test_an_info_from_the_far_future_is_not_trusted(freshness_s: float, ahead_s: int) -> None:
    assert judge(aged(-ahead_s), policy(freshness_s), Demand.NORMAL, NOW_S) is Trust.EXPIRED
    assert not may_serve_stale(aged(-ahead_s), policy(freshness_s), NOW_S)


@given(freshness_s=FRESHNESS_S)
def test_a_client_that_wants_to_be_sure_is_never_answered_from_memory(freshness_s: float) -> None:
    assert judge(aged(0), policy(freshness_s), Demand.REVALIDATE, NOW_S) is Trust.EXPIRED


@given(known=st.none() | st.integers(0, 1000).map(aged), demand=st.sampled_from(Demand))
def test_the_cache_is_left_alone_when_the_request_or_the_mount_says_so(known: Known | None, demand: Demand) -> None:
    assert judge(known, policy(300.0), Demand.BYPASS, NOW_S) is Trust.BYPASSED
    assert judge(known, CachePolicy(is_cached=False), demand, NOW_S) is Trust.BYPASSED


@pytest.mark.parametrize("demand", [Demand.NORMAL, Demand.REVALIDATE])
def test_of_what_nobody_knows_the_backend_is_asked(demand: Demand) -> None:
    assert judge(None, policy(math.inf), demand, NOW_S) is Trust.UNKNOWN


@given(freshness_s=FRESHNESS_S, stale_s=st.floats(0, 1e6), age=st.integers(0, 3 * 10**6))
def test_stale_may_be_served_for_the_allowance_beyond_the_freshness(
    freshness_s: float, stale_s: float, age: int
) -> None:
    assert may_serve_stale(aged(age), policy(freshness_s, stale_s), NOW_S) == (age < freshness_s + stale_s)


@given(freshness_s=FRESHNESS_S, age=st.integers(0, 10**6))
def test_without_an_allowance_nothing_expired_is_served(freshness_s: float, age: int) -> None:
    is_fresh = judge(aged(age), policy(freshness_s), Demand.NORMAL, NOW_S) is Trust.FRESH
    assert may_serve_stale(aged(age), policy(freshness_s), NOW_S) == is_fresh


@given(age=st.integers(0, 10**6), fraction_s=st.floats(0, 0.999))
def test_the_age_is_in_whole_seconds(age: int, fraction_s: float) -> None:
    assert age_s(aged(age), NOW_S + fraction_s) == age
