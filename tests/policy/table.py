"""Prints hit ratios of the store's policy beside other caches: `python -m tests.policy.table [SEEDS]`."""

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median

from gateway.store.values import Admission
from tests.policy import references
from tests.policy.simulator import Score, simulate
from tests.policy.traces import OBJECTS, WORKLOADS, Trace

CAPACITIES = (OBJECTS // 10, OBJECTS * 3 // 10, OBJECTS * 6 // 10)
SEEDS = (1, 2, 3, 4, 5)
GATE = "by segments, gate"
NO_GATE = "by segments"
S3_FIFO = "S3-FIFO"
BELADY = "Belady"

CONTENDERS: dict[str, Callable[[Trace, int, int], Score]] = {
    "LRU": lambda trace, capacity, seed: references.lru(trace, capacity),
    "FIFO": lambda trace, capacity, seed: references.fifo(trace, capacity),
    S3_FIFO: lambda trace, capacity, seed: references.s3_fifo(trace, capacity),
    NO_GATE: lambda trace, capacity, seed: simulate(trace, capacity, seed, Admission.CHURN),
    GATE: lambda trace, capacity, seed: simulate(trace, capacity, seed, Admission.AUTO),
    BELADY: lambda trace, capacity, seed: references.belady(trace, capacity),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One workload: by contender, for each of `CAPACITIES`, a score per seed."""

    workload: str
    scores: dict[str, list[list[Score]]]

    def hit_percents(self, contender: str) -> list[float]:
        """The medians."""
        return [median(score.hit_percent for score in seeds) for seeds in self.scores[contender]]

    def writes(self, contender: str) -> list[float]:
        """The medians, per request."""
        return [median(score.writes_per_request for score in seeds) for seeds in self.scores[contender]]

    def __str__(self) -> str:
        cells = [f"{self.workload:28}"]
        for contender in self.scores:
            hits = " / ".join(f"{percent:4.1f}" for percent in self.hit_percents(contender))
            writes = "/".join(f"{share:.2f}" for share in self.writes(contender))
            cells.append(f"{contender}: {hits}" + ("" if contender == BELADY else f" ({writes})"))
        return " | ".join(cells)


def rows(workloads: Iterable[str], seeds: Iterable[int], contenders: Iterable[str]) -> Iterator[Row]:
    """Replays them over all cores, one process for each workload and seed."""
    names = tuple(contenders)
    with ProcessPoolExecutor() as processes:
        played = [
            (workload, [processes.submit(play, workload, seed, names) for seed in seeds]) for workload in workloads
        ]
        for workload, futures in played:
            by_seed = [future.result() for future in futures]
            yield Row(
                workload, {name: [list(one) for one in zip(*(s[name] for s in by_seed), strict=True)] for name in names}
            )


def play(workload: str, seed: int, contenders: Iterable[str]) -> dict[str, list[Score]]:
    """What each makes of that workload, for each of `CAPACITIES`."""
    trace = WORKLOADS[workload](random.Random(seed))
    return {name: [CONTENDERS[name](trace, capacity, seed) for capacity in CAPACITIES] for name in contenders}


def main() -> None:
    seeds = SEEDS[: int(sys.argv[1])] if len(sys.argv) > 1 else SEEDS
    sys.stdout.write("hit % at a cache of 10 / 30 / 60 % of the objects (blocks written per request)\n")
    for row in rows(WORKLOADS, seeds, CONTENDERS):
        sys.stdout.write(f"{row}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
