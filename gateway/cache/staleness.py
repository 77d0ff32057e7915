"""The largest age of an info that was served without asking the backend, by mount."""

from gateway.metrics import Metrics
from gateway.model import Bucket
from gateway.mounts import Mount


class Staleness:
    """Keeps `forebay_staleness_max_seconds`."""

    def __init__(self, metrics: Metrics) -> None:
        self._gauge = metrics.staleness_max_seconds
        self._stalest_s: dict[Bucket, int] = {}
        self._stalest_by_name_s: dict[str, int] = {}

    def note(self, mount: Mount, age_s: int) -> None:
        """An info of this age is served."""
        if age_s > self._stalest_s.get(mount.bucket, -1):
            self._stalest_s[mount.bucket] = age_s
            # Several buckets may have one name in metrics.
            name = mount.name
            if age_s > self._stalest_by_name_s.get(name, -1):
                self._stalest_by_name_s[name] = age_s
                self._gauge.labels(mount=name).set(age_s)
