"""Policies against a model that reads them literally."""

import fnmatch
import ipaddress
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.policies import Ask, Policy, allows, allows_all, compile_policy
from gateway.config import StatementConfig
from gateway.model import Bucket, Key

ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "admin:Read"]
ACTION_PATTERNS = ["*", "s3:*", "s3:Get*", "S3:GETOBJECT", "s3:??tObject", "admin:*", "admin:Read"]
RESOURCE_PATTERNS = ["*", "train", "train/*", "tra?n/a", "arn:aws:s3:::train/*", "test*", "*/a"]
CONDITIONS: list[dict[str, dict[str, tuple[str, ...]]]] = [
    {},
    {"StringEquals": {"s3:prefix": ("home/", "")}},
    {"StringNotEquals": {"s3:prefix": ("home/",)}},
    {"StringLike": {"s3:prefix": ("h*",)}},
    {"StringNotLikeIfExists": {"s3:prefix": ("h*",)}},
    {"IpAddress": {"aws:SourceIp": ("10.0.0.0/8", "2001:db8::/32")}},
    {"NotIpAddress": {"aws:SourceIp": ("10.0.0.0/8",)}},
    {"NumericLessThanEquals": {"s3:max-keys": ("10",)}},
    {"NumericLessThanEqualsIfExists": {"s3:max-keys": ("10",)}},
    {"Bool": {"aws:SecureTransport": ("true",)}},
    {"StringEquals": {"aws:username": ("alice",)}, "Bool": {"aws:SecureTransport": ("false",)}},
]

statements = st.builds(
    lambda effect, actions, no_action, resources, no_resource, condition: StatementConfig(
        effect=effect,
        **{"not_action" if no_action else "action": actions},
        **{"not_resource" if no_resource else "resource": resources},
        condition=condition,
    ),
    st.sampled_from(["Allow", "Deny"]),
    st.lists(st.sampled_from(ACTION_PATTERNS), min_size=1, max_size=3).map(tuple),
    st.booleans(),
    st.lists(st.sampled_from(RESOURCE_PATTERNS), min_size=1, max_size=3).map(tuple),
    st.booleans(),
    st.sampled_from(CONDITIONS),
)
facts = st.fixed_dictionaries(
    {},
    optional={
        "s3:prefix": st.sampled_from(["", "home/", "other/"]),
        "s3:max-keys": st.sampled_from(["5", "10", "1000"]),
        "aws:sourceip": st.sampled_from(["10.1.2.3", "192.0.2.1", "2001:db8::1"]),
        "aws:securetransport": st.sampled_from(["true", "false"]),
        "aws:username": st.sampled_from(["alice", "bob"]),
    },
)
asks = st.builds(
    Ask,
    st.sampled_from(ACTIONS),
    st.sampled_from([Bucket("train"), Bucket("test"), None]),
    st.sampled_from([None, Key(b"a"), Key(b"x/a"), Key(b"b")]),
    facts,
)


@settings(max_examples=400)
@given(st.lists(statements, max_size=4), asks, st.booleans())
def test_a_policy_decides_as_its_literal_reading(texts: list[StatementConfig], ask: Ask, owned: bool) -> None:
    half = len(texts) // 2
    policies = [compile_policy(texts[:half]), compile_policy(texts[half:])]
    applying = [text for text in texts if model_applies(text, ask)]
    denied = any(text.effect == "Deny" for text in applying)
    expected = not denied and (owned or bool(applying))
    assert allows(policies, ask, owned=owned) == expected


def model_applies(text: StatementConfig, ask: Ask) -> bool:
    resource = "" if ask.bucket is None else ask.bucket
    if ask.key is not None and ask.bucket is not None:
        resource += "/" + ask.key.decode()
    action = ask.action.lower()
    names = [name.lower() for name in text.action]
    if text.effect == "Allow" and action.startswith("admin:"):
        acts = any(fnmatch.fnmatchcase(action, name) for name in names if name.startswith("admin:"))
    elif names:
        acts = any(fnmatch.fnmatchcase(action, name) for name in names)
    else:
        acts = not any(fnmatch.fnmatchcase(action, name.lower()) for name in text.not_action)
    return acts and model_covers(text, resource) and model_holds(text.condition, dict(ask.facts))


