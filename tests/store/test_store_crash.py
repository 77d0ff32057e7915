"""kill -9 at any moment: what the store acknowledged is there and right, and nothing else lies about."""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.kv import allocated_bytes
from gateway.model import MIB, Key
from gateway.store.store import BlockStore
from tests.store.crash_worker import GEOMETRY, VALIDATED_S, config, size_of
from tests.store.small import BUCKET, body, info_of

pytestmark = pytest.mark.slow

READY_MAX_S = 1.0
LINES_MAX = 600
"""Of a round: enough for eviction to be at work in most of them."""
LINES_LOOKED_AT = 2000
KEPT_BYTES_MIN = 12 * MIB
"""When the store is full: of its 24 MiB one is slack, two are kept free, and segments are seldom filled to the brim."""


def test_what_was_acknowledged_outlives_crashes(tmp_path: Path) -> None:
    outlive(tmp_path, rounds=10, seed=1)


@pytest.mark.long
def test_what_was_acknowledged_outlives_many_crashes(tmp_path: Path) -> None:
    outlive(tmp_path, rounds=200, seed=2)


def outlive(directory: Path, rounds: int, seed: int) -> None:
    """Kills a worker after a random number of answers, and looks at all it was told, `rounds` times."""
    chance = random.Random(seed)
    lines: list[tuple[str, str]] = []
    for number in range(rounds):
        lines += killed(directory, f"{seed}/{number}", chance.randrange(1, LINES_MAX))
        asyncio.run(check(directory, lines))
        # What was seen to be evicted cannot come back; the rest is looked at again after later kills.
        del lines[:-LINES_LOOKED_AT]


def killed(directory: Path, prefix: str, answers: int) -> list[tuple[str, str]]:
    """What a worker said until it was killed."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.store.crash_worker", str(directory), prefix],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert worker.stdout is not None
    with worker, worker.stdout as said:
        lines = [said.readline() for _ in range(answers)]
        worker.kill()
        lines += said.readlines()
    assert lines[0].endswith(b"\n"), "the worker could not open the store"
    words = [line.decode().split() for line in lines if line.endswith(b"\n")]
    return [(verb, key) for verb, key in words]


async def check(directory: Path, lines: list[tuple[str, str]]) -> None:
    """Holds the store to all that was acknowledged."""
    started_s = time.perf_counter()
    async with BlockStore.open(config(directory), SystemClock(), GEOMETRY) as store:
        assert time.perf_counter() - started_s < READY_MAX_S
        [shard] = store.shards
        await shard.upkeep.settled()
        found = [await is_right(store, verb, key) for verb, key in lines]
        kept = [there for (verb, _), there in zip(lines, found, strict=True) if verb == "kept"]
        assert kept == sorted(kept), "something is lost that was not the oldest"
        written = sum(size_of(key) for verb, key in lines if verb == "kept")
        assert store.usage().live_bytes >= min(written, KEPT_BYTES_MIN)
        assert {segment.path for segment in shard.table.all()} == set(shard.site.segments.iterdir())
        assert allocated_bytes(directory) <= store.usage().capacity_bytes
        assert store.usage().damaged_total == 0


async def is_right(store: BlockStore, verb: str, key: str) -> bool:
    """Whether the object is there; whatever is there must be what it should be."""
    name, size = Key(key.encode()), size_of(key)
    known = store.known(BUCKET, name)
    [place] = store.places(store.content(BUCKET, name, info_of(key, 1, size).version, size), 0, 1)
    if verb == "forgot":
        assert known is None
        assert place is None
    elif verb == "updated":
        assert known is not None
        assert (known.info, known.validated_s) == (info_of(key, 2, 1), VALIDATED_S)
        assert place is None
    elif known is not None:
        assert (known.info, known.validated_s) == (info_of(key, 1, size), VALIDATED_S)
        assert place is not None
        data = await store.read(place, 0, size)
        assert data is not None
        assert bytes(data) == body(key, 1, 0, size)
    return place is not None
