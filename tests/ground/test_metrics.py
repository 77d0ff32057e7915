"""The metrics of a node."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from gateway.app import LAG_EVERY_S, watch_lag
from gateway.clock import ManualClock
from gateway.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_what_is_counted_is_rendered() -> None:
    metrics = Metrics()
    metrics.s3_requests.row("GetObject", "200", "bypass").inc()
    metrics.s3_request_seconds.row("GetObject", "bypass").observe(0.2)
    found = samples(metrics)
    labels = (("cache", "bypass"), ("operation", "GetObject"), ("status", "200"))
    assert found["forebay_s3_requests_total", labels] == 1
    assert found["forebay_s3_request_seconds_count", labels[:2]] == 1


def test_two_nodes_in_one_process_count_apart() -> None:
    one, two = Metrics(), Metrics()
    one.s3_connections.inc()
    assert samples(one)["forebay_s3_connections", ()] == 1
    assert samples(two)["forebay_s3_connections", ()] == 0


def test_the_process_and_the_version_are_told() -> None:
    names = {name for name, _ in samples(Metrics())}
    assert {"process_resident_memory_bytes", "forebay_build_info"} <= names


def test_requests_in_progress_can_be_asked() -> None:
    metrics = Metrics()
    assert metrics.requests_in_progress() == 0
    metrics.s3_requests_in_progress.inc()
    assert metrics.requests_in_progress() == 1


def test_the_lag_is_how_late_the_loop_came_and_never_less_than_nothing() -> None:
    assert asyncio.run(lags_when_a_turn_takes(LAG_EVERY_S + 0.75)) == [0.75]
    assert asyncio.run(lags_when_a_turn_takes(LAG_EVERY_S / 2)) == [0.0]


async def lags_when_a_turn_takes(seconds: float) -> list[float]:
    clock, lags, told = ManualClock(), list[float](), asyncio.Event()

    def observe(lag_s: float) -> None:
        lags.append(lag_s)
        told.set()

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watch_lag(observe, clock))
        await asyncio.sleep(0)  # It has read the clock and waits.
        clock.advance(seconds)
        await told.wait()
        watching.cancel()
    return lags
