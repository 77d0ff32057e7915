"""Byte ranges and parts: header text to a spec, a spec and a size to a Span, a Span to header text."""

import re

from gateway.errors import ArgumentInvalid, PartNumberOutside, SpanOutside
from gateway.model import Info, Span
from gateway.s3.operations import RangeSpec

# More than 19 digits cannot be a position in any object.
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.IGNORECASE | re.ASCII)
_COPY_RANGE = re.compile(r"bytes=([0-9]{1,19})-([0-9]{1,19})", re.ASCII)


def parse_range(text: str) -> RangeSpec | None:
    """The one range that `text` asks for; None (the whole object) for several, other units, or nonsense."""
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        return RangeSpec(suffix=int(last)) if last else None
    if not last:
        return RangeSpec(first=int(first))
    spec = RangeSpec(first=int(first), last=int(last))
    return spec if int(first) <= int(last) else None


def copy_range(text: str) -> RangeSpec:
    """The range of `x-amz-copy-source-range`, with both ends; `ArgumentInvalid` for anything else."""
    match = _COPY_RANGE.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise ArgumentInvalid(
            "The x-amz-copy-source-range value must be of the form bytes=first-last.",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=text,
        )
    return RangeSpec(first=int(match[1]), last=int(match[2]))


def span_of(spec: RangeSpec, size: int) -> Span:
    """The bytes that `spec` means of an object of `size` bytes; `SpanOutside` if there are none."""
    if spec.suffix is not None:
        start, stop = max(0, size - spec.suffix), size
    else:
        assert spec.first is not None, "a range without suffix has a first byte"
        start, stop = spec.first, size if spec.last is None else min(spec.last + 1, size)
    if start >= stop:
        raise SpanOutside(size, RangeRequested=_text(spec))
    return Span(start, stop)


def copy_span(spec: RangeSpec, size: int) -> Span:
    """As `span_of`, but a range that reaches past the end of a copy's source is outside too."""
    if spec.last is not None and spec.last >= size:
        raise SpanOutside(size, RangeRequested=_text(spec))
    return span_of(spec, size)


def content_range(span: Span, size: int) -> str:
    """The value of Content-Range for a span that is not empty."""
    return f"bytes {span.start}-{span.stop - 1}/{size}"


def part_span(info: Info, number: int) -> tuple[Span, int]:
    """Part `number`'s bytes and how many parts there are; 0 if the parts are not known.

    An object without known parts is one part, the whole. `PartNumberOutside` beyond the last.
    """
    if not info.parts and number == 1:
        return Span(0, info.size), 0
    count = sum(run.count for run in info.parts)
    start, before = 0, 0
    for run in info.parts:
        if number <= before + run.count:
            at = start + (number - before - 1) * run.size
            return Span(at, at + run.size), count
        before += run.count
        start += run.count * run.size
    raise PartNumberOutside(PartNumberRequested=number, ActualPartCount=count or 1)


def _text(spec: RangeSpec) -> str:
    if spec.suffix is not None:
        return f"bytes=-{spec.suffix}"
    return f"bytes={spec.first}-{'' if spec.last is None else spec.last}"
