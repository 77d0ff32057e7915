"""What a kill costs in hits: next to nothing, as blocks, logs and counters are found again."""

import random
from pathlib import Path

import pytest

from tests.contract.stores import asynchronous
from tests.store.small import Small, body

pytestmark = pytest.mark.slow

OBJECTS = 200
"""About four times what the store holds."""
REQUESTS = 6_000
SIZE = 6_000
LOSS_MAX = 0.01
SAVE_AFTER_S = 61


@asynchronous
async def test_a_trace_that_goes_on_after_a_kill_has_the_same_hits_within_one_percent(tmp_path: Path) -> None:
    hits = [await replay(tmp_path / str(kills), kills=kills) for kills in (0, 3)]
    undisturbed, killed = hits
    assert undisturbed > REQUESTS / 4
    assert killed >= undisturbed - LOSS_MAX * REQUESTS


async def replay(directory: Path, kills: int) -> int:
    """The hits of one and the same trace, with so many kills in it, evenly spread."""
    chance = random.Random(1)
    weights = [1 / (rank + 1) for rank in range(OBJECTS)]
    trace = chance.choices(range(OBJECTS), weights, k=REQUESTS)
    small, hits = Small(directory), 0
    await small.open()
    for at, number in enumerate(trace):
        if at and kills and at % (REQUESTS // (kills + 1)) == 0:
            small.clock.advance(SAVE_AFTER_S)
            await small.rest()
            await small.kill()
            await small.open()
        hits += await hit(small, f"k{number}")
    await small.stop()
    return hits


async def hit(small: Small, key: str) -> bool:
    """Reads a block, or keeps it."""
    data = await small.read(small.content(key, 1, SIZE))
    assert data in (None, body(key, 1, 0, SIZE))
    if data is None:
        await small.keep(key, 1, SIZE)
    return data is not None
