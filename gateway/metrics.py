"""Every metric of a node, declared in one place and kept in one registry of its own."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from gateway import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Metrics.render` returns."""

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one node.

    Labels take words of short closed lists only: names of operations and outcomes, never a key, an
    address or a user's text.
    """

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.s3_requests = Counter(
            "forebay_s3_requests_total",
            "S3 requests answered, by operation, HTTP status and x-cache word (none where there is no such word).",
            ["operation", "status", "cache"],
            registry=registry,
        )
        self.s3_request_seconds = Histogram(
            "forebay_s3_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["operation", "cache"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.s3_bytes = Counter(
            "forebay_s3_bytes_total",
            "Bytes of bodies on the S3 port; direction is sent or received.",
            ["direction"],
            registry=registry,
        )
        self.s3_requests_in_progress = Gauge(
            "forebay_s3_requests_in_progress",
            "S3 requests whose answer has not ended.",
            registry=registry,
        )
        self.s3_connections = Gauge(
            "forebay_s3_connections",
            "Open connections to the S3 port; compare with limits.connections.",
            registry=registry,
        )
        self.s3_refused = Counter(
            "forebay_s3_refused_total",
            "Refused before they became an operation: reason is connections, requests (the limits) or framing.",
            ["reason"],
            registry=registry,
        )
        self.event_loop_lag_seconds = Gauge(
            "forebay_event_loop_lag_seconds",
            "How late the event loop woke up when it was last measured.",
            registry=registry,
        )
        self.transfer_memory_bytes = Gauge(
            "forebay_transfer_memory_bytes",
            "Memory for bytes in flight: state is used or limit.",
            ["state"],
            registry=registry,
        )
        build_info = Gauge("forebay_build_info", "Always 1; says which version runs.", ["version"], registry=registry)
        build_info.labels(__version__).set(1)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def requests_in_progress(self) -> int:
        """What `s3_requests_in_progress` stands at."""
        return int(self._registry.get_sample_value("forebay_s3_requests_in_progress") or 0)
