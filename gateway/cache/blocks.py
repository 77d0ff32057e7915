"""Block arithmetic: which blocks a span touches, and which bytes of the backend they cost."""

from collections.abc import Callable, Iterator

from gateway.model import BLOCK_SIZE, MIB, Span

FILL_MAX = 16 * MIB
"""The largest ranged read of the backend on behalf of missing blocks."""
FILL_BLOCKS_MAX = FILL_MAX // BLOCK_SIZE


def numbers(span: Span) -> range:
    """The numbers of the blocks that hold a byte of the span; none for an empty span."""
    if span.size <= 0:
        return range(0)
    return range(span.start // BLOCK_SIZE, _blocks(span.stop))


def block_span(number: int, size: int) -> Span:
    """The bytes of an object of `size` bytes that its block holds; only the last block is shorter than the others.

    The one block of an empty object, number 0, is empty.
    """
    start = number * BLOCK_SIZE
    assert start < size or number == 0
    return Span(start, min(start + BLOCK_SIZE, size))


def cover(span: Span, size: int | None) -> Span:
    """All bytes of the blocks that the span touches, up to the end of the object where its size is known."""
    touched = numbers(span)
    start, stop = touched.start * BLOCK_SIZE, touched.stop * BLOCK_SIZE
    return Span(start, stop if size is None else min(stop, size))


def runs(wanted: range, missing: Callable[[int], bool], blocks_max: int = FILL_BLOCKS_MAX) -> Iterator[range]:
    """The missing blocks of those wanted, in order, as runs of at most `blocks_max` neighbours.

    A run is as long as it can be: it ends at a block that is there, at the end of what is wanted, or at
    `blocks_max`. `missing` is asked once for each block, and only when its run is wanted.
    """
    first = wanted.start
    for number in wanted:
        if not missing(number):
            if first < number:
                yield range(first, number)
            first = number + 1
        elif number + 1 - first == blocks_max:
            yield range(first, number + 1)
            first = number + 1
    if first < wanted.stop:
        yield range(first, wanted.stop)


def opening(span: Span | None) -> Span | None:
    """What to ask of the backend first for an object of unknown size, when `span` of it is wanted.

    None is the whole. `span` may end beyond every object; the answer is never larger than a fill.
    """
    if span is None:
        return None
    covered = cover(span, None)
    return Span(covered.start, min(covered.stop, covered.start + FILL_MAX))


def _blocks(size: int) -> int:
    """How many blocks hold `size` bytes."""
    return -(-size // BLOCK_SIZE)
