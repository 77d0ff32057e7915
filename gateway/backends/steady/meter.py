"""What a mount tells of its store in the metrics."""

from collections.abc import Callable

from gateway.errors import BackendBroken, BackendUnavailable, CredentialsRefused, GatewayError, SlowDown
from gateway.metrics import Metrics


class Meter:
    """The backend metrics of one mount. What is asked for often is looked up once."""

    def __init__(self, metrics: Metrics, mount: str) -> None:
        self._metrics = metrics
        self._mount = mount
        self._count: dict[tuple[str, str], Callable[[], None]] = {}
        self._observe: dict[str, Callable[[float], None]] = {}
        self.received: Callable[[float], None] = metrics.backend_bytes.labels(mount).inc
        """So many bytes of an object came from the store."""
        self.retried: Callable[[], None] = metrics.backend_retries.labels(mount).inc
        """A request was made again."""

    def ended(self, operation: str, error: BaseException | None, seconds: float) -> None:
        """A request ended, after `seconds` without an answer or with one."""
        outcome = "ok" if error is None else _outcome(error)
        count = self._count.get((operation, outcome))
        if count is None:
            count = self._metrics.backend_requests.labels(self._mount, operation, outcome).inc
            self._count[operation, outcome] = count
            self._observe[operation] = self._metrics.backend_request_seconds.labels(self._mount, operation).observe
        count()
        self._observe[operation](seconds)

    def watch(self, limit: Callable[[], float], breaker_open: Callable[[], float], tokens: Callable[[], float]) -> None:
        """Asks for the state of the endpoint whenever the metrics are read."""
        self._metrics.backend_concurrency_limit.labels(self._mount).set_function(limit)
        self._metrics.backend_breaker_open.labels(self._mount).set_function(breaker_open)
        self._metrics.backend_retry_tokens.labels(self._mount).set_function(tokens)


def _outcome(error: BaseException) -> str:
    match error:
        case BackendUnavailable():
            return "unavailable"
        case SlowDown():
            return "slow_down"
        case CredentialsRefused():
            return "credentials"
        case BackendBroken():
            return "broken"
        case GatewayError():
            return "refused"
        case _:
            return "given_up"
