"""What is to be forgotten of many objects at once, in rules of buckets and prefixes: its cost does not grow with them.

A purge gives the objects that it covers other names in the store, so that nothing kept before can be found. An
invalidation leaves the names, and says until when an info must have been validated to be distrusted.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_from_bytes, unquote_to_bytes

from crc32c import crc32c

from gateway.model import Bucket, Key

PREFIXES_MAX = 64
"""Of one bucket; more become a rule for all of it, which forgets more, never less."""
BUCKETS_MAX = 1024
"""With rules of their own; more become a purge of everything."""
FORMAT = 1

SERIAL_TIME_MAX = 0xF000_0000
"""A clock beyond is wrong, and must not use up the serials."""

_U32_MAX = 0xFFFF_FFFF


class RulesDamaged(Exception):
    """These bytes are not packed rules."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Of the keys that begin with `prefix`: the serial of the newest purge, 0 if there was none, and until when
    (unix seconds, that second included) an info is not trusted, 0 if it was never said."""

    prefix: bytes
    serial: int = 0
    distrusted_s: int = 0


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules. `serial` is that of the last change; `floor` that of a purge of everything, 0 if there was none.

    Serials grow, and are at least the unix time of the change: one that was lost with its disk is not used again.
    """

    serial: int = 0
    floor: int = 0
    buckets: Mapping[Bucket, tuple[Rule, ...]] = field(default_factory=dict)
    """No two rules of a bucket are for one prefix."""

    def serial_of(self, bucket: Bucket, key: Key) -> int:
        """The serial of the newest purge that covers the key."""
        rules = self.buckets.get(bucket)
        if rules is None:
            return self.floor
        newest = self.floor
        for rule in rules:
            if rule.serial > newest and key.startswith(rule.prefix):
                newest = rule.serial
        return newest

    def distrusted_s(self, bucket: Bucket, key: Key) -> int:
        """The last second at which an info of the key that is not trusted may have been validated."""
        rules = self.buckets.get(bucket)
        if rules is None:
            return 0
        latest_s = 0
        for rule in rules:
            if rule.distrusted_s > latest_s and key.startswith(rule.prefix):
                latest_s = rule.distrusted_s
        return latest_s

    def purged(self, bucket: Bucket, prefix: bytes, now_s: int) -> "Rules":
        """With one rule more: nothing kept before of the keys that begin with `prefix` is found."""
        serial = self._next(now_s)
        others = [rule for rule in self._of(bucket) if not rule.prefix.startswith(prefix)]
        return self._with(bucket, [*others, Rule(prefix, serial)], serial)

    def invalidated(self, bucket: Bucket, prefix: bytes, now_s: int) -> "Rules":
        """With one rule more: no info of the keys that begin with `prefix` is trusted that was validated up to now."""
        serial, until_s, others = 0, min(now_s, _U32_MAX), list[Rule]()
        for rule in self._of(bucket):
            if rule.prefix == prefix:
                # A clock that ran backwards must not bring back what was distrusted before.
                serial, until_s = rule.serial, max(until_s, rule.distrusted_s)
            elif not rule.prefix.startswith(prefix) or rule.serial or rule.distrusted_s > now_s:
                others.append(rule)
        return self._with(bucket, [*others, Rule(prefix, serial, until_s)], self._next(now_s))

    def _of(self, bucket: Bucket) -> tuple[Rule, ...]:
        return self.buckets.get(bucket, ())

    def _next(self, now_s: int) -> int:
        return max(self.serial + 1, min(now_s, SERIAL_TIME_MAX))

    def _with(self, bucket: Bucket, rules: list[Rule], serial: int) -> "Rules":
        buckets = {**self.buckets, bucket: _bounded(rules, serial)}
        if len(buckets) > BUCKETS_MAX:
            return Rules(serial, floor=serial)
        return Rules(serial, self.floor, buckets)

    def pack(self) -> bytes:
        """The file's content."""
        body: dict[str, object] = {
            "format": FORMAT,
            "serial": self.serial,
            "floor": self.floor,
            "buckets": {
                bucket: [[quote_from_bytes(rule.prefix), rule.serial, rule.distrusted_s] for rule in rules]
                for bucket, rules in self.buckets.items()
            },
        }
        return json.dumps({**body, "crc32c": _sum(body)}, indent=1).encode() + b"\n"


def parse(content: bytes) -> Rules:
    """What `pack` packed. Raises `RulesDamaged`."""
    try:
        body = json.loads(content)
        if body.pop("crc32c") != _sum(body) or body["format"] != FORMAT:
            raise RulesDamaged("checksum or format")
        buckets = {Bucket(name): tuple(_rule(*row) for row in rows) for name, rows in body["buckets"].items() if rows}
        return Rules(_counter(body["serial"]), _counter(body["floor"]), buckets)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RulesDamaged(str(error)) from error


def newest(found: Iterable[Rules]) -> Rules:
    """Of what the disks hold: each change was written to all that worked, so the last one knows of all before."""
    return max(found, key=lambda rules: rules.serial, default=Rules())


def lost(now_s: int) -> Rules:
    """Where no disk can say what was to be forgotten: nothing is known from before."""
    serial = max(1, min(now_s, SERIAL_TIME_MAX))
    return Rules(serial, floor=serial)


def _bounded(rules: list[Rule], serial: int) -> tuple[Rule, ...]:
    if len(rules) <= PREFIXES_MAX:
        return tuple(rules)
    until_s = max(rule.distrusted_s for rule in rules)
    purges = [Rule(rule.prefix, rule.serial) for rule in rules if rule.serial and rule.prefix]
    if until_s and len(purges) < PREFIXES_MAX:
        of_all = max((rule.serial for rule in rules if not rule.prefix), default=0)
        return (*purges, Rule(b"", of_all, until_s))
    return (Rule(b"", serial),)


def _sum(body: Mapping[str, object]) -> int:
    return crc32c(json.dumps(body, sort_keys=True).encode())


def _rule(prefix: str, serial: int, distrusted_s: int) -> Rule:
    return Rule(unquote_to_bytes(prefix), _counter(serial), _counter(distrusted_s))


def _counter(value: int) -> int:
    if type(value) is not int or not 0 <= value <= _U32_MAX:
        raise ValueError("no number")
    return value
