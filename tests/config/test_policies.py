"""Policies as people write them, in TOML and in IAM's JSON."""

import json
from pathlib import Path

import pytest

from gateway.config import PolicyConfig, load
from gateway.errors import ConfigInvalid

IAM = {
    "Version": "2012-10-17",
    "Id": "ours",
    "Statement": [
        {
            "Sid": "read",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": ["arn:aws:s3:::train", "arn:aws:s3:::train/*"],
            "Condition": {
                "IpAddress": {"AWS:sourceip": "10.0.0.0/8"},
                "Bool": {"aws:SecureTransport": True},
                "NumericLessThanEqualsIfExists": {"s3:max-keys": 100},
            },
        },
        {"Effect": "Deny", "NotAction": "s3:Get*", "NotResource": "train/public/*"},
    ],
}


def policy_of(tmp_path: Path, text: str) -> PolicyConfig:
    (tmp_path / "c.toml").write_text(f"[policy.p]\n{text}\n")
    return load(tmp_path / "c.toml", {}).policy["p"]


def policy_in(tmp_path: Path, document: object) -> PolicyConfig:
    (tmp_path / "p.json").write_text(document if isinstance(document, str) else json.dumps(document))
    return policy_of(tmp_path, 'file = "p.json"')


def statement_with(**changes: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "a/*", **changes}


def test_json_as_iam_writes_it_is_understood(tmp_path: Path) -> None:
    allow, deny = policy_in(tmp_path, IAM).statement
    assert allow.action == ("s3:GetObject", "s3:ListBucket")
    assert allow.condition == {
        "IpAddress": {"aws:SourceIp": ("10.0.0.0/8",)},
        "Bool": {"aws:SecureTransport": ("true",)},
        "NumericLessThanEqualsIfExists": {"s3:max-keys": ("100",)},
    }
    assert (deny.effect, deny.not_action, deny.not_resource) == ("Deny", ("s3:Get*",), ("train/public/*",))


def test_the_same_policy_in_toml_is_the_same(tmp_path: Path) -> None:
    in_toml = policy_of(
        tmp_path,
        """\
[[policy.p.statement]]
sid = "read"
effect = "Allow"
action = ["s3:GetObject", "s3:ListBucket"]
resource = ["arn:aws:s3:::train", "arn:aws:s3:::train/*"]
[policy.p.statement.condition]
IpAddress = { "aws:SourceIp" = "10.0.0.0/8" }
Bool = { "aws:SecureTransport" = true }
NumericLessThanEqualsIfExists = { "s3:max-keys" = 100 }
[[policy.p.statement]]
effect = "Deny"
not_action = "s3:Get*"
not_resource = "train/public/*"
""",
    )
    assert in_toml.statement == policy_in(tmp_path, IAM).statement


def test_a_single_statement_needs_no_list(tmp_path: Path) -> None:
    assert len(policy_in(tmp_path, {"Statement": statement_with()}).statement) == 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"Principal": "*"}, "'Principal' is not supported"),
        ({"Effect": "allow"}, "effect"),
        ({"Action": []}, "needs either action or not_action"),
        ({"NotAction": "s3:*"}, "needs either action or not_action"),
        ({"NotResource": "b"}, "needs either resource or not_resource"),
        ({"Action": "ec2:RunInstances"}, "is no action"),
        ({"Action": "s3"}, "is no action"),
        ({"Resource": "arn:aws:s3:::"}, "is no resource"),
        ({"Resource": "arn:aws:sqs:::q"}, "is no resource"),
        ({"Resource": "/a"}, "is no resource"),
        ({"Resource": "home/${aws:username}/*"}, "policy variables"),
        ({"Condition": {"StringEquals": {"s3:prefix": "${aws:username}/"}}}, "policy variables"),
        ({"Condition": {"DateGreaterThan": {"s3:prefix": "x"}}}, "is no condition operator"),
        ({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "x"}}}, "is no condition key"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0"}}}, "IPv4"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "yes"}}}, "true or false"),
        ({"Condition": {"NumericLessThanEquals": {"s3:max-keys": "nan"}}}, "a number"),
        ({"Resource": "train/\ud800"}, "surrogates not allowed"),
    ],
)
def test_what_is_not_understood_refuses_the_file(tmp_path: Path, changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigInvalid, match=problem.replace("$", r"\$")):
        policy_in(tmp_path, {"Statement": [statement_with(**changes)]})


@pytest.mark.parametrize(
    "document", ["{", "[]", '{"Statement": [1]}', "{}", '{"Statements": []}', '"\\ud800"', "[" * 100_000]
)
def test_a_file_that_is_no_policy_is_refused(tmp_path: Path, document: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"c\.toml:1: policy\.p"):
        policy_in(tmp_path, document)


def test_a_policy_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"cannot read .*p\.json: No such file"):
        policy_of(tmp_path, 'file = "p.json"')


def test_a_policy_has_statements_or_a_file_but_not_both(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="at least one statement"):
        policy_of(tmp_path, "")
    with pytest.raises(ConfigInvalid, match="either file or statement"):
        policy_of(tmp_path, 'file = "p.json"\nstatement = []')
