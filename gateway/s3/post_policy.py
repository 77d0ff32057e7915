"""The policy of an upload form: what its fields and its file must be.

Source: "Browser-Based Uploads Using POST", Creating a POST policy.
"""

import json
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.errors import AccessRefused, BodyTooSmall, FormPolicyInvalid, ObjectTooLarge
from gateway.model import Bucket
from gateway.s3.dates import parse_xml_date

_UNCONDITIONED = frozenset(
    (
        "file",
        "policy",
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-signature",
        "awsaccesskeyid",
        "signature",
    )
)
"""Fields that need no condition, beside those that begin with x-ignore-."""


@dataclass(frozen=True, slots=True)
class SizeRange:
    """The sizes a policy allows the file, both ends included."""

    size_min: int
    size_max: int

    def check(self, size: int) -> None:
        """Raise `BodyTooSmall` or `ObjectTooLarge` for a size outside."""
        if size < self.size_min:
            raise BodyTooSmall(ProposedSize=size, MinSizeAllowed=self.size_min)
        if size > self.size_max:
            raise ObjectTooLarge(ProposedSize=size, MaxSizeAllowed=self.size_max)


def check_policy(fields: Mapping[str, str], bucket: Bucket, now_s: float) -> SizeRange | None:
    """Hold a form to its policy, if it has one; what it says about the size is returned.

    Names in `fields` are lower case. Raises `FormPolicyInvalid` for a policy that is none, and
    `AccessRefused` for one that is over or does not allow this form.
    """
    if "policy" not in fields:
        return None
    policy = _parse(fields["policy"])
    if now_s >= policy.expiration_s:
        raise AccessRefused("Invalid according to Policy: Policy expired.")
    values = {**fields, "bucket": bucket}
    for match in policy.matches:
        if not match.holds(values.get(match.field, "")):
            raise AccessRefused(f"Invalid according to Policy: Policy Condition failed: {match.text}")
    _refuse_extra(fields, {match.field for match in policy.matches})
    return _intersection(policy.ranges)


@dataclass(frozen=True, slots=True)
class _Match:
    field: str
    value: str
    is_prefix: bool

    def holds(self, value: str) -> bool:
        return value.startswith(self.value) if self.is_prefix else value == self.value

    @property
    def text(self) -> str:
        return json.dumps(["starts-with" if self.is_prefix else "eq", "$" + self.field, self.value])


@dataclass(frozen=True, slots=True)
class _Policy:
    expiration_s: int
    matches: list[_Match]
    ranges: list[SizeRange]


def _refuse_extra(fields: Iterable[str], conditioned: set[str]) -> None:
    for name in fields:
        if name not in conditioned and name not in _UNCONDITIONED and not name.startswith("x-ignore-"):
            raise AccessRefused(f"Invalid according to Policy: Extra input fields: {name}")


def _intersection(ranges: list[SizeRange]) -> SizeRange | None:
    if not ranges:
        return None
    return SizeRange(max(each.size_min for each in ranges), min(each.size_max for each in ranges))


def _parse(text: str) -> _Policy:
    document: object = _json(text)
    if not isinstance(document, dict):
        raise FormPolicyInvalid("Invalid Policy: it is not a JSON object.")
    expiration, conditions = document.get("expiration"), document.get("conditions")
    expiration_s = parse_xml_date(expiration) if isinstance(expiration, str) else None
    if expiration_s is None:
        raise FormPolicyInvalid("Invalid Policy: it has no valid 'expiration'.")
    if not isinstance(conditions, list):
        raise FormPolicyInvalid("Invalid Policy: it has no list of 'conditions'.")
    parsed = [_condition(condition) for condition in conditions]
    return _Policy(
        expiration_s,
        [each for each in parsed if isinstance(each, _Match)],
        [each for each in parsed if isinstance(each, SizeRange)],
    )


def _json(text: str) -> object:
    try:
        document: object = json.loads(b64decode(text, validate=True))
    # Brackets nested too deeply end in RecursionError.
    except (ValueError, RecursionError):
        raise FormPolicyInvalid("Invalid Policy: it is not JSON in base64.") from None
    return document


def _condition(condition: object) -> _Match | SizeRange:
    match condition:
        case dict() if len(condition) == 1:
            name, value = next(iter(condition.items()))
            if isinstance(value, str):
                return _Match(name.lower(), value, is_prefix=False)
        case ["content-length-range", size_min, size_max]:
            return _size_range(size_min, size_max)
        case ["eq" | "starts-with" as operator, str(name), str(value)] if name.startswith("$"):
            return _Match(name[1:].lower(), value, is_prefix=operator == "starts-with")
    raise FormPolicyInvalid("Invalid Policy: a condition has a shape that no condition has.")


def _size_range(size_min: object, size_max: object) -> SizeRange:
    smallest, largest = _bytes(size_min), _bytes(size_max)
    if smallest > largest:
        raise FormPolicyInvalid("Invalid Policy: content-length-range has its ends the wrong way round.")
    return SizeRange(smallest, largest)


def _bytes(value: object) -> int:
    # Policies in the wild have these numbers as text, too. A bool is an int to Python.
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        return int(value)
    raise FormPolicyInvalid("Invalid Policy: content-length-range needs two numbers of bytes.")
