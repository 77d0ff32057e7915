"""Which bytes lie in which draft: the cuts, read from real drafts, are the object."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.cache.drafts import (
    PARTS_MAX,
    PARTS_MAX_S,
    SOURCES_MAX,
    SOURCES_MAX_S,
    Cut,
    DraftMap,
    PartDrafts,
    Stretch,
)
from gateway.model import BLOCK_SIZE, Bucket, ETag, Key, Span, Version

BUCKET, KEY, VERSION = Bucket("data"), Key(b"key"), Version(b"v")
SIZES = st.builds(lambda blocks, offset: max(0, blocks * BLOCK_SIZE + offset), st.integers(0, 3), st.integers(-2, 2))


def op(number: int) -> bytes:
    return number.to_bytes(16, "big")


@dataclass(frozen=True)
class Sent:
    """A part as it was sent: its draft may have been lost, and its size may be known besides."""

    size: int
    is_kept: bool
    is_sized: bool


SENT = st.lists(st.builds(Sent, SIZES, st.booleans(), st.booleans()), max_size=6)


def etag(number: int) -> ETag:
    return ETag(f"etag{number}")


def sent_parts(sent: list[Sent]) -> tuple[list[Stretch] | None, list[Span]]:
    """What is said of the parts, and where each truly lies."""
    drafts = PartDrafts()
    spans: list[Span] = []
    at = 0
    for number, part in enumerate(sent, 1):
        if part.is_kept:
            drafts.put("upload", number, etag(number), part.size, op(number), 0.0)
        spans.append(Span(at, at + part.size))
        at += part.size
    named = [(number, etag(number)) for number in range(1, len(sent) + 1)]
    sizes = {number: part.size for number, part in enumerate(sent, 1) if part.is_sized}
    return drafts.sources("upload", named, sizes), spans


@given(sent=SENT)
def test_parts_lie_one_after_another_and_unknown_ones_are_left_out(sent: list[Sent]) -> None:
    sources, spans = sent_parts(sent)
    if any(not part.is_kept and not part.is_sized for part in sent):
        assert sources is None
        return
    kept = [(span, number) for number, span in enumerate(spans, 1) if sent[number - 1].is_kept and span.size]
    assert sources == [Stretch(span.start, span.stop, op(number)) for span, number in kept]


def bytes_of(cuts: tuple[Cut, ...], starts: dict[bytes, int]) -> list[tuple[int, int]]:
    """The bytes of the object that the cuts are, joined: each piece lies at its number in its draft."""
    joined: list[tuple[int, int]] = []
    for cut in cuts:
        assert 0 <= cut.start < cut.stop <= BLOCK_SIZE
        base = starts[cut.op] + cut.number * BLOCK_SIZE
        if joined and joined[-1][1] == base + cut.start:
            joined[-1] = (joined[-1][0], base + cut.stop)
        else:
            joined.append((base + cut.start, base + cut.stop))
    return joined


@st.composite
def laid_out(draw: st.DrawFn) -> tuple[list[Stretch], Span]:
    """Sources in order with holes between some, and a span somewhere about them."""
    sources: list[Stretch] = []
    at = 0
    for number, (hole, size) in enumerate(draw(st.lists(st.tuples(SIZES | st.just(0), SIZES), max_size=5))):
        at += hole
        if size:
            sources.append(Stretch(at, at + size, op(number)))
        at += size
    edges = st.sampled_from([edge for source in sources for edge in (source.start, source.stop)] or [0])
    nearby = st.builds(lambda edge, offset: max(0, edge + offset), edges, st.integers(-1, 1)) | st.integers(0, at + 1)
    start, stop = sorted((draw(nearby), draw(nearby)))
    return sources, Span(start, stop)


@settings(max_examples=300)
@given(layout=laid_out())
def test_cuts_are_exactly_the_span_or_there_are_none(layout: tuple[list[Stretch], Span]) -> None:
    sources, span = layout
    drafts = DraftMap()
    drafts.remember(BUCKET, KEY, VERSION, sources, 0.0)
    cuts = drafts.cuts(BUCKET, KEY, VERSION, span, 0.0)
    held = sum(max(0, min(span.stop, source.stop) - max(span.start, source.start)) for source in sources)
    if held < span.size:
        assert cuts is None
        return
    assert cuts is not None
    starts = {source.op: source.start for source in sources}
    assert bytes_of(cuts, starts) == ([(span.start, span.stop)] if span.size else [])
    sizes = {source.op: source.stop - source.start for source in sources}
    assert all(cut.number * BLOCK_SIZE + cut.stop <= sizes[cut.op] for cut in cuts)


def test_a_block_across_two_parts_is_cut_from_both() -> None:
    drafts, half = DraftMap(), BLOCK_SIZE // 2
    first_size = 5 * BLOCK_SIZE + half
    sources = [Stretch(0, first_size, op(1)), Stretch(first_size, first_size + BLOCK_SIZE, op(2))]
    drafts.remember(BUCKET, KEY, VERSION, sources, 0.0)
    block = Span(5 * BLOCK_SIZE, 6 * BLOCK_SIZE)
    assert drafts.cuts(BUCKET, KEY, VERSION, block, 0.0) == (Cut(op(1), 5, 0, half), Cut(op(2), 0, 0, half))


def test_a_draft_belongs_to_one_version_of_one_object() -> None:
    drafts = DraftMap()
    drafts.remember(BUCKET, KEY, VERSION, [Stretch(0, 5, op(1))], 0.0)
    assert drafts.cuts(BUCKET, KEY, VERSION, Span(0, 5), 0.0) == (Cut(op(1), 0, 0, 5),)
    for bucket, key, version in (
        (Bucket("other"), KEY, VERSION),
        (BUCKET, Key(b"other"), VERSION),
        (BUCKET, KEY, Version(b"w")),
    ):
        assert drafts.cuts(bucket, key, version, Span(0, 5), 0.0) is None


def test_the_same_version_written_again_lies_in_the_newer_draft() -> None:
    drafts = DraftMap()
    drafts.remember(BUCKET, KEY, VERSION, [Stretch(0, 5, op(1))], 0.0)
    drafts.remember(BUCKET, KEY, VERSION, [Stretch(0, 5, op(2))], 1.0)
    assert drafts.cuts(BUCKET, KEY, VERSION, Span(1, 2), 1.0) == (Cut(op(2), 0, 1, 2),)


def test_sources_are_forgotten_after_their_time() -> None:
    drafts = DraftMap()
    drafts.remember(BUCKET, KEY, VERSION, [Stretch(0, 5, op(1))], 10.0)
    assert drafts.cuts(BUCKET, KEY, VERSION, Span(0, 5), 9.0 + SOURCES_MAX_S) is not None
    assert drafts.cuts(BUCKET, KEY, VERSION, Span(0, 5), 10.0 + SOURCES_MAX_S) is None


def many(count: int) -> list[Stretch]:
    return [Stretch(number, number + 1, op(number)) for number in range(count)]


def test_sources_beyond_the_limit_put_out_the_oldest_version() -> None:
    drafts = DraftMap()
    half = SOURCES_MAX // 2
    for name in (b"1", b"2"):
        drafts.remember(BUCKET, KEY, Version(name), many(half), 0.0)
    assert drafts.cuts(BUCKET, KEY, Version(b"1"), Span(0, 1), 0.0) is not None
    drafts.remember(BUCKET, KEY, Version(b"3"), many(1), 0.0)
    known = [drafts.cuts(BUCKET, KEY, Version(name), Span(0, 1), 0.0) is not None for name in (b"1", b"2", b"3")]
    assert known == [False, True, True]


def test_more_sources_than_the_limit_are_not_remembered_and_leave_room_for_others() -> None:
    drafts = DraftMap()
    drafts.remember(BUCKET, KEY, VERSION, many(SOURCES_MAX + 1), 0.0)
    assert drafts.cuts(BUCKET, KEY, VERSION, Span(0, 1), 0.0) is None
    drafts.remember(BUCKET, KEY, VERSION, many(SOURCES_MAX), 0.0)
    assert drafts.cuts(BUCKET, KEY, VERSION, Span(0, 1), 0.0) is not None


def test_a_part_sent_twice_is_the_one_that_complete_names() -> None:
    drafts = PartDrafts()
    drafts.put("upload", 1, ETag("first"), 3, op(1), 0.0)
    drafts.put("upload", 1, ETag("second"), 4, op(2), 0.0)
    assert drafts.sources("upload", [(1, ETag("first"))], {}) == [Stretch(0, 3, op(1))]
    assert drafts.sources("upload", [(1, ETag("second"))], {}) == [Stretch(0, 4, op(2))]
    assert drafts.sources("upload", [(1, ETag("third"))], {}) is None
    assert drafts.sources("upload", [(1, ETag("third"))], {1: 3}) == []


def test_a_draft_of_another_size_than_the_part_is_not_believed() -> None:
    drafts = PartDrafts()
    drafts.put("upload", 1, etag(1), 3, op(1), 0.0)
    drafts.put("upload", 2, etag(2), 3, op(2), 0.0)
    assert drafts.sources("upload", [(1, etag(1)), (2, etag(2))], {1: 4}) == [Stretch(4, 7, op(2))]


def test_the_parts_of_an_upload_that_ended_are_forgotten() -> None:
    drafts = PartDrafts()
    drafts.put("upload", 1, etag(1), 3, op(1), 0.0)
    drafts.put("other", 1, etag(1), 3, op(2), 0.0)
    drafts.drop("upload")
    drafts.drop("upload")
    assert drafts.sources("upload", [(1, etag(1))], {}) is None
    assert drafts.sources("other", [(1, etag(1))], {}) == [Stretch(0, 3, op(2))]


def test_an_upload_that_rests_too_long_is_forgotten_when_another_goes_on() -> None:
    drafts = PartDrafts()
    drafts.put("resting", 1, etag(1), 3, op(1), 0.0)
    drafts.put("living", 1, etag(1), 3, op(2), 0.0)
    drafts.put("living", 2, etag(2), 3, op(3), PARTS_MAX_S)
    assert drafts.sources("resting", [(1, etag(1))], {}) is None
    assert drafts.sources("living", [(1, etag(1))], {}) == [Stretch(0, 3, op(2))]


def test_parts_beyond_the_limit_put_out_the_upload_that_rests_longest() -> None:
    drafts = PartDrafts()
    drafts.put("first", 1, etag(1), 1, op(1), 0.0)
    drafts.put("second", 1, etag(1), 1, op(2), 0.0)
    drafts.put("first", 1, etag(1), 1, op(3), 0.0)
    for number in range(PARTS_MAX - 1):
        drafts.put("third", number, etag(number), 1, op(number), 0.0)
    assert drafts.sources("second", [(1, etag(1))], {}) is None
    assert drafts.sources("first", [(1, etag(1))], {}) == [Stretch(0, 1, op(3))]
    assert drafts.sources("third", [(1, etag(1))], {}) == [Stretch(0, 1, op(1))]
