"""One place that knows which kind of backend is which class; heavy libraries load when a mount needs them."""

from random import Random

from gateway.backends.base import Backend
from gateway.backends.steady import Endpoint, Meter, Rate, Steady, Terms
from gateway.clock import Clock
from gateway.config import MountConfig, PlaceConfig
from gateway.config.places import BackendOptions, LocalOptions, MemoryOptions, S3Options
from gateway.metrics import Metrics

Identity = tuple[str | bool, ...]
"""A store and whom it takes us for: what is equal in it shares limits, breaker and retries."""


class Opener:
    """Opens the stores of one node. Stores over a network come `Steady`; others have no such faults to bear."""

    def __init__(self, metrics: Metrics, clock: Clock, dice: Random) -> None:
        self._metrics = metrics
        self._clock = clock
        self._dice = dice
        self._endpoints: dict[Identity, Endpoint] = {}

    def open(self, place: PlaceConfig, mount: str) -> Backend:
        """Opens a place for the mount that metrics call `mount`; raises `BackendUnavailable` where it cannot be opened.

        Blocks for as long as libraries take to load; no store over a network is asked anything.
        """
        backend = open_backend(place.backend, place.uri, place.options)
        if not isinstance(place.options, S3Options):
            return backend
        endpoint = self._endpoint(place.options)
        meter = Meter(self._metrics, mount)
        meter.watch(lambda: endpoint.limit.size, lambda: endpoint.breaker.is_open, lambda: endpoint.tokens.left)
        # Buckets that clients make have no limits of their own: a mount of the file is where one is set.
        limits = place if isinstance(place, MountConfig) else None
        requests = Rate(limits.request_rate if limits else 0)
        bandwidth = Rate(limits.bandwidth if limits else 0)
        return Steady(backend, Terms(endpoint, meter, requests, bandwidth))

    def _endpoint(self, options: S3Options) -> Endpoint:
        where = options.endpoint_url or f"s3 in {options.region}"
        identity = (where, options.access_key_id, options.profile, options.role_arn, options.anonymous)
        return self._endpoints.setdefault(identity, Endpoint(where, self._clock, self._dice))


def open_backend(kind: str, uri: str, options: BackendOptions) -> Backend:
    """The bare store of a kind; as `Opener.open`."""
    match kind, options:
        case "memory", MemoryOptions():
            from gateway.backends.memory import MemoryBackend  # noqa: PLC0415

            return MemoryBackend()
        case "local", LocalOptions():
            from gateway.backends.local import LocalBackend  # noqa: PLC0415

            return LocalBackend(uri, options)
        case "s3", S3Options():
            from gateway.backends.s3 import S3Backend  # noqa: PLC0415

            return S3Backend(uri, options)
        case _:
            raise AssertionError(f"the configuration let through {kind} with {type(options).__name__}")
