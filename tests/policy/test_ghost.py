"""The ghost: bounded, and it knows what was added lately."""

import random

from hypothesis import given
from hypothesis import strategies as st

from gateway.store.ghost import ENTRIES_MAX, Ghost

hashes = st.integers(0, 2**64 - 1)
sizes = st.integers(0, 5_000)


@given(st.lists(hashes | sizes.map(lambda size: -size), max_size=200), hashes)
def test_a_ghost_knows_what_was_just_added_whatever_its_size_was(steps: list[int], last: int) -> None:
    ghost = Ghost()
    for step in steps:
        if step < 0:
            ghost.resize(-step)
        else:
            ghost.add(step)
            assert ghost.knows(step)
    ghost.add(last)
    assert ghost.knows(last)


@given(sizes, st.integers(0, 2**32))
def test_a_ghost_never_knows_more_than_its_size(size: int, seed: int) -> None:
    ghost = Ghost()
    ghost.resize(size)
    chance = random.Random(seed)
    added = {chance.getrandbits(64) for _ in range(2 * len(ghost))}
    for h in added:
        ghost.add(h)
    # Chance makes two of ten thousand fingerprints the same in one run of hundreds.
    assert sum(map(ghost.knows, added)) <= len(ghost) + 1


@given(st.integers(100, 3_000), st.integers(0, 2**32))
def test_a_ghost_forgets_first_what_was_added_first(size: int, seed: int) -> None:
    ghost = Ghost()
    ghost.resize(size)
    chance = random.Random(seed)
    added = [chance.getrandbits(64) for _ in range(3 * size)]
    for h in added:
        ghost.add(h)
    assert sum(map(ghost.knows, added[:size])) <= 0.02 * size + 5
    assert sum(map(ghost.knows, added[-size // 2 :])) >= 0.95 * (size // 2)


def test_a_ghost_that_grows_and_shrinks_again_knows_at_least_what_came_last() -> None:
    ghost = Ghost()
    ghost.resize(1_000)
    chance = random.Random(2)
    for h in (known := [chance.getrandbits(64) for _ in range(1_000)]):
        ghost.add(h)
    for size in (1_100, 100_000, 1_000):
        ghost.resize(size)
        assert sum(map(ghost.knows, known[-200:])) >= 190


def test_a_ghost_adds_the_same_block_again_at_no_cost() -> None:
    ghost = Ghost()
    ghost.add(1 << 32)
    for _ in range(1_000):
        ghost.add(2 << 32)
    assert ghost.knows(1 << 32)


@given(st.integers(0, 2**40))
def test_a_ghost_has_bounds(entries: int) -> None:
    ghost = Ghost(10_000)
    ghost.resize(entries)
    assert len(ghost) <= 10_000
    assert len(Ghost(2**40)) <= ENTRIES_MAX


def test_a_block_that_was_never_added_is_seldom_known() -> None:
    ghost = Ghost()
    ghost.resize(50_000)
    chance = random.Random(1)
    for _ in range(50_000):
        ghost.add(chance.getrandbits(64))
    assert sum(ghost.knows(chance.getrandbits(64)) for _ in range(10_000)) <= 5
