"""The gate and its miniature: bounded, and of one mode until the other has proved better."""

import random
from collections.abc import Iterable, Iterator
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store.gate import HOLD_ODDS, SAMPLED_MAX, Gate, Mode
from gateway.store.shadow import Shadow
from gateway.store.values import Admission
from tests.policy.references import s3_fifo
from tests.policy.traces import zipf

SIZE = 1_000
BLOCKS = 4_000
CAPACITY_BYTES = BLOCKS * SIZE


def hashes(seed: int) -> Iterator[int]:
    chance = random.Random(seed)
    while True:
        yield chance.getrandbits(64)


def full(mode: Mode = Mode.CHURN) -> tuple[Gate, list[int]]:
    """A gate of a shard that is full, and what is there."""
    gate = Gate(CAPACITY_BYTES, mode)
    there = [h for h, _ in zip(hashes(1), range(BLOCKS), strict=False)]
    for h in there:
        gate.inserted(h, SIZE)
    gate.fill_up()
    return gate, there


def test_a_gate_lets_all_in_until_the_shard_is_full() -> None:
    gate = Gate(CAPACITY_BYTES, Mode.HOLD)
    assert gate.admits(0.999)
    gate.fill_up()
    assert not gate.admits(0.999)
    assert not gate.admits(HOLD_ODDS)
    assert gate.admits(HOLD_ODDS / 2)


def test_mounts_that_churn_or_hold_do_so_whatever_the_mode() -> None:
    for mode in Mode:
        gate = Gate(CAPACITY_BYTES, mode)
        gate.fill_up()
        assert gate.admits(0.999, Admission.CHURN)
        assert not gate.admits(0.999, Admission.HOLD)
        assert gate.admits(0.999, Admission.AUTO) is (mode is Mode.CHURN)
        assert gate.mode_of(Admission.AUTO) is mode


def reads_until_it_holds(gate: Gate, blocks: Iterable[int]) -> int:
    """How many of these it takes, none of which is there."""
    for reads, h in enumerate(blocks):
        if gate.mode is Mode.HOLD:
            return reads
        gate.read(h, SIZE, hit=False)
    raise AssertionError("it churns on")


def test_a_gate_holds_once_what_was_there_would_have_been_hit_and_the_shadow_not() -> None:
    gate, there = full()
    mixed = chain.from_iterable(zip(there * 2, hashes(2), strict=False))
    assert 0.9 * BLOCKS < reads_until_it_holds(gate, mixed) < 1.1 * BLOCKS


def test_a_gate_holds_to_spare_writes_where_neither_way_hits() -> None:
    gate, _ = full()
    assert 3.5 * BLOCKS < reads_until_it_holds(gate, hashes(3)) < 4.5 * BLOCKS


def test_a_gate_does_not_hold_where_the_shadow_is_better() -> None:
    gate, _ = full()
    fresh = [h for h, _ in zip(hashes(4), range(BLOCKS // 2), strict=False)]
    # At 16 capacities there is another snapshot, and these blocks are in it.
    for _ in range(30):
        for h in fresh:
            gate.read(h, SIZE, hit=True)
    assert gate.mode is Mode.CHURN
    assert gate.ratios.shadow > 0.9
    assert gate.ratios.real == 1


def test_a_gate_that_is_not_full_takes_no_snapshot_and_does_not_hold() -> None:
    gate = Gate(CAPACITY_BYTES)
    for h, _ in zip(hashes(5), range(20 * BLOCKS), strict=False):
        gate.read(h, SIZE, hit=False)
        gate.inserted(h, SIZE)
    assert gate.mode is Mode.CHURN


def test_a_gate_churns_again_when_what_is_held_is_not_read_any_more() -> None:
    gate, _ = full(Mode.HOLD)
    fresh = [h for h, _ in zip(hashes(6), range(BLOCKS // 2), strict=False)]
    for _ in range(10):
        for h in fresh:
            gate.read(h, SIZE, hit=False)
    assert gate.mode is Mode.CHURN


def test_a_gate_goes_on_to_hold_what_is_hit() -> None:
    gate, there = full(Mode.HOLD)
    for _ in range(20):
        for h in there:
            gate.read(h, SIZE, hit=True)
    assert gate.mode is Mode.HOLD


def test_a_change_of_mode_needs_a_capacity_of_new_blocks_before_the_next_snapshot() -> None:
    gate, _ = full(Mode.HOLD)
    fresh = [h for h, _ in zip(hashes(7), range(BLOCKS // 2), strict=False)]
    while gate.mode is Mode.HOLD:
        for h in fresh:
            gate.read(h, SIZE, hit=False)
    for h, _ in zip(hashes(8), range(30 * BLOCKS), strict=False):
        gate.read(h, SIZE, hit=False)
    assert gate.mode is Mode.CHURN
    assert gate.ratios.snapshot == 0


steps = st.lists(
    st.tuples(
        st.sampled_from(("read", "hit", "insert", "remove", "fill", "shrink", "grow")), st.integers(0, 2**64 - 1)
    ),
    max_size=200,
)


@given(steps, st.sampled_from(Mode))
def test_a_mode_changes_only_by_a_read(steps: list[tuple[str, int]], mode: Mode) -> None:
    gate = Gate(CAPACITY_BYTES, mode)
    for step, h in steps:
        before = gate.mode
        match step:
            case "insert":
                gate.inserted(h, SIZE * 100)
            case "remove":
                gate.removed(h)
            case "fill":
                gate.fill_up()
            case "shrink":
                gate.resize(CAPACITY_BYTES // 100)
            case "grow":
                gate.resize(CAPACITY_BYTES)
            case _:
                gate.read(h << 19, SIZE * 100, hit=step == "hit")
                assert all(0 <= ratio <= 1 for ratio in (gate.ratios.snapshot, gate.ratios.shadow, gate.ratios.real))
                continue
        assert gate.mode is before


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_what_a_gate_remembers_is_bounded(seed: int, hit: bool) -> None:
    gate = Gate(2**50)
    gate.fill_up()
    for h, _ in zip(hashes(seed), range(400_000), strict=False):
        gate.read(h, SIZE, hit=hit)
        gate.inserted(h, SIZE)
        assert gate.remembered <= SAMPLED_MAX


def test_the_shadow_hits_as_often_as_the_policy_by_the_book() -> None:
    chance = random.Random(9)
    trace = zipf(chance, 0.9, 60_000, 10_000)
    names = [chance.getrandbits(64) for _ in range(10_000)]
    for capacity in (500, 2_000):
        shadow = Shadow(capacity * SIZE)
        hits = sum(shadow.read(names[block], SIZE) for block in trace)
        assert hits / len(trace) == pytest.approx(s3_fifo(trace, capacity).hit_percent / 100, abs=0.01)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 2_000)), max_size=300), st.integers(0, 10_000))
def test_the_shadow_never_holds_more_than_its_capacity(reads: list[tuple[int, int]], capacity_bytes: int) -> None:
    shadow = Shadow(capacity_bytes)
    sizes: dict[int, int] = {}
    for h, size in reads:
        if not shadow.read(h << 32, size):
            sizes[h << 32] = size
    held = [h for h in sizes if h in shadow]
    assert len(held) == len(shadow)
    assert sum(sizes[h] for h in held) <= capacity_bytes
