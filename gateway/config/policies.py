"""Policies as people write them: the subset of IAM's JSON that S3 servers share, in TOML or a JSON file."""

import ipaddress
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from gateway.config.fields import OptionalPath, Section

ANONYMOUS_POLICY = "anonymous"
"""The policy whose rights unsigned requests have."""

ARN = "arn:aws:s3:::"
"""What may stand before a resource, and means nothing."""

OPERATORS = (
    "StringEquals",
    "StringNotEquals",
    "StringLike",
    "StringNotLike",
    "NumericLessThanEquals",
    "Bool",
    "IpAddress",
    "NotIpAddress",
)
"""The operators of conditions; each also with `IfExists` behind it."""

CONDITION_KEYS = (
    "s3:prefix",
    "s3:delimiter",
    "s3:max-keys",
    "s3:x-amz-acl",
    "aws:SourceIp",
    "aws:SecureTransport",
    "aws:username",
)
"""What conditions may ask about; the names ignore case."""

POLICY_SIZE_MAX = 1024 * 1024
"""Bytes of a policy's JSON file."""

_CONDITION_KEYS_BY_LOWER = {key.lower(): key for key in CONDITION_KEYS}
_POLICY_NAMES = {"Version": "version", "Id": "id", "Statement": "statement"}
_STATEMENT_NAMES = {
    "Sid": "sid",
    "Effect": "effect",
    "Action": "action",
    "NotAction": "not_action",
    "Resource": "resource",
    "NotResource": "not_resource",
    "Condition": "condition",
}
_ACTION = re.compile(r"\*|(s3|admin):[a-z*?]+", re.IGNORECASE)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _words(value: object) -> object:
    # IAM takes one value for a list of one, and JSON's own booleans and numbers for texts.
    values = value if isinstance(value, list | tuple) else [value]
    return [_word(each) for each in values]


def _word(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
"""A text or a list of texts."""


class StatementConfig(Section):
    """One statement: who fits it is allowed, or denied."""

    sid: str = ""
    """A name for people; it has no effect."""

    effect: Literal["Allow", "Deny"]
    """Deny wins over Allow."""

    action: Words = ()
    """Actions like `s3:GetObject`; `*` and `?` stand for other characters, and case is ignored."""

    not_action: Words = ()
    """All actions but these; instead of `action`."""

    resource: Words = ()
    """`bucket`, `bucket/key` or either behind `arn:aws:s3:::`; `*` and `?` stand for any characters."""

    not_resource: Words = ()
    """All resources but these; instead of `resource`."""

    condition: dict[str, dict[str, Words]] = Field(default_factory=dict)
    """Operator to condition key to values; all operators must hold, of the values one."""

    @field_validator("action", "not_action", mode="after")
    @classmethod
    def _are_actions(cls, actions: tuple[str, ...]) -> tuple[str, ...]:
        for action in actions:
            if not _ACTION.fullmatch(action):
                raise ValueError(f'{action!r} is no action: write "*", "s3:..." or "admin:..."')
        return actions

    @field_validator("resource", "not_resource", mode="after")
    @classmethod
    def _are_resources(cls, resources: tuple[str, ...]) -> tuple[str, ...]:
        for resource in resources:
            if "${" in resource:
                raise ValueError("policy variables like ${aws:username} are not supported")
            name = resource.removeprefix(ARN)
            if not name or name.startswith(("arn:", "/")):
                raise ValueError(f'{resource!r} is no resource: write "bucket", "bucket/key" or "{ARN}..."')
        return resources

    @field_validator("condition", mode="after")
    @classmethod
    def _are_conditions(
        cls, condition: Mapping[str, Mapping[str, tuple[str, ...]]]
    ) -> dict[str, dict[str, tuple[str, ...]]]:
        return {
            operator: {_condition_key(key): _operands(operator, values) for key, values in asked.items()}
            for operator, asked in condition.items()
        }

    @model_validator(mode="after")
    def _is_complete(self) -> "StatementConfig":
        if bool(self.action) == bool(self.not_action):
            raise ValueError("needs either action or not_action")
        if bool(self.resource) == bool(self.not_resource):
            raise ValueError("needs either resource or not_resource")
        return self


class PolicyConfig(Section):
    """A policy: statements here, or IAM's JSON in a file (`file = "policy.json"`)."""

    statement: tuple[StatementConfig, ...] = ()
    """The statements."""

    file: OptionalPath = None
    """Instead of statements: a file with IAM's JSON, read at the start."""

    @field_validator("statement", mode="after")
    @classmethod
    def _says_something(cls, statements: tuple[StatementConfig, ...]) -> tuple[StatementConfig, ...]:
        if not statements:
            raise ValueError("a policy has at least one statement, or a file that has")
        return statements

    @model_validator(mode="before")
    @classmethod
    def _from_file(cls, data: object, info: ValidationInfo) -> object:
        match data:
            case {"file": str(name), "statement": _} if name:
                raise ValueError("give either file or statement")
            case {"file": str(name)} if name:
                path = Path(info.context["base"] if info.context else "", name)
                return {"file": path, "statement": _statements_in(path)}
            case _:
                return data


def _statements_in(path: Path) -> list[dict[str, object]]:
    """IAM's JSON in the names of the configuration file."""
    policy = _with_names(_read(path), _POLICY_NAMES)
    statements = policy.get("statement", [])
    listed = statements if isinstance(statements, list) else [statements]
    return [_with_names(statement, _STATEMENT_NAMES) for statement in listed]


def _read(path: Path) -> object:
    try:
        with path.open("rb") as file:
            raw = file.read(POLICY_SIZE_MAX + 1)
        if len(raw) > POLICY_SIZE_MAX:
            raise ValueError(f"{path} is too large to be a policy")
        document: object = json.loads(raw)
        # JSON can write half of a surrogate pair, which is no text: no key could match it.
        json.dumps(document, ensure_ascii=False).encode()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    return document


def _with_names(value: object, names: Mapping[str, str]) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError("a policy and each of its statements is a JSON object")
    for name in value:
        if name not in names:
            raise ValueError(f"{name!r} is not supported in a policy; known are {', '.join(names)}")
    return {names[name]: content for name, content in value.items()}


def _condition_key(key: str) -> str:
    if key.lower() not in _CONDITION_KEYS_BY_LOWER:
        raise ValueError(f"{key!r} is no condition key; known are {', '.join(CONDITION_KEYS)}")
    return _CONDITION_KEYS_BY_LOWER[key.lower()]


def _operands(operator: str, values: tuple[str, ...]) -> tuple[str, ...]:
    kind = operator.removesuffix("IfExists")
    if kind not in OPERATORS:
        raise ValueError(f"{operator!r} is no condition operator; known are {', '.join(OPERATORS)}")
    for value in values:
        if "${" in value:
            raise ValueError("policy variables like ${aws:username} are not supported")
        if kind == "Bool" and value.lower() not in ("true", "false"):
            raise ValueError(f"{operator} compares with true or false")
        if kind == "NumericLessThanEquals" and not _NUMBER.fullmatch(value):
            raise ValueError(f"{operator} compares with a number")
        if kind in ("IpAddress", "NotIpAddress"):
            ipaddress.ip_network(value, strict=False)
    return values
