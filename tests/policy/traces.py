"""What caches are asked for, in the order they are asked: the workloads that the policy of the store is held to."""

import random
from collections.abc import Callable
from itertools import accumulate

OBJECTS = 100_000
REQUESTS = 2_000_000
JOB_LAG = 30_000
"""How far the second of two jobs is behind the first, in requests of its own."""
EPOCH_SHARE = 0.6
"""Of the mixed load."""
MIXED_EPOCHS = 15
MIXED_OBJECTS = 80_000
"""Those that epochs read; the others are read by their weight."""
SCAN_PERIOD = 66_666
SCAN_LENGTH = 20_000
SHUFFLE_PERIOD = 200_000
PHASE = 800_000

Trace = list[int]
"""Objects by number, from 0, each of the same size."""


def shuffled_epochs(chance: random.Random, epochs: int = 12, objects: int = OBJECTS, first: int = 0) -> Trace:
    """Each epoch reads all once, in an order of its own."""
    order = list(range(first, first + objects))
    trace: Trace = []
    for _ in range(epochs):
        chance.shuffle(order)
        trace += order
    return trace


def sequential_epochs(chance: random.Random) -> Trace:
    """Each epoch reads all once, in the same order."""
    return list(range(OBJECTS)) * 12


def two_jobs(chance: random.Random) -> Trace:
    """Two readers of the same objects, each in its own orders, the second behind."""
    one, two = shuffled_epochs(chance, 8), shuffled_epochs(chance, 8)
    both = [request for pair in zip(one[JOB_LAG:], two, strict=False) for request in pair]
    return one[:JOB_LAG] + both + two[len(one) - JOB_LAG :]


def zipf(chance: random.Random, exponent: float, requests: int = REQUESTS, objects: int = OBJECTS) -> Trace:
    """Independent reads; an object's weight is its rank to the power of `-exponent`, ranks are given by chance."""
    order = list(range(objects))
    chance.shuffle(order)
    return _drawn(chance, order, exponent, requests)


def _drawn(chance: random.Random, order: list[int], exponent: float, requests: int) -> Trace:
    weights = list(accumulate((rank + 1) ** -exponent for rank in range(len(order))))
    return chance.choices(order, cum_weights=weights, k=requests)


def mixed(chance: random.Random) -> Trace:
    """Epochs over most objects, and reads by weight of the others, at random."""
    epochs = shuffled_epochs(chance, MIXED_EPOCHS, MIXED_OBJECTS)
    weighted = iter(zipf(chance, 0.9, REQUESTS, OBJECTS - MIXED_OBJECTS))
    trace: Trace = []
    for request in epochs:
        while chance.random() >= EPOCH_SHARE:
            trace.append(MIXED_OBJECTS + next(weighted))
        trace.append(request)
    return trace


def scans(chance: random.Random) -> Trace:
    """Reads by weight, and in between long runs of objects that are never read again."""
    weighted = iter(zipf(chance, 0.9))
    trace: Trace = []
    fresh = OBJECTS
    while len(trace) < REQUESTS:
        trace += [next(weighted) for _ in range(SCAN_PERIOD - SCAN_LENGTH)]
        trace += range(fresh, fresh + SCAN_LENGTH)
        fresh += SCAN_LENGTH
    return trace[:REQUESTS]


def reshuffled(chance: random.Random) -> Trace:
    """Reads by weight, where other objects become the heavy ones again and again."""
    return [request for _ in range(REQUESTS // SHUFFLE_PERIOD) for request in zipf(chance, 0.9, SHUFFLE_PERIOD)]


def between(chance: random.Random) -> Trace:
    """Epochs between two long times of reads by the same weights."""
    weighted = zipf(chance, 0.9, 2 * PHASE)
    return weighted[:PHASE] + shuffled_epochs(chance, PHASE // OBJECTS) + weighted[PHASE:]


def switch(chance: random.Random) -> Trace:
    """Epochs of one set of objects, then of another."""
    return shuffled_epochs(chance, 6) + shuffled_epochs(chance, 6, OBJECTS, OBJECTS)


WORKLOADS: dict[str, Callable[[random.Random], Trace]] = {
    "epochs, shuffled": shuffled_epochs,
    "epochs, sequential": sequential_epochs,
    "two jobs, lag 0.3 epoch": two_jobs,
    "epochs 60 %, Zipf 0.9 40 %": mixed,
    "Zipf 1.0": lambda chance: zipf(chance, 1.0),
    "Zipf 0.7": lambda chance: zipf(chance, 0.7),
    "Zipf 0.9 with 30 % scans": scans,
    "Zipf 0.9, reshuffled": reshuffled,
    "Zipf 0.9, epochs, Zipf 0.9": between,
    "switch of data sets": switch,
}
