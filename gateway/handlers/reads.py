"""GetObject and HeadObject: one version of an object, judged by its conditions, whole or in part."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.cache import Demand, View, Want
from gateway.cache.words import Source
from gateway.errors import ConditionFailed, VersionChanged, VersionMissing
from gateway.handlers.call import Answer, Call
from gateway.handlers.permission import absence_hidden
from gateway.handlers.service import BUDGET_WAIT_MAX_S, Service
from gateway.model import MIB, Info, Key, Span
from gateway.mounts import Mount
from gateway.s3 import checksums
from gateway.s3.conditions import Outcome, range_applies, read_outcome
from gateway.s3.headers import not_modified_fields, object_fields
from gateway.s3.operations import GetObject, HeadObject, ReadSpec
from gateway.s3.ranges import content_range, part_span, span_of

WHOLE_BODY_MAX = MIB
"""Up to here the bytes are collected before the head is sent, so that a failure is still a proper answer."""
CHANGES_MAX = 3
"""How often a read starts again because the object changed between its info and its bytes."""
NULL_VERSION = "null"
STALE_WARNING = '110 - "Response is Stale"'
END = 2**63 - 1
"""Beyond every object: the stop of a span whose end is not known."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What of an object answers; `span` None: the whole. `part_count` 0: nobody asked, or nobody knows."""

    span: Span | None = None
    part_count: int = 0


async def get_object(service: Service, call: Call, mount: Mount, operation: GetObject) -> Answer:
    """Streams the object; small ones are sent in one go."""
    spec = operation.spec
    check_version_id(spec.version_id)
    async with AsyncExitStack() as held:
        held.callback(service.budget.give_back, await service.budget.take(MIB, BUDGET_WAIT_MAX_S))
        with absence_hidden(service, call, mount.bucket):
            answer, view = await _opened(service, mount, operation.key, spec)
        if answer.stream is None:
            await view.close()
        else:
            held.push_async_callback(view.close)
        answer.held = held.pop_all()
    return answer


async def head_object(service: Service, call: Call, mount: Mount, operation: HeadObject) -> Answer:
    """The head that GetObject would send."""
    spec = operation.spec
    check_version_id(spec.version_id)
    complete = spec.with_checksum and spec.range is None
    with absence_hidden(service, call, mount.bucket):
        head = await service.cache.head(mount, operation.key, demand_of(spec), complete=complete)
    said = cache_fields(head.source, head.age_s, is_stale=head.is_stale)
    if is_unmodified(spec, head.info):
        return not_modified(head.info, head.source, said)
    return found(spec, head.info, select(spec, head.info), head.source, said)


def check_version_id(version_id: str | None) -> None:
    """Buckets are unversioned: `null` is the object that is there, every other version is missing."""
    if version_id not in (None, NULL_VERSION):
        raise VersionMissing(VersionId=version_id)


async def _opened(service: Service, mount: Mount, key: Key, spec: ReadSpec) -> tuple[Answer, View]:
    """The answer, and what it reads from, to be closed when it is sent."""
    info_first = _wants_info_first(spec)
    want = Want(
        span=None if info_first else _guessed_span(spec),
        info_first=info_first,
        complete=spec.with_checksum and spec.range is None,
        demand=demand_of(spec),
    )
    changes = 0
    while True:
        view = await service.cache.open(mount, key, want)
        try:
            return await _answer(spec, view), view
        except VersionChanged:
            await view.close()
            # It was replaced between its info and its first bytes, of which none was sent.
            changes += 1
            if changes == CHANGES_MAX:
                raise
        except BaseException:
            await view.close()
            raise


def demand_of(spec: ReadSpec) -> Demand:
    """What the request wants of the cache."""
    if spec.bypass:
        return Demand.BYPASS
    return Demand.REVALIDATE if spec.revalidate else Demand.NORMAL


