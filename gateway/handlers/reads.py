"""GetObject and HeadObject: one version of an object, judged by its conditions, whole or in part."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

from gateway.backends.base import Backend
from gateway.backends.base import Reading as Opened
from gateway.errors import ConditionFailed, SpanOutside, VersionChanged, VersionMissing
from gateway.handlers.call import Answer, Call
from gateway.handlers.permission import absence_hidden
from gateway.handlers.service import BUDGET_WAIT_MAX_S, Service
from gateway.model import MIB, Info, Key, Span
from gateway.mounts import Mount
from gateway.s3 import checksums
from gateway.s3.conditions import Outcome, range_applies, read_outcome
from gateway.s3.headers import not_modified_fields, object_fields
from gateway.s3.operations import GetObject, HeadObject, Reading
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
    reading = operation.reading
    check_version_id(reading.version_id)
    async with AsyncExitStack() as held:
        await held.enter_async_context(service.budget.reserve(MIB, BUDGET_WAIT_MAX_S))
        stream = await held.enter_async_context(AsyncExitStack())
        with absence_hidden(service, call, mount.bucket):
            answer = await _open(stream, mount.backend, operation.key, reading)
        if answer.stream is None:
            await stream.aclose()
        answer.held = held.pop_all()
    return answer


async def head_object(service: Service, call: Call, mount: Mount, operation: HeadObject) -> Answer:
    """The head that GetObject would send."""
    reading = operation.reading
    check_version_id(reading.version_id)
    with absence_hidden(service, call, mount.bucket):
        info = await mount.backend.stat(operation.key)
    if _is_unmodified(reading, info):
        return _not_modified(info)
    return _head(reading, info, _select(reading, info))


def check_version_id(version_id: str | None) -> None:
    """Buckets are unversioned: `null` is the object that is there, every other version is missing."""
    if version_id not in (None, NULL_VERSION):
        raise VersionMissing(VersionId=version_id)


async def _open(stream: AsyncExitStack, backend: Backend, key: Key, reading: Reading) -> Answer:
    if not _wants_info_first(reading):
        guess = _guessed_span(reading)
        try:
            opened = await stream.enter_async_context(backend.read(key, guess, None))
        except SpanOutside:
            # Conditions come before the range, so the info is needed to say what is wrong.
            pass
        else:
            if _is_unmodified(reading, opened.info):
                return _not_modified(opened.info)
            return await _answer(reading, opened)
    return await _open_pinned(stream, backend, key, reading)


async def _open_pinned(stream: AsyncExitStack, backend: Backend, key: Key, reading: Reading) -> Answer:
    changes = 0
    while True:
        info = await backend.stat(key)
        if _is_unmodified(reading, info):
            return _not_modified(info)
        selection = _select(reading, info)
        try:
            opened = await stream.enter_async_context(backend.read(key, selection.span, info.version))
        except VersionChanged:
            changes += 1
            if changes == CHANGES_MAX:
                raise
        else:
            return await _answer(reading, opened)


def _wants_info_first(reading: Reading) -> bool:
    # A suffix, a part and If-Range need the size or the tag to know the span. If-None-Match and its
    # like most often end without a body, which would have been opened for nothing.
    conditions = reading.conditions
    return (
        reading.part_number is not None
        or reading.if_range is not None
        or (reading.range is not None and reading.range.suffix is not None)
        or conditions.if_none_match is not None
        or conditions.if_modified_since_s is not None
    )


def _guessed_span(reading: Reading) -> Span | None:
    if reading.range is None:
        return None
    assert reading.range.first is not None
    last = reading.range.last
    return Span(reading.range.first, END if last is None else last + 1)


def _is_unmodified(reading: Reading, info: Info) -> bool:
    """Whether the answer is 304; raises ConditionFailed where it is 412."""
    match read_outcome(reading.conditions, info):
        case Outcome.FAILED:
            raise ConditionFailed(Condition=_named_condition(reading))
        case outcome:
            return outcome is Outcome.NOT_MODIFIED


def _named_condition(reading: Reading) -> str:
    return "If-Match" if reading.conditions.if_match is not None else "If-Unmodified-Since"


def _select(reading: Reading, info: Info) -> Selection:
    if reading.part_number is not None:
        span, count = part_span(info, reading.part_number)
        # An empty object is one part without bytes, of which no range can be told.
        return Selection(span if span.size else None, count)
    if reading.range is None or not range_applies(reading.if_range, info):
        return Selection()
    return Selection(span_of(reading.range, info.size))


async def _answer(reading: Reading, opened: Opened) -> Answer:
    info = opened.info
    selection = _select(reading, info)
    answer = _head(reading, info, selection)
    size = info.size if selection.span is None else selection.span.size
    if size <= WHOLE_BODY_MAX:
        answer.body = await _collected(opened.pieces())
        answer.size = None
    else:
        answer.stream = opened.pieces()
    return answer


def _head(reading: Reading, info: Info, selection: Selection) -> Answer:
    fields = object_fields(info, reading.overrides)
    fields += [("x-cache", "bypass"), ("age", "0")]
    if selection.part_count:
        fields.append(("x-amz-mp-parts-count", str(selection.part_count)))
    if selection.span is not None:
        fields.append(("content-range", content_range(selection.span, info.size)))
        return Answer(206, fields, size=selection.span.size, cache="bypass")
    if reading.with_checksum and info.checksum is not None:
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
