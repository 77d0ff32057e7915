"""GetObject and HeadObject where the cache has everything at hand: the answer of `reads`, without waiting for anybody.

None is never a verdict: whatever is not a plain success is left to `reads`.
"""

from typing import NamedTuple

from gateway.cache.hits import Fresh
from gateway.cache.words import Source
from gateway.errors import GatewayError
from gateway.handlers.reads import cache_fields, check_version_id, found, is_unmodified, not_modified, select
from gateway.handlers.service import Service
from gateway.model import Key, Span
from gateway.mounts import Mount
from gateway.s3.headers import lines_of, object_lines
from gateway.s3.operations import ReadSpec
from gateway.s3.ranges import content_range, span_of
from gateway.store.resident import Slice

_UNCONDITIONAL = ReadSpec().conditions
_WHOLE, _PART = 200, 206


class Reach(NamedTuple):
    """How bytes can be sent: up to `copy_max` from memory, and no answer of more than `span_max`."""

    copy_max: int
    span_max: int


class Hit(NamedTuple):
    """An answer: the lines of its head but for those that every answer has, and the bytes of its body, to be released.

    `size` is that of the body a GET has; None: there is no such thing, as in a 304.
    """

    status: int
    lines: str
    size: int | None
    slices: list[Slice]


def hit(service: Service, mount: Mount, key: Key, spec: ReadSpec, reach: Reach | None) -> Hit | None:
    """What `reads.get_object` answers or, with a `reach` of None, `reads.head_object`."""
    if spec.revalidate or spec.bypass or not mount.policy.is_cached:
        return None
    fresh = service.cache.hits.find(mount, key, complete=spec.with_checksum and spec.range is None)
    if fresh is None:
        return None
    try:
        said = _usual(spec, fresh) or _any(spec, fresh)
    except GatewayError:
        return None
    slices: list[Slice] = []
    hits = service.cache.hits
    if reach is not None and said.span is not None:
        here = hits.slices(fresh, said.span, reach.copy_max) if said.size <= reach.span_max else None
        if here is None:
            return None
        slices = here
        hits.read(mount, fresh, said.span, slices, whole=said.status == _WHOLE)
    hits.served(mount, fresh)
    return Hit(said.status, said.lines, None if said.span is None else said.size, slices)


class _Said(NamedTuple):
    """A head, and the span of the bytes that belong to it; None: there are none to tell of."""

    status: int
    lines: str
    span: Span | None
    size: int


def _usual(spec: ReadSpec, fresh: Fresh) -> _Said | None:
    """The head for a request and an object that say little, which most do; None for others. Raises `SpanOutside`."""
    info = fresh.info
    if (
        spec.conditions is not _UNCONDITIONAL
        or spec.part_number is not None
        or spec.if_range is not None
        or spec.overrides
        or spec.version_id is not None
        or (spec.with_checksum and info.checksum is not None)
    ):
        return None
    lines = object_lines(info)
    if lines is None:
        return None
    if spec.range is None:
        return _Said(_WHOLE, f"{lines}x-cache: hit\r\nage: {fresh.age_s}\r\n", Span(0, info.size), info.size)
    span = span_of(spec.range, info.size)
    part = content_range(span, info.size)
    lines = f"{lines}x-cache: hit\r\nage: {fresh.age_s}\r\ncontent-range: {part}\r\n"
    return _Said(_PART, lines, span, span.size)


def _any(spec: ReadSpec, fresh: Fresh) -> _Said:
    """The head by the functions of `reads`. Raises what they raise."""
    info = fresh.info
    check_version_id(spec.version_id)
    said = cache_fields(Source.HIT, fresh.age_s, is_stale=False)
    if is_unmodified(spec, info):
        answer = not_modified(info, Source.HIT, said)
        return _Said(answer.status, lines_of(answer.fields), None, 0)
    selection = select(spec, info)
    answer = found(spec, info, selection, Source.HIT, said)
    span = selection.span or Span(0, info.size)
    return _Said(answer.status, lines_of(answer.fields), span, span.size)
