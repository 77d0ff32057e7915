"""Policies: who may do what, decided from values alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.access.facts import Check, Facts, compile_check
from gateway.access.wildcards import Wildcard, compile_wildcard
from gateway.config import StatementConfig
from gateway.config.policies import ARN
from gateway.model import Bucket, Key

ADMIN = b"admin:"


@dataclass(frozen=True, slots=True)
class Ask:
    """May this action be done to this bucket, or to this key in it? `bucket` None: to the service."""

    action: str
    bucket: Bucket | None = None
    key: Key | None = None
    facts: Facts = field(default_factory=dict)

    @property
    def resource(self) -> bytes:
        """`bucket`, `bucket/key`, or nothing at all for the service, which only `*` matches."""
        if self.bucket is None:
            return b""
        name = self.bucket.encode()
        return name if self.key is None else name + b"/" + self.key


@dataclass(frozen=True, slots=True)
class Names:
    """Action or Resource: any of the patterns matches; NotAction or NotResource: none does."""

    patterns: tuple[Wildcard, ...]
    negated: bool

    def covers(self, text: bytes) -> bool:
        return any(pattern.matches(text) for pattern in self.patterns) != self.negated

    def covers_all_within(self, bucket: Bucket) -> bool:
        """Whether every key of the bucket is surely covered."""
        start = bucket.encode() + b"/"
        return not self.negated and any(pattern.matches_all_beginning_with(start) for pattern in self.patterns)

    def may_cover_within(self, bucket: Bucket) -> bool:
        """Whether the bucket or some key in it may be covered; a negated list may cover anything."""
        name = bucket.encode()
        return self.negated or any(
            pattern.matches(name) or pattern.matches_some_beginning_with(name + b"/") for pattern in self.patterns
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """One rule: it applies where action, resource and every condition match."""

    allows: bool
    actions: Names
    admin_actions: Names
    """What the statement says of actions that begin with `admin:`."""
    resources: Names
    checks: tuple[Check, ...]

    def applies(self, ask: Ask) -> bool:
        return (
            self.covers_action(ask.action.lower().encode())
            and self.resources.covers(ask.resource)
            and all(check.holds(ask.facts) for check in self.checks)
        )

    def covers_action(self, action: bytes) -> bool:
        """Whether it speaks of this action, given in lower case."""
        return (self.admin_actions if action.startswith(ADMIN) else self.actions).covers(action)


@dataclass(frozen=True, slots=True)
class Policy:
    """A named list of statements; several policies of one key are one list."""

    statements: tuple[Statement, ...]


def allows(policies: Iterable[Policy], ask: Ask, *, owned: bool = False) -> bool:
    """Denied by default; a Deny that applies wins; the owner of a bucket may do all in it otherwise."""
    allowed = owned
    for policy in policies:
        for statement in policy.statements:
            if (allowed and statement.allows) or not statement.applies(ask):
                continue
            if not statement.allows:
                return False
            allowed = True
    return allowed


def allows_all(policies: Iterable[Policy], action: str, bucket: Bucket, *, owned: bool) -> bool:
    """Whether the action is allowed to every key of the bucket, whatever the facts; False: that depends."""
    name = action.lower().encode()
    allowed = owned
    for policy in policies:
        for statement in policy.statements:
            if not statement.covers_action(name) or not statement.resources.may_cover_within(bucket):
                continue
            if not statement.allows:
                return False
            allowed = allowed or (not statement.checks and statement.resources.covers_all_within(bucket))
    return allowed


def may_allow_within(policies: Iterable[Policy], action: str, bucket: Bucket) -> bool:
    """Whether the action may be allowed to some key of the bucket, as far as that shows before the key is known."""
    name = action.lower().encode()
    return any(
        statement.allows and statement.actions.covers(name) and statement.resources.may_cover_within(bucket)
        for policy in policies
        for statement in policy.statements
    )


def compile_policy(statements: Iterable[StatementConfig]) -> Policy:
    """The policy that these statements make."""
    return Policy(tuple(_compile_statement(text) for text in statements))


def _compile_statement(text: StatementConfig) -> Statement:
    names = [name.lower() for name in text.action or text.not_action]
    actions = Names(tuple(map(compile_wildcard, names)), negated=bool(text.not_action))
    resources = [name.removeprefix(ARN) for name in text.resource or text.not_resource]
    return Statement(
        allows=text.effect == "Allow",
        actions=actions,
        admin_actions=_named_admin_actions(text) if text.effect == "Allow" else actions,
        resources=Names(tuple(map(compile_wildcard, resources)), negated=bool(text.not_resource)),
        checks=tuple(
            compile_check(operator, fact, values)
            for operator, facts in text.condition.items()
            for fact, values in facts.items()
        ),
    )


def _named_admin_actions(text: StatementConfig) -> Names:
    """An Allow gives rights over the node only by name, never by `*`; a Deny of `*` takes them all the same."""
    named = (name.lower() for name in text.action if name.lower().startswith(ADMIN.decode()))
    return Names(tuple(map(compile_wildcard, named)), negated=False)
