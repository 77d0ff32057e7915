"""Nothing that clients send raises anything but the failures we expect, takes long, or means two things.

`make test` hunts for SHORT_S per target with the same chance every time; `make fuzz MINUTES=10` shares
that time among the targets, with new chance.
"""

import os
import secrets
import time
from random import Random

import pytest

from tests.fuzz.hunt import Target, check, hunt, samples_of
from tests.fuzz.targets import TARGETS

SHORT_S = 2.0
PROGRESS_S = 10.0

MINUTES = os.environ.get("FOREBAY_FUZZ_MINUTES")

of_every_target = pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)


@of_every_target
def test_the_samples_break_nothing(target: Target) -> None:
    for number, sample in enumerate(samples_of(target)):
        check(target, sample, f"sample {number}")


@pytest.mark.slow
@of_every_target
def test_bent_samples_break_nothing(target: Target) -> None:
    seed = secrets.randbits(32) if MINUTES else 1
    limit_s = 60 * float(MINUTES) / len(TARGETS) if MINUTES else SHORT_S
    chance = Random(seed)
    started_s, count = time.monotonic(), 0
    while (spent_s := time.monotonic() - started_s) < limit_s:
        count += hunt(
            target, chance, time.monotonic() + min(PROGRESS_S, limit_s - spent_s), f"seed {seed} after {count}"
        )
        if MINUTES:
            rate = count / (time.monotonic() - started_s)
            print(f"{target.name}: {count} inputs, {rate:.0f} a second, seed {seed}", flush=True)  # noqa: T201
    assert count