def model_covers(text: StatementConfig, resource: str) -> bool:
    listed = [name.removeprefix("arn:aws:s3:::") for name in text.resource or text.not_resource]
    return any(fnmatch.fnmatchcase(resource, name) for name in listed) != bool(text.not_resource)


def model_holds(condition: Mapping[str, Mapping[str, Sequence[str]]], facts: dict[str, str]) -> bool:
    for operator, asked in condition.items():
        for name, values in asked.items():
            fact = facts.get(name.lower())
            negated = "Not" in operator
            if fact is None:
                if not (negated or operator.endswith("IfExists")):
                    return False
            elif any(model_matches(operator, fact, value) for value in values) == negated:
                return False
    return True


def model_matches(operator: str, fact: str, value: str) -> bool:
    if "Like" in operator:
        return fnmatch.fnmatchcase(fact, value)
    if "Ip" in operator:
        return ipaddress.ip_address(fact) in ipaddress.ip_network(value)
    if "Numeric" in operator:
        return int(fact) <= int(value)
    return fact == value


def policy(**statement: object) -> Policy:
    return compile_policy([StatementConfig.model_validate(statement)])


def test_everything_is_denied_by_default() -> None:
    assert not allows([], Ask("s3:GetObject", Bucket("train"), Key(b"a")))


def test_the_owner_of_a_bucket_may_do_all_in_it_unless_a_deny_says_no() -> None:
    ask = Ask("s3:DeleteBucket", Bucket("mine"))
    assert allows([], ask, owned=True)
    assert not allows([policy(effect="Deny", action="s3:Delete*", resource="*")], ask, owned=True)


@pytest.mark.parametrize("allow", [{"action": "*"}, {"not_action": "s3:GetObject"}, {"action": ["*", "admin:Write"]}])
def test_an_allow_gives_rights_over_the_node_only_by_name(allow: dict[str, object]) -> None:
    assert not allows([policy(effect="Allow", resource="*", **allow)], Ask("admin:Read"))
    assert allows([policy(effect="Allow", action="admin:*", resource="*")], Ask("admin:Read"))


def test_a_question_about_the_service_is_covered_only_by_a_star() -> None:
    ask = Ask("s3:ListAllMyBuckets")
    assert allows([policy(effect="Allow", action="s3:*", resource="*")], ask)
    assert not allows([policy(effect="Allow", action="s3:*", resource=["train", "train/*"])], ask)


def test_a_key_is_not_covered_by_its_buckets_name() -> None:
    allow = policy(effect="Allow", action="s3:*", resource="train")
    assert allows([allow], Ask("s3:ListBucket", Bucket("train")))
    assert not allows([allow], Ask("s3:GetObject", Bucket("train"), Key(b"a")))


@given(st.lists(st.lists(statements, max_size=3), max_size=3), st.sampled_from(ACTIONS), st.booleans(), st.data())
def test_what_is_allowed_to_all_of_a_bucket_is_allowed_to_each_key_of_it(
    lists: list[list[StatementConfig]], action: str, owned: bool, data: st.DataObject
) -> None:
    policies = [compile_policy(each) for each in lists]
    bucket = Bucket("train")
    if allows_all(policies, action, bucket, owned=owned):
        key = Key(data.draw(st.one_of(st.sampled_from([b"a", b"x/a", b"b"]), st.binary(min_size=1, max_size=9))))
        assert allows(policies, Ask(action, bucket, key, data.draw(facts)), owned=owned)


def test_rights_to_all_of_a_bucket_are_found() -> None:
    everything = compile_policy([StatementConfig(effect="Allow", action=("s3:*",), resource=("*",))])
    bucket = compile_policy([StatementConfig(effect="Allow", action=("s3:Get*",), resource=("train/*",))])
    elsewhere = compile_policy([StatementConfig(effect="Deny", action=("s3:*",), resource=("test/*",))])
    for policies, owned in (([everything], False), ([bucket, elsewhere], False), ([elsewhere], True)):
        assert allows_all(policies, "s3:GetObject", Bucket("train"), owned=owned)
    assert not allows_all([bucket, elsewhere], "s3:GetObject", Bucket("test"), owned=True)
