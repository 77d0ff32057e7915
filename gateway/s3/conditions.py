"""Conditions of reads, writes and deletes: values in, verdict out (RFC 9110, section 13.2.2, with S3's answers)."""

from enum import Enum, auto

from gateway.errors import ConditionFailed, ObjectMissing
from gateway.model import UNCONDITIONAL, Condition, ETag, IfAbsent, IfVersion, Info, Version
from gateway.s3.guards import DeleteConditions, ReadConditions, TagList, WriteConditions


class Outcome(Enum):
    """What a read's conditions come to. Copies answer NOT_MODIFIED as a failure."""

    PROCEED = auto()
    NOT_MODIFIED = auto()
    FAILED = auto()


def read_outcome(conditions: ReadConditions, info: Info) -> Outcome:
    """The verdict on an object that is there; a missing one is missing first."""
    if conditions.if_match is not None:
        if not matches_strongly(conditions.if_match, info.etag):
            return Outcome.FAILED
    elif conditions.if_unmodified_since_s is not None and info.modified_s > conditions.if_unmodified_since_s:
        return Outcome.FAILED
    if conditions.if_none_match is not None:
        if matches_weakly(conditions.if_none_match, info.etag):
            return Outcome.NOT_MODIFIED
    elif conditions.if_modified_since_s is not None and info.modified_s <= conditions.if_modified_since_s:
        return Outcome.NOT_MODIFIED
    return Outcome.PROCEED


def range_applies(if_range: TagList | int | None, info: Info) -> bool:
    """Whether If-Range lets the Range count; else the whole object answers (RFC 9110, section 13.1.5)."""
    if if_range is None:
        return True
    if isinstance(if_range, int):
        return if_range == info.modified_s
    return not if_range.any and matches_strongly(if_range, info.etag)


def needs_current(conditions: WriteConditions | DeleteConditions) -> bool:
    """Whether the handler must look at what is there before it writes or deletes."""
    return conditions not in (WriteConditions(), DeleteConditions())


def write_condition(conditions: WriteConditions, current: Info | None) -> Condition:
    """What the backend must hold at the commit, given what is there now (None: nothing).

    Raises `ObjectMissing` or `ConditionFailed` when the answer is already known. Conditions on
    tags pin the version just seen, so a race lost in between shows.
    """
    if conditions.if_match is not None:
        pin = _match(conditions.if_match, current)
        if conditions.if_none_match is None:
            return IfVersion(pin)
    if conditions.if_none_match is None:
        return UNCONDITIONAL
    if current is None:
        return IfAbsent()
    if matches_weakly(conditions.if_none_match, current.etag):
        raise ConditionFailed(Condition="If-None-Match")
    return IfVersion(current.version)


def delete_pin(conditions: DeleteConditions, current: Info | None) -> Version | None:
    """The version that alone may be deleted, or None for whatever is there.

    Raises `ObjectMissing` (If-Match and nothing there) or `ConditionFailed`. Conditions on size and
    time hold when nothing is there.
    """
    if conditions.if_match is not None:
        _match(conditions.if_match, current)
    if current is None or conditions == DeleteConditions():
        return None
    if conditions.size is not None and conditions.size != current.size:
        raise ConditionFailed(Condition="x-amz-if-match-size")
    if conditions.modified_s is not None and conditions.modified_s != current.modified_s:
        raise ConditionFailed(Condition="x-amz-if-match-last-modified-time")
    return current.version


def matches_strongly(tags: TagList, etag: ETag) -> bool:
    """If-Match's comparison: a weak tag never matches."""
    return tags.any or etag in tags.strong


def matches_weakly(tags: TagList, etag: ETag) -> bool:
    """If-None-Match's comparison."""
    return tags.any or etag in tags.strong or etag in tags.weak


def _match(tags: TagList, current: Info | None) -> Version:
    if current is None:
        raise ObjectMissing
    if not matches_strongly(tags, current.etag):
        raise ConditionFailed(Condition="If-Match")
    return current.version
