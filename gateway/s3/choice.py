"""From a request head to a typed operation: one table of (level, method, sub-resource).

What is in no line of the table is refused by name and never ignored: dropping `?tagging` from a DELETE
would destroy an object.
"""

from collections.abc import Mapping

from gateway.errors import GatewayError, MethodRefused, Unsupported
from gateway.s3 import bucket_rules, object_rules, upload_rules
from gateway.s3.head import Head, Target
from gateway.s3.headers import read_sent
from gateway.s3.operations import Operation
from gateway.s3.parameters import Parameters
from gateway.s3.presigned import selecting
from gateway.s3.rules import Level, Request, Rule, words
from gateway.s3.stored import check_headers

RULES: Mapping[Level, tuple[Rule, ...]] = {
    Level.SERVICE: bucket_rules.SERVICE,
    Level.BUCKET: (*bucket_rules.RULES, *bucket_rules.TRUTHS),
    Level.OBJECT: (*object_rules.RULES, *object_rules.TRUTHS, *upload_rules.RULES),
}

REFUSED: Mapping[Level, frozenset[str]] = {
    Level.SERVICE: words("max-directory-buckets"),
    Level.BUCKET: words(
        "abac analytics batch intelligent-tiering inventory metadataAnnotationTable metadataConfiguration "
        "metadataInventoryTable metadataJournalTable metadataTable metrics session versions"
    ),
    Level.OBJECT: words(
        "annotation attributes encryption member member-index renameObject restore select select-type torrent"
    ),
}
"""Sub-resources of the S3 API, and of ours to come, that nothing here implements."""


def choose(head: Head, target: Target) -> Operation:
    """The operation that a request asks for.

    Raises `MethodRefused` for a method nobody has at this level, `Unsupported` for every sub-resource,
    parameter or header that is not known or not implemented, and what the parameters' own rules say.
    """
    if head.method == "OPTIONS":
        raise Unsupported("OPTIONS is not implemented.", Method="OPTIONS")
    level = _level(target)
    names = selecting(target.query) if target.query else []
    rule = _rule(level, head.method, names)
    sent = read_sent(head, target)
    check_headers(sent)
    return rule.make(Request(target, sent, Parameters(target.query)))


def _level(target: Target) -> Level:
    if target.bucket is None:
        return Level.SERVICE
    return Level.BUCKET if target.key is None else Level.OBJECT


def _rule(level: Level, method: str, names: list[str]) -> Rule:
    for name in names:
        if name in REFUSED[level]:
            raise _unsupported(name)
    candidates = _TABLE.get((level, method), ())
    present = frozenset(names)
    for rule in candidates:
        if rule.selectors <= present:
            for name in names:
                if name not in rule.selectors and name not in rule.parameters:
                    raise _unsupported(name)
            return rule
    if candidates and names:
        raise _unsupported(names[0])
    raise MethodRefused(allow=_allowed(level, present), Method=method)


def _allowed(level: Level, present: frozenset[str]) -> str:
    return ", ".join(sorted({rule.method for rule in RULES[level] if rule.selectors <= present}))


def _unsupported(name: str) -> GatewayError:
    return Unsupported(f"The query parameter {name} is not implemented for this request.", Parameter=name)


def _table() -> dict[tuple[Level, str], tuple[Rule, ...]]:
    table: dict[tuple[Level, str], list[Rule]] = {}
    for level, rules in RULES.items():
        for rule in rules:
            table.setdefault((level, rule.method), []).append(rule)
    # The rule that demands most is tried first, so that one without selectors is the last resort.
    return {place: tuple(sorted(rules, key=lambda rule: -len(rule.selectors))) for place, rules in table.items()}


_TABLE = _table()
