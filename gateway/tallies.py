"""Counters and histograms of plain numbers: what is counted at every request must cost next to nothing.

A row is fetched once, by the words of its labels, and counts from then on without a look-up or a lock. All counting
belongs to one thread; whoever collects in another sees each number as it stood a moment ago.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry


class Count:
    """One number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def inc(self, more: int = 1) -> None:
        self.value += more


class Counters(Collector):
    """A counter with labels. `name` ends in `_total`."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str], registry: CollectorRegistry) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = tuple(labels)
        self._rows: dict[tuple[str, ...], Count] = {}
        self._followed: dict[tuple[str, ...], Callable[[], int]] = {}
        registry.register(self)

    def row(self, *words: str) -> Count:
        """The number of these words, one for each label."""
        row = self._rows.get(words)
        if row is None:
            assert len(words) == len(self.labels), words
            row = self._rows[words] = Count()
        return row

    def follow(self, value: Callable[[], int], *words: str) -> None:
        """The number of these words is counted elsewhere."""
        self._followed[words] = value

    def describe(self) -> Iterator[Metric]:
        """What it is, without numbers."""
        yield CounterMetricFamily(self.name, self.meaning, labels=self.labels)

    def collect(self) -> Iterator[Metric]:
        """What it stands at."""
        family = CounterMetricFamily(self.name, self.meaning, labels=self.labels)
        for words, row in list(self._rows.items()):
            family.add_metric(words, row.value)
        for words, value in self._followed.items():
            family.add_metric(words, value())
        yield family


class Timings:
    """How often, and how long: one row of a histogram."""

    __slots__ = ("_bounds", "buckets", "sum_s")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum_s = 0.0

    def observe(self, seconds: float) -> None:
        self.sum_s += seconds
        self.buckets[bisect_left(self._bounds, seconds)] += 1


class Histograms(Collector):
    """A histogram of seconds with labels. `bounds` are the upper ends of its buckets, in order."""

    def __init__(
        self, name: str, meaning: str, labels: Sequence[str], bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = tuple(labels)
        self._bounds = tuple(bounds)
        self._rows: dict[tuple[str, ...], Timings] = {}
        registry.register(self)

    def row(self, *words: str) -> Timings:
        """The timings of these words, one for each label."""
        row = self._rows.get(words)
        if row is None:
            assert len(words) == len(self.labels), words
            row = self._rows[words] = Timings(self._bounds)
        return row

    def describe(self) -> Iterator[Metric]:
        """What it is, without numbers."""
        yield HistogramMetricFamily(self.name, self.meaning, labels=self.labels)

    def collect(self) -> Iterator[Metric]:
        """What it stands at."""
        family = HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        for words, row in list(self._rows.items()):
            total = 0
            buckets: list[tuple[str, float]] = []
            for name, count in zip(names, row.buckets, strict=True):
                total += count
                buckets.append((name, total))
            family.add_metric(words, buckets, row.sum_s)
        yield family
