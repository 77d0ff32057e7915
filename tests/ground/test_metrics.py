"""The metrics of a node."""

from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_what_is_counted_is_rendered() -> None:
    metrics = Metrics()
    metrics.s3_requests.labels(operation="GetObject", status="200", cache="bypass").inc()
    metrics.s3_request_seconds.labels(operation="GetObject", cache="bypass").observe(0.2)
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
