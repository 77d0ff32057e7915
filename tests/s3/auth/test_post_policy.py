"""The policy of a form: its shapes, its conditions, its end."""

import json
from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AccessRefused, BodyTooSmall, FormPolicyInvalid, ObjectTooLarge
from gateway.model import Bucket
from gateway.s3.post_policy import SizeRange, check_policy

NOW_S = 1_700_000_000.0
LATER = "2999-12-31T12:00:00.000Z"
BUCKET = Bucket("bucket")


def encoded(document: object) -> str:
    return b64encode(json.dumps(document).encode()).decode()


def check(conditions: list[object], **fields: str) -> SizeRange | None:
    policy = encoded({"expiration": LATER, "conditions": conditions})
    return check_policy({"policy": policy, **fields}, BUCKET, NOW_S)


def test_a_form_without_a_policy_has_nothing_to_obey() -> None:
    assert check_policy({"key": "k"}, BUCKET, NOW_S) is None


@pytest.mark.parametrize(
    ("condition", "value", "good"),
    [
        ({"key": "k"}, "k", True),
        ({"KEY": "k"}, "k", True),
        ({"key": "k"}, "K", False),
        (["eq", "$key", "k"], "k", True),
        (["eq", "$Key", "k"], "kk", False),
        (["starts-with", "$key", "user/"], "user/a", True),
        (["starts-with", "$key", "user/"], "other", False),
        (["starts-with", "$key", ""], "anything", True),
    ],
)
def test_conditions_hold_or_refuse(condition: object, value: str, *, good: bool) -> None:
    if good:
        assert check([condition], key=value) is None
    else:
        with pytest.raises(AccessRefused, match="Policy Condition failed"):
            check([condition], key=value)


def test_a_condition_on_a_field_that_is_missing_fails() -> None:
    with pytest.raises(AccessRefused):
        check([{"acl": "private"}])


def test_the_bucket_is_the_one_addressed_whatever_a_field_says() -> None:
    assert check([{"bucket": "bucket"}]) is None
    with pytest.raises(AccessRefused):
        check([{"bucket": "other"}], bucket="other")


def test_every_other_field_needs_a_condition() -> None:
    with pytest.raises(AccessRefused, match="Extra input fields: acl"):
        check([], acl="public-read")
    free = {"x-ignore-me": "1", "x-amz-signature": "s", "x-amz-date": "d", "awsaccesskeyid": "i", "signature": "s"}
    assert check([], **free) is None


def test_a_policy_ends() -> None:
    policy = encoded({"expiration": "2023-11-14T22:13:20Z", "conditions": []})
    assert check_policy({"policy": policy}, BUCKET, NOW_S - 1) is None
    with pytest.raises(AccessRefused, match="Policy expired"):
        check_policy({"policy": policy}, BUCKET, NOW_S)


@pytest.mark.parametrize(
    ("conditions", "allowed"),
    [
        ([["content-length-range", 1, 10]], SizeRange(1, 10)),
        ([["content-length-range", "1", "10"]], SizeRange(1, 10)),
        ([["content-length-range", 1, 10], ["content-length-range", 5, 20]], SizeRange(5, 10)),
    ],
)
def test_sizes_are_returned_for_the_body_to_obey(conditions: list[object], allowed: SizeRange) -> None:
    assert check(conditions) == allowed


def test_a_size_outside_the_range_is_refused() -> None:
    allowed = SizeRange(2, 3)
    allowed.check(2)
    allowed.check(3)
    with pytest.raises(BodyTooSmall):
        allowed.check(1)
    with pytest.raises(ObjectTooLarge):
        allowed.check(4)


@pytest.mark.parametrize(
    "policy",
    [
        "not base64!",
        b64encode(b"not json").decode(),
        b64encode(b"\xff").decode(),
        b64encode(b"[" * 14_000).decode(),
        encoded([]),
        encoded({}),
        encoded({"expiration": LATER}),
        encoded({"conditions": []}),
        encoded({"Expiration": LATER, "conditions": []}),
        encoded({"expiration": LATER, "conditions": {}}),
        encoded({"expiration": "tomorrow", "conditions": []}),
        encoded({"expiration": 5, "conditions": []}),
    ],
)
def test_what_is_no_policy_is_refused(policy: str) -> None:
    with pytest.raises(FormPolicyInvalid):
        check_policy({"policy": policy}, BUCKET, NOW_S)


@pytest.mark.parametrize(
    "condition",
    [
        {},
        [],
        "key",
        5,
        None,
        {"key": 5},
        {"key": "k", "acl": "private"},
        ["eq", "$key"],
        ["eq", "key", "k"],
        ["EQ", "$key", "k"],
        ["ends-with", "$key", "k"],
        ["starts-with", "$key", 5],
        ["content-length-range", 1],
        ["content-length-range", 10, 1],
        ["content-length-range", -1, 1],
        ["content-length-range", True, 1],
        ["content-length-range", "x", 1],
        ["content-length-range", 1.5, 2],
        ["content-length-range", None, 2],
    ],
)
def test_what_is_no_condition_is_refused(condition: object) -> None:
    with pytest.raises(FormPolicyInvalid):
        check([condition], key="k")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@given(DOCUMENTS)
def test_random_conditions_never_escape_as_another_exception(condition: object) -> None:
    with suppress(FormPolicyInvalid, AccessRefused):
        check([condition], key="k")