def _wants_info_first(spec: ReadSpec) -> bool:
    # A suffix, a part and If-Range need the size or the tag to know the span. If-None-Match and its
    # like most often end without a body, which would have been opened for nothing.
    conditions = spec.conditions
    return (
        spec.part_number is not None
        or spec.if_range is not None
        or (spec.range is not None and spec.range.suffix is not None)
        or conditions.if_none_match is not None
        or conditions.if_modified_since_s is not None
    )


def _guessed_span(spec: ReadSpec) -> Span | None:
    if spec.range is None:
        return None
    assert spec.range.first is not None
    last = spec.range.last
    return Span(spec.range.first, END if last is None else last + 1)


def is_unmodified(spec: ReadSpec, info: Info) -> bool:
    """Whether the answer is 304; raises ConditionFailed where it is 412."""
    match read_outcome(spec.conditions, info):
        case Outcome.FAILED:
            raise ConditionFailed(Condition=_named_condition(spec))
        case outcome:
            return outcome is Outcome.NOT_MODIFIED


def _named_condition(spec: ReadSpec) -> str:
    return "If-Match" if spec.conditions.if_match is not None else "If-Unmodified-Since"


def select(spec: ReadSpec, info: Info) -> Selection:
    """What of the object is asked for. Raises `SpanOutside`, `PartNumberOutside`."""
    if spec.part_number is not None:
        span, count = part_span(info, spec.part_number)
        # An empty object is one part without bytes, of which no range can be told.
        return Selection(span if span.size else None, count)
    if spec.range is None or not range_applies(spec.if_range, info):
        return Selection()
    return Selection(span_of(spec.range, info.size))


async def _answer(spec: ReadSpec, view: View) -> Answer:
    info = view.info
    if is_unmodified(spec, info):
        source = await view.source(None)
        return not_modified(info, source, cache_fields(source, view.age_s, is_stale=view.is_stale))
    selection = select(spec, info)
    span = selection.span or Span(0, info.size)
    pieces = view.pieces(span, whole=selection.span is None)
    if span.size <= WHOLE_BODY_MAX:
        body, first = await _collected(pieces), None
    else:
        # The first piece is waited for, so that a failure before it is still a proper answer.
        body, first = b"", await anext(pieces)
    source = await view.source(span)
    answer = found(spec, info, selection, source, cache_fields(source, view.age_s, is_stale=view.is_stale))
    if first is None:
        answer.body, answer.size = body, None
    else:
        answer.stream = _with_first(first, pieces)
    return answer


async def _with_first(
    first: bytes | memoryview, pieces: AsyncIterator[bytes | memoryview]
) -> AsyncIterator[bytes | memoryview]:
    yield first
    async for piece in pieces:
        yield piece


def cache_fields(source: Source, age_s: int, *, is_stale: bool) -> list[tuple[str, str]]:
    """What an answer says about where it came from."""
    fields = [("x-cache", source.value), ("age", str(age_s))]
    return [*fields, ("warning", STALE_WARNING)] if is_stale else fields


def found(spec: ReadSpec, info: Info, selection: Selection, source: Source, said: list[tuple[str, str]]) -> Answer:
    """A 200 or 206 but for its bytes. `said` are the fields about the cache."""
    fields = object_fields(info, spec.overrides)
    fields += said
    if selection.part_count:
        fields.append(("x-amz-mp-parts-count", str(selection.part_count)))
    if selection.span is not None:
        fields.append(("content-range", content_range(selection.span, info.size)))
        return Answer(206, fields, size=selection.span.size, cache=source.value)
    if spec.with_checksum and info.checksum is not None:
        fields += checksums.wire(info.checksum, with_type=True)
    return Answer(200, fields, size=info.size, cache=source.value)


def not_modified(info: Info, source: Source, said: list[tuple[str, str]]) -> Answer:
    """The 304. `said` are the fields about the cache."""
    return Answer(304, [*not_modified_fields(info), *said], cache=source.value)


async def _collected(pieces: AsyncIterator[bytes | memoryview]) -> bytes:
    """All the bytes; a piece is valid only until the next, so each is copied once."""
    whole = b""
    async for piece in pieces:
        whole = whole + piece if whole else bytes(piece)
    return whole
