"""Readahead: what reads of every shape cause to be filled, and what they do not."""

import random
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.ahead import MARKS_MAX, VERSIONS_MAX, WASTE_SPAN, WINDOW_MAX, WINDOW_MIN, Marks, Name
from gateway.model import BLOCK_SIZE, MIB, Bucket, Key, Span, Version

BUCKET = Bucket("data")
NAME: Name = (BUCKET, Key(b"key"), Version(b"v"))
RANGE = 8 * MIB
HUGE = 10 * 1024 * MIB


def serial(size: int, step: int, start: int = 0) -> list[Span]:
    """One range after another to the end of the object."""
    return [Span(at, min(size, at + step)) for at in range(start, size, step)]


def advised(marks: Marks, spans: list[Span], size: int) -> list[Span | None]:
    return [marks.advise(NAME, span, size) for span in spans]


def in_mib(answers: list[Span | None]) -> list[tuple[int, int] | None]:
    return [(answer.start // MIB, answer.stop // MIB) if answer else None for answer in answers]


def waits(spans: list[Span], answers: list[Span | None]) -> int:
    """How many reads need a block that was neither read nor filled ahead before them."""
    there: set[int] = set()
    waiting = 0
    for span, answer in zip(spans, answers, strict=True):
        wanted = set(range(span.start // BLOCK_SIZE, -(-span.stop // BLOCK_SIZE)))
        waiting += not wanted <= there
        there |= wanted
        if answer is not None:
            there |= set(range(answer.start // BLOCK_SIZE, -(-answer.stop // BLOCK_SIZE)))
    return waiting


def test_serial_ranges_of_64_mib_wait_for_the_backend_once() -> None:
    spans = serial(64 * MIB, RANGE)
    answers = advised(Marks(), spans, 64 * MIB)
    assert in_mib(answers) == [(8, 64)] + [None] * 7
    assert waits(spans, answers) == 1


def test_serial_ranges_of_a_large_object_open_a_window_that_doubles() -> None:
    spans = serial(HUGE, RANGE)
    answers = advised(Marks(), spans, HUGE)
    assert in_mib(answers[:9]) == [(8, 16), (16, 32), (32, 56), None, (56, 104), None, None, None, (104, 136)]
    assert waits(spans, answers) == 1


def test_ranges_from_the_middle_are_filled_ahead_from_the_second_on() -> None:
    spans = serial(HUGE, RANGE, start=5 * MIB + 3)
    answers = advised(Marks(), spans, HUGE)
    assert in_mib(answers[:3]) == [None, (22, 30), (30, 46)]
    assert waits(spans, answers) == 2


def test_a_reader_of_the_next_epoch_is_filled_ahead_again() -> None:
    marks = Marks()
    for _ in range(2):
        assert in_mib(advised(marks, serial(64 * MIB, RANGE), 64 * MIB)) == [(8, 64)] + [None] * 7
        first = advised(marks, serial(512 * MIB, 2 * MIB)[:2], 512 * MIB)
        assert in_mib(first) == [(2, 10), None]


@pytest.mark.parametrize("stop", [HUGE, HUGE // 2])
@pytest.mark.parametrize("behind", [32 * MIB, 200 * MIB])
def test_who_reads_what_another_has_read_long_ago_is_filled_ahead_too(stop: int, behind: int) -> None:
    marks = Marks()
    advised(marks, serial(stop, RANGE, start=stop - 1024 * MIB), HUGE)
    spans = serial(stop, RANGE, start=stop - behind)
    answers = advised(marks, spans, HUGE)
    is_late = stop < HUGE and behind < WINDOW_MAX
    assert (waits(spans, answers) == 2) != is_late


def test_a_random_range_in_a_large_object_fills_nothing_ahead() -> None:
    marks, dice = Marks(), random.Random(5)
    far_apart = dice.sample(range(1, HUGE // MIB, 3), 500)
    assert advised(marks, [Span(at * MIB, (at + 1) * MIB) for at in far_apart], HUGE) == [None] * 500


def test_reading_the_same_bytes_again_fills_nothing_ahead() -> None:
    assert advised(Marks(), [Span(5 * MIB, 5 * MIB + 4096)] * 20, HUGE) == [None] * 20
    assert advised(Marks(), [Span(0, 100), Span(10, 50), Span(0, 100)], HUGE) == [None] * 3


def test_a_short_range_from_0_is_not_taken_for_the_first_of_many() -> None:
    assert advised(Marks(), [Span(0, MIB - 1)], 64 * MIB) == [None]
    assert in_mib(advised(Marks(), [Span(0, MIB)], 64 * MIB)) == [(1, 64)]


@pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE])
def test_an_object_of_one_block_has_nothing_ahead(size: int) -> None:
    assert advised(Marks(), [Span(0, size)], size) == [None]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (1, 0, 3, 2), (2, 0, 3, 1)])
def test_parallel_ranges_of_one_reader_are_soon_one_stretch_though_some_overtake_others(order: tuple[int, ...]) -> None:
    spans = serial(HUGE, RANGE, start=100 * MIB)
    shuffled = [spans[first + at] for first in range(0, 64, 4) for at in order]
    answers = advised(Marks(), shuffled, HUGE)
    assert waits(shuffled, answers) <= 8
    filled = [at for answer in answers if answer for at in range(answer.start, answer.stop, BLOCK_SIZE)]
    assert len(filled) == len(set(filled))
    assert max(filled) <= max(span.stop for span in shuffled) + WINDOW_MAX


def test_workers_in_step_share_one_stretch() -> None:
    marks = Marks()
    alone = [marks.advise(NAME, span, HUGE) for span in serial(HUGE, RANGE)[:40]]
    marks, together = Marks(), []
    for span in serial(HUGE, RANGE)[:40]:
        first = marks.advise(NAME, span, HUGE)
        later = [marks.advise(NAME, span, HUGE) for _ in range(7)]
        together.append(first)
        assert span.start == 0 or later == [None] * 7
    assert together == alone


def test_more_stretches_than_marks_forget_the_one_that_moved_longest_ago() -> None:
    marks = Marks()
    starts = [(1 + 100 * number) * MIB for number in range(MARKS_MAX + 1)]
    for start in starts:
        assert marks.advise(NAME, Span(start, start + MIB), HUGE) is None
    assert marks.advise(NAME, Span(starts[1] + MIB, starts[1] + 2 * MIB), HUGE) is not None
    assert marks.advise(NAME, Span(starts[0] + MIB, starts[0] + 2 * MIB), HUGE) is None


def test_versions_beyond_the_limit_put_out_the_one_read_longest_ago() -> None:
    marks = Marks()
    names: list[Name] = [(BUCKET, Key(b"%d" % number), Version(b"v")) for number in range(VERSIONS_MAX + 1)]
    for name in names:
        marks.advise(name, Span(5 * MIB, 6 * MIB), HUGE)
    assert marks.advise(names[-1], Span(6 * MIB, 7 * MIB), HUGE) is not None
    assert marks.advise(names[0], Span(6 * MIB, 7 * MIB), HUGE) is None


def test_versions_do_not_carry_each_other_on() -> None:
    marks = Marks()
    other: Name = (BUCKET, NAME[1], Version(b"w"))
    assert marks.advise(NAME, Span(5 * MIB, 6 * MIB), HUGE) is None
    assert marks.advise(other, Span(6 * MIB, 7 * MIB), HUGE) is None


def waste(marks: Marks, share: float, total: int = 8 * WASTE_SPAN) -> None:
    """So many bytes filled ahead, of which that share was dropped unread."""
    dice = random.Random(7)
    for _ in range(total // (4 * MIB)):
        (marks.wasted if dice.random() < share else marks.used)(BUCKET, 4 * MIB)


def first_and_window(marks: Marks) -> list[tuple[int, int] | None]:
    """What the first range of a 64 MiB object, and the second span of a stretch, cause."""
    opening = marks.advise((BUCKET, Key(b"opened"), Version(b"v")), Span(0, RANGE), 64 * MIB)
    name: Name = (BUCKET, Key(b"middle"), Version(b"%d" % random.getrandbits(64)))
    marks.advise(name, Span(RANGE, 2 * RANGE), HUGE)
    return in_mib([opening, marks.advise(name, Span(2 * RANGE, 3 * RANGE), HUGE)])


USUAL = [(8, 64), (24, 32)]
CAREFUL = [None, (24, 28)]


def test_waste_halves_the_windows_and_ends_the_rest_of_the_object_until_there_is_little() -> None:
    marks = Marks()
    assert first_and_window(marks) == USUAL
    waste(marks, 0.15)
    assert first_and_window(marks) == USUAL
    waste(marks, 0.30)
    assert first_and_window(marks) == CAREFUL
    waste(marks, 0.15)
    assert first_and_window(marks) == CAREFUL
    waste(marks, 0.05)
    assert first_and_window(marks) == USUAL


def test_a_quarter_of_the_judged_bytes_wasted_at_once_is_too_much_and_a_tenth_is_not() -> None:
    marks = Marks()
    marks.wasted(BUCKET, WASTE_SPAN // 10)
    assert first_and_window(marks) == USUAL
    marks.wasted(BUCKET, WASTE_SPAN * 15 // 100)
    assert first_and_window(marks) == CAREFUL


def test_the_waste_of_one_mount_is_not_that_of_another() -> None:
    marks = Marks()
    marks.wasted(Bucket("other"), WASTE_SPAN)
    assert first_and_window(marks) == USUAL


@dataclass(frozen=True)
class Read:
    start: int
    length: int


READS = st.lists(
    st.builds(
        Read,
        st.integers(0, 40 * MIB) | st.integers(0, 40).map(lambda n: n * MIB),
        st.integers(1, 9 * MIB),
    ),
    max_size=30,
)


@given(reads=READS, size=st.integers(1, 40 * MIB), repeats=st.integers(0, 3), is_wasteful=st.booleans())
def test_what_is_advised_is_whole_blocks_behind_the_span_inside_the_object_and_within_the_window(
    reads: list[Read], size: int, repeats: int, is_wasteful: bool
) -> None:
    marks = Marks()
    if is_wasteful:
        marks.wasted(BUCKET, WASTE_SPAN)
    for read in reads:
        start = min(read.start, size - 1)
        span = Span(start, min(size, start + read.length))
        for _ in range(1 + repeats):
            answer = marks.advise(NAME, span, size)
            if answer is None:
                continue
            assert answer.start % BLOCK_SIZE == 0
            assert answer.stop % BLOCK_SIZE == 0 or answer.stop == size
            assert span.stop <= answer.start < answer.stop <= size
            if is_wasteful:
                assert answer.stop < span.stop + WINDOW_MAX // 2 + BLOCK_SIZE


@given(step=st.integers(1, 3 * WINDOW_MIN), start=st.integers(0, 100 * MIB))
def test_one_stretch_is_never_advised_the_same_block_twice(step: int, start: int) -> None:
    spans = [Span(start + at * step, start + (at + 1) * step) for at in range(60)]
    answers = [answer for answer in advised(Marks(), spans, HUGE) if answer is not None]
    assert all(answer.stop <= following.start for answer, following in pairwise(answers))
