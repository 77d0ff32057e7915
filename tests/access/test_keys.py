"""Access keys: whose they are, when they end, and that they stay secret."""

from datetime import UTC, datetime

import pytest

from gateway.access.keys import Access
from gateway.access.policies import Ask, allows
from gateway.clock import ManualClock
from gateway.config import AccessKeyConfig, PolicyConfig
from gateway.errors import KeyIdUnknown
from gateway.model import Bucket, Key
from gateway.s3.proof import ANONYMOUS, Mechanism, Proof

NOW_S = 1_700_000_000.0
POLICIES = {
    "read": PolicyConfig.model_validate(
        {"statement": [{"effect": "Allow", "action": "s3:GetObject", "resource": "train/*"}]}
    ),
    "list": PolicyConfig.model_validate(
        {"statement": [{"effect": "Allow", "action": "s3:ListBucket", "resource": "train"}]}
    ),
}


def access_with(policies: dict[str, PolicyConfig], *keys: dict[str, object]) -> tuple[Access, ManualClock]:
    clock = ManualClock(NOW_S)
    return Access([AccessKeyConfig.model_validate(key) for key in keys], policies, clock), clock


def proof_of(key_id: str) -> Proof:
    return Proof(Mechanism.V4_HEADER, key_id)


def test_the_policies_of_a_key_are_one_list() -> None:
    access, _ = access_with(POLICIES, {"id": "a", "secret": "s" * 8, "policy": ["read", "list"], "user": "alice"})
    caller = access.caller(proof_of("a"), address="10.0.0.1", secure=True)
    assert caller.user == "alice"
    assert caller.facts == {"aws:sourceip": "10.0.0.1", "aws:securetransport": "true", "aws:username": "alice"}
    assert allows(caller.policies, Ask("s3:GetObject", Bucket("train"), Key(b"k")))
    assert allows(caller.policies, Ask("s3:ListBucket", Bucket("train")))
    assert not allows(caller.policies, Ask("s3:PutObject", Bucket("train"), Key(b"k")))


def test_a_key_without_a_user_is_its_own_user() -> None:
    access, _ = access_with({}, {"id": "a", "secret": "s" * 8})
    assert access.caller(proof_of("a"), address="", secure=False).user == "a"


def test_an_expired_key_is_as_unknown_as_one_that_never_was() -> None:
    end = datetime.fromtimestamp(NOW_S + 10, UTC)
    access, clock = access_with({}, {"id": "a", "secret": "s" * 8, "expires": end.isoformat()})
    assert access.secret_of("a") == "s" * 8
    clock.advance(10)
    assert access.secret_of("a") is None
    assert access.secret_of("b") is None
    with pytest.raises(KeyIdUnknown):
        access.caller(proof_of("a"), address="", secure=False)


def test_unsigned_requests_have_the_rights_of_the_anonymous_policy_or_none() -> None:
    closed, _ = access_with(POLICIES)
    assert closed.caller(ANONYMOUS, address="", secure=False).policies == ()
    opened, _ = access_with({"anonymous": POLICIES["read"]})
    caller = opened.caller(ANONYMOUS, address="", secure=False)
    assert caller.user is None
    assert allows(caller.policies, Ask("s3:GetObject", Bucket("train"), Key(b"k")))


@pytest.mark.parametrize(
    ("resource", "reached"),
    [("*", True), ("train", True), ("train/public/*", True), ("tr*/x", True), ("training/*", False), ("test", False)],
)
def test_a_bucket_is_public_exactly_if_the_anonymous_policy_reaches_into_it(resource: str, reached: bool) -> None:
    policy = PolicyConfig.model_validate(
        {"statement": [{"effect": "Allow", "action": "s3:GetObject", "resource": resource}]}
    )
    access, _ = access_with({"anonymous": policy})
    assert access.is_public(Bucket("train")) == reached


def test_a_bucket_is_not_public_without_an_anonymous_policy() -> None:
    assert not access_with(POLICIES)[0].is_public(Bucket("train"))


def test_no_repr_shows_a_secret() -> None:
    access, _ = access_with({}, {"id": "a", "secret": "very-secret"})
    shown = repr(access) + repr(vars(access)) + repr(access.caller(proof_of("a"), address="", secure=False))
    assert "very-secret" not in shown
