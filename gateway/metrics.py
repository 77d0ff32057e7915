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
from gateway.tallies import Counters, Histograms

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
        self.s3_requests = Counters(
            "forebay_s3_requests_total",
            "S3 requests answered, by operation, HTTP status and x-cache word (none where there is no such word).",
            ["operation", "status", "cache"],
            registry,
        )
        self.s3_request_seconds = Histograms(
            "forebay_s3_request_seconds",
            "Seconds from a request's head to the end of its answer.",
            ["operation", "cache"],
            _SECONDS,
            registry,
        )
        s3_bytes = Counters(
            "forebay_s3_bytes_total",
            "Bytes of bodies on the S3 port; direction is sent or received.",
            ["direction"],
            registry,
        )
        self.s3_bytes_sent = s3_bytes.row("sent")
        self.s3_bytes_received = s3_bytes.row("received")
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
        self.event_loop_lag_seconds = Histogram(
            "forebay_event_loop_lag_seconds",
            "How late the event loop came to what was due, ten times a second: what requests wait before they begin.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.transfer_memory_bytes = Gauge(
            "forebay_transfer_memory_bytes",
            "Memory for bytes in flight: state is used or limit.",
            ["state"],
            registry=registry,
        )
        self._declare_cache(registry)
        self._declare_backends(registry)
        build_info = Gauge("forebay_build_info", "Always 1; says which version runs.", ["version"], registry=registry)
        build_info.labels(__version__).set(1)
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def _declare_cache(self, registry: CollectorRegistry) -> None:
        block_reads = Counters(
            "forebay_cache_block_reads_total",
            "Blocks read for clients, by source: store (this node's disks) or backend.",
            ["source"],
            registry,
        )
        self.cache_block_reads_store = block_reads.row("store")
        self.cache_block_reads_backend = block_reads.row("backend")
        self.cache_bytes = Gauge(
            "forebay_cache_bytes",
            "Bytes of blocks that can be found in the store, by pool: pinned; main (read again); small (new).",
            ["pool"],
            registry=registry,
        )
        self.cache_capacity_bytes = Gauge(
            "forebay_cache_capacity_bytes",
            "What the store takes on disk: state is used or limit.",
            ["state"],
            registry=registry,
        )
        self._declare_store(registry)
        self.staleness_max_seconds = Gauge(
            "forebay_staleness_max_seconds",
            "The largest age of an info that was served without asking the backend since the start.",
            ["mount"],
            registry=registry,
        )

    def _declare_store(self, registry: CollectorRegistry) -> None:
        def counters(what: str, meaning: str) -> Counters:
            return Counters(f"forebay_cache_{what}_total", meaning, [], registry)

        self.cache_kept_bytes = counters("kept_bytes", "Bytes of new blocks written to the store.")
        self.cache_moved_bytes = counters(
            "moved_bytes", "Bytes of blocks written again by evictions, as they were read since, or pinned."
        )
        self.cache_evicted_bytes = counters("evicted_bytes", "Bytes of blocks that gave way to others.")
        self.cache_refused = counters("refused", "Blocks not kept; `forebay explain` says why of an object.")
        self.cache_damaged = counters("damaged", "Blocks in the store that could not be read as they were written.")
        self.cache_disks = Gauge(
            "forebay_cache_disks",
            "Disks of the store by state: healthy, degraded (reads fail, nothing more is kept), offline (left alone).",
            ["state"],
            registry=registry,
        )
        self.cache_scrub_progress_ratio = Gauge(
            "forebay_cache_scrub_progress_ratio",
            "How much of the disks was verified by the scrub that runs, mean of all disks; 0 in between.",
            registry=registry,
        )
        self.cache_gate_disks = Gauge(
            "forebay_cache_gate_disks",
            "Disks of the store by what they do with new blocks once they are full: mode is churn or hold.",
            ["mode"],
            registry=registry,
        )
        self.cache_gate_ratio = Gauge(
            "forebay_cache_gate_ratio",
            "Hit ratios the gate goes by, mean of all disks: snapshot (had what was there stayed), shadow (had all "
            "been let in), real.",
            ["way"],
            registry=registry,
        )

    def _declare_backends(self, registry: CollectorRegistry) -> None:
        self.backend_requests = Counter(
            "forebay_backend_requests_total",
            "Requests to the store behind a mount, retries included. outcome: ok; refused (missing, a condition, "
            "access); slow_down; unavailable; credentials (the gateway's own are refused); broken (an answer without "
            "sense); given_up (the caller left, or the body broke).",
            ["mount", "operation", "outcome"],
            registry=registry,
        )
        self.backend_request_seconds = Histogram(
            "forebay_backend_request_seconds",
            "Seconds from a request to the store behind a mount to its answer; of a read to the head of it.",
            ["mount", "operation"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.backend_bytes = Counter(
            "forebay_backend_bytes_total",
            "Bytes of objects read from the store behind a mount.",
            ["mount"],
            registry=registry,
        )
        self.backend_retries = Counter(
            "forebay_backend_retries_total",
            "Requests to the store behind a mount that were made again.",
            ["mount"],
            registry=registry,
        )
        self.backend_concurrency_limit = Gauge(
            "forebay_backend_concurrency_limit",
            "Requests that the store behind a mount gets at once; shrinks when it says slow down.",
            ["mount"],
            registry=registry,
        )
        self.backend_breaker_open = Gauge(
            "forebay_backend_breaker_open",
            "1 while the store behind a mount is taken for down and requests to it fail at once.",
            ["mount"],
            registry=registry,
        )
        self.backend_retry_tokens = Gauge(
            "forebay_backend_retry_tokens",
            "What is left for retries to the store behind a mount; a retry costs 5 or 10, a success earns 1.",
            ["mount"],
            registry=registry,
        )

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def requests_in_progress(self) -> int:
        """What `s3_requests_in_progress` stands at."""
        return int(self._registry.get_sample_value("forebay_s3_requests_in_progress") or 0)
