"""Nothing that clients send raises anything but the failures we expect, or takes long.

`make test` runs each target for SHORT_S with the same chance every time; `make fuzz MINUTES=10` shares
that time among them, with new chance, and names the seed of what it finds.
"""

import os
import secrets
import time
from random import Random

import pytest

from tests.fuzz.mutation import bent
from tests.fuzz.targets import TARGETS, Target

SHORT_S = 5.0
INPUT_TIME_MAX_S = 1.0
"""Of processor time, for one input of at most 64 KiB."""


def check(target: Target, data: bytes, where: str) -> None:
    """Runs one input; a failure names it so that it can be repeated."""
    started = time.process_time()
    try:
        target.run(data)
    except BaseException as error:
        raise AssertionError(f"{target.name} failed at {where} with the input {data!r}") from error
    spent_s = time.process_time() - started
    assert spent_s < INPUT_TIME_MAX_S, f"{target.name} took {spent_s:.1f} s at {where} for the input {data!r}"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_samples_raise_nothing_unexpected(target: Target) -> None:
    for number, sample in enumerate(target.samples):
        check(target, sample, f"sample {number}")


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_bent_samples_raise_nothing_unexpected(target: Target) -> None:
    minutes = os.environ.get("FOREBAY_FUZZ_MINUTES")
    limit_s = 60 * float(minutes) / len(TARGETS) if minutes else SHORT_S
    seed = secrets.randbits(32) if minutes else 1
    chance = Random(seed)
    end = time.monotonic() + limit_s
    count = 0
    while time.monotonic() < end:
        check(target, bent(chance, target.samples), f"seed {seed}, input {count}")
        count += 1
    print(f"{target.name}: {count} inputs in {limit_s:.0f} s, seed {seed}")  # noqa: T201  # what `make fuzz` shows
    assert count
