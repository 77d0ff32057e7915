"""CPU time of calls that are made many times in this thread."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

PARTS = 5

T = TypeVar("T")


@dataclass(slots=True)
class Spans:
    """Microseconds of CPU time, one for each stretch that was measured."""

    us: list[float] = field(default_factory=list)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """What runs within is one stretch."""
        started = time.thread_time_ns()
        yield
        self.us.append((time.thread_time_ns() - started) / 1000)

    @property
    def median_us(self) -> float:
        return statistics.median(self.us)


def us_per_item(call: Callable[[T], object], items: Sequence[T]) -> float:
    """Microseconds of a call with one item: the median over parts of the items."""
    spans, size = Spans(), len(items) // PARTS
    for start in range(0, size * PARTS, size):
        part = items[start : start + size]
        with spans.measured():
            for item in part:
                call(item)
    return spans.median_us / size
