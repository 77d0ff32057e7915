"""Block arithmetic."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.blocks import FILL_BLOCKS_MAX, FILL_MAX, block_span, cover, numbers, opening, runs
from gateway.model import BLOCK_SIZE, Span

END = 2**63 - 1
"""The stop of a range whose end nobody knows."""
NEAR_EDGES = st.builds(
    lambda block, offset: max(0, block * BLOCK_SIZE + offset), st.integers(0, 40), st.integers(-2, 2)
) | st.integers(0, 40 * BLOCK_SIZE)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start, stop = sorted((draw(NEAR_EDGES), draw(NEAR_EDGES)))
    return Span(start, stop)


@given(span=spans(), number=st.integers(0, 45))
def test_a_block_is_touched_exactly_when_it_holds_a_byte_of_the_span(span: Span, number: int) -> None:
    block = Span(number * BLOCK_SIZE, (number + 1) * BLOCK_SIZE)
    overlap = min(span.stop, block.stop) - max(span.start, block.start)
    assert (number in numbers(span)) == (overlap > 0)


@given(size=NEAR_EDGES.filter(bool))
def test_the_blocks_of_an_object_put_together_are_the_object(size: int) -> None:
    blocks = [block_span(number, size) for number in numbers(Span(0, size))]
    assert (blocks[0].start, blocks[-1].stop) == (0, size)
    assert all(block.stop == following.start for block, following in pairwise(blocks))
    assert all(block.size == BLOCK_SIZE for block in blocks[:-1])
    assert 0 < blocks[-1].size <= BLOCK_SIZE


def test_an_empty_object_has_one_empty_block() -> None:
    assert block_span(0, 0) == Span(0, 0)
    assert numbers(Span(0, 0)) == range(0)


@given(span=spans(), beyond=NEAR_EDGES)
def test_a_cover_is_the_bytes_of_the_blocks_touched(span: Span, beyond: int) -> None:
    size = span.stop + beyond
    touched = numbers(span)
    assert numbers(cover(span, size)) == touched
    assert numbers(cover(span, None)) == touched
    if touched:
        assert cover(span, size) == Span(block_span(touched[0], size).start, block_span(touched[-1], size).stop)
        assert cover(span, None).size == len(touched) * BLOCK_SIZE


@given(
    wanted=st.builds(lambda first, count: range(first, first + count), st.integers(0, 50), st.integers(0, 60)),
    there=st.sets(st.integers(0, 110)),
    blocks_max=st.integers(1, 20),
)
def test_runs_are_all_that_is_missing_and_as_few_as_can_be(wanted: range, there: set[int], blocks_max: int) -> None:
    found = list(runs(wanted, lambda number: number not in there, blocks_max))
    assert [number for run in found for number in run] == [number for number in wanted if number not in there]
    assert all(0 < len(run) <= blocks_max for run in found)
    assert all(len(run) == blocks_max or run.stop < following.start for run, following in pairwise(found))


def test_a_block_that_comes_while_a_run_is_read_is_not_in_the_next() -> None:
    there: set[int] = set()
    reading = runs(range(8), lambda number: number not in there, 3)
    assert next(reading) == range(3)
    there.add(4)
    assert list(reading) == [range(3, 4), range(5, 8)]


def test_a_run_is_at_most_a_fill() -> None:
    assert next(runs(range(100), lambda number: True)) == range(FILL_BLOCKS_MAX)


@given(span=spans().filter(lambda span: span.size > 0), is_endless=st.booleans())
def test_what_opens_an_unknown_object_is_whole_blocks_from_the_first_byte_wanted_and_at_most_a_fill(
    span: Span, is_endless: bool
) -> None:
    asked = opening(Span(span.start, END) if is_endless else span)
    assert asked is not None
    assert asked.start % BLOCK_SIZE == asked.stop % BLOCK_SIZE == 0
    assert asked.start <= span.start < asked.start + BLOCK_SIZE
    assert asked.size <= FILL_MAX
    assert asked.size == FILL_MAX or span.stop <= asked.stop < span.stop + BLOCK_SIZE


def test_the_whole_of_an_unknown_object_is_asked_for_as_the_whole() -> None:
    assert opening(None) is None


def test_a_range_of_a_mebibyte_costs_at_most_two() -> None:
    asked = opening(Span(5 * BLOCK_SIZE + 1, 6 * BLOCK_SIZE + 1))
    assert asked == Span(5 * BLOCK_SIZE, 7 * BLOCK_SIZE)
