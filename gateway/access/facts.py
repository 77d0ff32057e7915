"""What a policy's conditions may ask about a request, and the asking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from gateway.access.wildcards import compile_wildcard

Facts = Mapping[str, str]
"""Condition keys in lower case (`s3:prefix`, `aws:sourceip` ...) and what holds for this request."""

PREFIX = "s3:prefix"
DELIMITER = "s3:delimiter"
KEYS_MAX = "s3:max-keys"
ACL = "s3:x-amz-acl"
SOURCE_IP = "aws:sourceip"
SECURE_TRANSPORT = "aws:securetransport"
USER_NAME = "aws:username"

IF_EXISTS = "IfExists"


@dataclass(frozen=True, slots=True)
class Check:
    """One condition key under one operator.

    `matches` says whether the fact equals one of the values. Without the fact a negated operator
    holds and any other does not, unless it ends in IfExists ("IAM JSON policy elements: Condition operators").
    """

    fact: str
    matches: Callable[[str], bool]
    negated: bool
    if_exists: bool

    def holds(self, facts: Facts) -> bool:
        value = facts.get(self.fact)
        if value is None:
            return self.negated or self.if_exists
        return self.matches(value) != self.negated


def compile_check(operator: str, fact: str, values: Sequence[str]) -> Check:
    """The check of one condition; configuration has already refused unknown operators and values."""
    base = operator.removesuffix(IF_EXISTS)
    matcher, negated = _OPERATORS[base]
    return Check(fact.lower(), matcher(values), negated=negated, if_exists=base != operator)


def _equals(values: Sequence[str]) -> Callable[[str], bool]:
    return frozenset(values).__contains__


def _like(values: Sequence[str]) -> Callable[[str], bool]:
    patterns = [compile_wildcard(value) for value in values]
    return lambda text: any(pattern.matches(text.encode("utf-8", "surrogateescape")) for pattern in patterns)


def _at_most(values: Sequence[str]) -> Callable[[str], bool]:
    largest = max(float(value) for value in values)

    def matches(text: str) -> bool:
        try:
            return float(text) <= largest
        except ValueError:
            return False

    return matches


def _same_truth(values: Sequence[str]) -> Callable[[str], bool]:
    wanted = {value.lower() for value in values}
    return lambda text: text.lower() in wanted


def _in_networks(values: Sequence[str]) -> Callable[[str], bool]:
    networks = [ip_network(value, strict=False) for value in values]

    def matches(text: str) -> bool:
        try:
            address = ip_address(text)
        except ValueError:
            return False
        return any(address in network for network in networks)

    return matches


_OPERATORS: Mapping[str, tuple[Callable[[Sequence[str]], Callable[[str], bool]], bool]] = {
    "StringEquals": (_equals, False),
    "StringNotEquals": (_equals, True),
    "StringLike": (_like, False),
    "StringNotLike": (_like, True),
    "NumericLessThanEquals": (_at_most, False),
    "Bool": (_same_truth, False),
    "IpAddress": (_in_networks, False),
    "NotIpAddress": (_in_networks, True),
}
