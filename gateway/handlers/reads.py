"""GetObject and HeadObject: one version of an object, judged by its conditions, whole or in part."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.backends.base import Backend, Reading
from gateway.errors import ConditionFailed, SpanOutside, VersionChanged, VersionMissing
from gateway.handlers.call import Answer, Call
from gateway.handlers.permission import absence_hidden
from gateway.handlers.service import Service
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
        await held.enter_async_context(service.memory(MIB))
        stream = await held.enter_async_context(AsyncExitStack())
        with absence_hidden(service, call, mount.bucket):
            answer = await _open(stream, mount.backend, operation.key, spec)
        if answer.stream is None:
            await stream.aclose()
        answer.held = held.pop_all()
    return answer


async def head_object(service: Service, call: Call, mount: Mount, operation: HeadObject) -> Answer:
    """The head that GetObject would send."""
    spec = operation.spec
    check_version_id(spec.version_id)
    with absence_hidden(service, call, mount.bucket):
        info = await mount.backend.stat(operation.key)
    if _is_unmodified(spec, info):
        return _not_modified(info)
    return _head(spec, info, _select(spec, info))


def check_version_id(version_id: str | None) -> None:
    """Buckets are unversioned: `null` is the object that is there, every other version is missing."""
    if version_id not in (None, NULL_VERSION):
        raise VersionMissing(VersionId=version_id)


async def _open(stream: AsyncExitStack, backend: Backend, key: Key, spec: ReadSpec) -> Answer:
    if not _wants_info_first(spec):
        guess = _guessed_span(spec)
        try:
            reading = await stream.enter_async_context(backend.read(key, guess, None))
        except SpanOutside:
            # Conditions come before the range, so the info is needed to say what is wrong.
            pass
        else:
            if _is_unmodified(spec, reading.info):
                return _not_modified(reading.info)
            return await _answer(spec, reading)
    return await _open_pinned(stream, backend, key, spec)


async def _open_pinned(stream: AsyncExitStack, backend: Backend, key: Key, spec: ReadSpec) -> Answer:
    changes = 0
    while True:
        info = await backend.stat(key)
        if _is_unmodified(spec, info):
            return _not_modified(info)
        selection = _select(spec, info)
        try:
            reading = await stream.enter_async_context(backend.read(key, selection.span, info.version))
        except VersionChanged:
            changes += 1
            if changes == CHANGES_MAX:
                raise
        else:
            return await _answer(spec, reading)


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


def _is_unmodified(spec: ReadSpec, info: Info) -> bool:
    """Whether the answer is 304; raises ConditionFailed where it is 412."""
    match read_outcome(spec.conditions, info):
        case Outcome.FAILED:
            raise ConditionFailed(Condition=_named_condition(spec))
        case outcome:
            return outcome is Outcome.NOT_MODIFIED


def _named_condition(spec: ReadSpec) -> str:
    return "If-Match" if spec.conditions.if_match is not None else "If-Unmodified-Since"


def _select(spec: ReadSpec, info: Info) -> Selection:
    if spec.part_number is not None:
        span, count = part_span(info, spec.part_number)
        # An empty object is one part without bytes, of which no range can be told.
        return Selection(span if span.size else None, count)
    if spec.range is None or not range_applies(spec.if_range, info):
        return Selection()
    return Selection(span_of(spec.range, info.size))


async def _answer(spec: ReadSpec, reading: Reading) -> Answer:
    info = reading.info
    selection = _select(spec, info)
    answer = _head(spec, info, selection)
    size = info.size if selection.span is None else selection.span.size
    if size <= WHOLE_BODY_MAX:
        answer.body = await _collected(reading.pieces())
        answer.size = None
    else:
        answer.stream = reading.pieces()
    return answer


def _head(spec: ReadSpec, info: Info, selection: Selection) -> Answer:
    fields = object_fields(info, spec.overrides)
    fields += [("x-cache", "bypass"), ("age", "0")]
    if selection.part_count:
        fields.append(("x-amz-mp-parts-count", str(selection.part_count)))
    if selection.span is not None:
        fields.append(("content-range", content_range(selection.span, info.size)))
        return Answer(206, fields, size=selection.span.size, cache="bypass")
    if spec.with_checksum and info.checksum is not None:
        fields += checksums.wire(info.checksum, with_type=True)
    return Answer(200, fields, size=info.size, cache="bypass")


def _not_modified(info: Info) -> Answer:
    fields = [*not_modified_fields(info), ("x-cache", "bypass"), ("age", "0")]
    return Answer(304, fields, cache="bypass")


async def _collected(pieces: AsyncIterator[bytes | memoryview]) -> bytes:
    """All the bytes; a piece is valid only until the next, so each is copied once."""
    whole = b""
    async for piece in pieces:
        whole = whole + piece if whole else bytes(piece)
    return whole
