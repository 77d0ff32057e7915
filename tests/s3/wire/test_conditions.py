"""Conditions, against a literal transcription of the standard's steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ConditionFailed, GatewayError, ObjectMissing
from gateway.model import UNCONDITIONAL, Condition, IfAbsent, IfVersion, Info
from gateway.s3.conditions import Outcome, delete_pin, needs_current, range_applies, read_outcome, write_condition
from gateway.s3.guards import DeleteConditions, ReadConditions, TagList, WriteConditions
from tests.s3.wire.heads import info

ETAGS = st.sampled_from(["a", "b", "c", ""])
TAG_LISTS = st.builds(
    TagList, st.booleans(), st.lists(ETAGS, max_size=2).map(tuple), st.lists(ETAGS, max_size=2).map(tuple)
)
TIMES = st.integers(998, 1002)
INFOS = st.builds(lambda etag, time: info(etag, modified_s=time), st.sampled_from(["a", "b", "c"]), TIMES)


def literal_read(conditions: ReadConditions, current: Info) -> Outcome:
    """RFC 9110, section 13.2.2, step by step."""
    etag = current.etag
    # Step 1 and, without If-Match, step 2.
    if conditions.if_match is not None:
        if not (conditions.if_match.any or etag in conditions.if_match.strong):
            return Outcome.FAILED
    elif conditions.if_unmodified_since_s is not None and not current.modified_s <= conditions.if_unmodified_since_s:
        return Outcome.FAILED
    # Step 3 and, without If-None-Match, step 4.
    if conditions.if_none_match is not None:
        tags = conditions.if_none_match
        if tags.any or etag in (*tags.strong, *tags.weak):
            return Outcome.NOT_MODIFIED
    elif conditions.if_modified_since_s is not None and not current.modified_s > conditions.if_modified_since_s:
        return Outcome.NOT_MODIFIED
    # Step 5 is the range's, step 6 the answer.
    return Outcome.PROCEED


@given(
    st.builds(ReadConditions, st.none() | TAG_LISTS, st.none() | TAG_LISTS, st.none() | TIMES, st.none() | TIMES), INFOS
)
def test_reads_are_judged_as_the_standard_says(conditions: ReadConditions, current: Info) -> None:
    assert read_outcome(conditions, current) is literal_read(conditions, current)


def test_a_weak_tag_never_satisfies_if_match_and_may_satisfy_if_none_match() -> None:
    weak = TagList(weak=("tag",))
    assert read_outcome(ReadConditions(if_match=weak), info()) is Outcome.FAILED
    assert read_outcome(ReadConditions(if_none_match=weak), info()) is Outcome.NOT_MODIFIED


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [
        (None, True),
        (TagList(strong=("tag",)), True),
        (TagList(strong=("other",)), False),
        (TagList(weak=("tag",)), False),
        (TagList(any=True), False),
        (1_000, True),
        (1_001, False),
        (999, False),
    ],
)
def test_if_range_wants_exactly_this_tag_or_exactly_this_date(if_range: TagList | int | None, applies: bool) -> None:
    assert range_applies(if_range, info()) is applies


def write_verdict(conditions: WriteConditions, current: Info | None) -> Condition | type[GatewayError]:
    try:
        return write_condition(conditions, current)
    except GatewayError as error:
        return type(error)


ANY, MINE, OTHER = TagList(any=True), TagList(strong=("tag",)), TagList(strong=("other",))
PIN = IfVersion(info().version)


@pytest.mark.parametrize(
    ("if_match", "if_none_match", "there", "absent"),
    [
        (None, None, UNCONDITIONAL, UNCONDITIONAL),
        (None, ANY, ConditionFailed, IfAbsent()),
        (None, MINE, ConditionFailed, IfAbsent()),
        (None, OTHER, PIN, IfAbsent()),
        (ANY, None, PIN, ObjectMissing),
        (MINE, None, PIN, ObjectMissing),
        (OTHER, None, ConditionFailed, ObjectMissing),
        (TagList(strong=("",)), None, ConditionFailed, ObjectMissing),
        (TagList(weak=("tag",)), None, ConditionFailed, ObjectMissing),
        (MINE, ANY, ConditionFailed, ObjectMissing),
        (MINE, OTHER, PIN, ObjectMissing),
    ],
)
def test_a_write_becomes_a_pin_on_what_was_seen_or_fails_at_once(
    if_match: TagList | None,
    if_none_match: TagList | None,
    there: Condition | type[GatewayError],
    absent: Condition | type[GatewayError],
) -> None:
    conditions = WriteConditions(if_match, if_none_match)
    assert write_verdict(conditions, info()) == there
    assert write_verdict(conditions, None) == absent
    assert needs_current(conditions) is (conditions != WriteConditions())


@pytest.mark.parametrize("conditions", [DeleteConditions(size=10), DeleteConditions(MINE, 10, 1_000)])
def test_a_delete_whose_conditions_hold_is_pinned(conditions: DeleteConditions) -> None:
    assert needs_current(conditions)
    assert delete_pin(conditions, info()) == info().version


@pytest.mark.parametrize(
    "conditions", [DeleteConditions(OTHER), DeleteConditions(size=11), DeleteConditions(MINE, 10, 999)]
)
def test_a_delete_whose_conditions_differ_fails(conditions: DeleteConditions) -> None:
    with pytest.raises(ConditionFailed):
        delete_pin(conditions, info())


def test_deleting_nothing_is_a_success_unless_a_tag_was_demanded() -> None:
    assert delete_pin(DeleteConditions(), info()) is None
    assert delete_pin(DeleteConditions(size=11, modified_s=5), None) is None
    with pytest.raises(ObjectMissing):
        delete_pin(DeleteConditions(ANY), None)
