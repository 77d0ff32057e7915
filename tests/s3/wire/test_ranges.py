"""Ranges and parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ArgumentInvalid, PartNumberOutside, SpanOutside
from gateway.model import PartRun, Span
from gateway.s3.operations import RangeSpec
from gateway.s3.ranges import content_range, copy_range, copy_span, parse_range, part_span, span_of
from tests.s3.wire.heads import info

SIZES = st.integers(0, 12)
POSITIONS = st.integers(0, 15)


def literal(text: str, size: int) -> list[int] | None:
    """RFC 9110, section 14.1.2, byte by byte: the offsets meant by one range; None to ignore it."""
    first, last = text.removeprefix("bytes=").split("-")
    if not first:
        return list(range(size))[-int(last) :] if int(last) else []
    if last and int(last) < int(first):
        return None
    return [at for at in range(size) if int(first) <= at and (not last or at <= int(last))]


@given(st.one_of(st.tuples(POSITIONS, st.none() | POSITIONS), st.tuples(st.none(), POSITIONS)), SIZES)
def test_a_range_means_the_bytes_the_standard_says(ends: tuple[int | None, int | None], size: int) -> None:
    text = f"bytes={'' if ends[0] is None else ends[0]}-{'' if ends[1] is None else ends[1]}"
    spec, meant = parse_range(text), literal(text, size)
    if spec is None:
        assert meant is None
    elif not meant:
        with pytest.raises(SpanOutside) as caught:
            span_of(spec, size)
        assert caught.value.details == {"ActualObjectSize": str(size), "RangeRequested": text}
    else:
        span = span_of(spec, size)
        assert list(range(span.start, span.stop)) == meant
        assert content_range(span, size) == f"bytes {meant[0]}-{meant[-1]}/{size}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=1-2,4-5",
        "bytes=a-b",
        "bytes=2-1",
        "lines=1-2",
        "bytes=1-2 ",
        "bytes= 1-2",
        "bytes=+1-2",
        "bytes=0-12345678901234567890",
        "bytes=\u0661-\u0662",
        "bytes=--1",
    ],
)
def test_ranges_that_are_not_understood_are_ignored(text: str) -> None:
    assert parse_range(text) is None


def test_19_digits_are_a_position_and_the_unit_ignores_case() -> None:
    assert parse_range("Bytes=0-9999999999999999999") == RangeSpec(first=0, last=9_999_999_999_999_999_999)


@pytest.mark.parametrize("text", ["bytes=1-", "bytes=-1", "bytes=2-1", "1-2", "Bytes=1-2", "bytes=1-2,3-4", ""])
def test_a_copy_range_has_both_ends(text: str) -> None:
    with pytest.raises(ArgumentInvalid):
        copy_range(text)


def test_a_copy_range_past_the_end_of_its_source_is_outside() -> None:
    assert copy_span(copy_range("bytes=2-9"), 10) == Span(2, 10)
    with pytest.raises(SpanOutside):
        copy_span(copy_range("bytes=2-10"), 10)


@given(st.lists(st.builds(PartRun, st.integers(1, 3), st.integers(1, 5)), min_size=1, max_size=4))
def test_the_parts_of_an_object_join_to_the_whole(runs: list[PartRun]) -> None:
    sizes = [run.size for run in runs for _ in range(run.count)]
    whole = info(size=sum(sizes), parts=tuple(runs))
    spans = [part_span(whole, number) for number in range(1, len(sizes) + 1)]
    assert [span.size for span, _ in spans] == sizes
    assert [span.start for span, _ in spans] == [sum(sizes[:at]) for at in range(len(sizes))]
    assert {count for _, count in spans} == {len(sizes)}
    with pytest.raises(PartNumberOutside):
        part_span(whole, len(sizes) + 1)


def test_an_object_without_known_parts_is_one_part() -> None:
    assert part_span(info(size=7), 1) == (Span(0, 7), 0)
    with pytest.raises(PartNumberOutside):
        part_span(info(size=7), 2)
