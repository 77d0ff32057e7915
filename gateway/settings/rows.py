"""Rows that several nodes may change: which of two wins, and their form on disk."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgpack

Value = None | bool | int | str | bytes | list["Value"] | dict[str, "Value"]
"""What a row may hold."""

RowId = tuple[str, str]
"""A table's name, and the row's name in it."""

GONE_KEPT_S = 30 * 86_400
"""How long a removed row is remembered, so that a node that was away does not bring it back."""

_MAGIC = b"FBSET\x00\x00\x01"
_DIGEST_SIZE = 16


@dataclass(frozen=True, slots=True)
class Gone:
    """In the place of a value: the row was removed at `since_s`, unix time in seconds."""

    since_s: int


@dataclass(frozen=True, slots=True)
class Row:
    """A value and when it was set: `clock` counts as Lamport's clocks do, `node_id` breaks ties."""

    value: Value | Gone
    clock: int
    node_id: str


Rows = Mapping[RowId, Row]


class RowsCorrupt(ValueError):
    """The bytes are not what `encode` returned."""


def merge(one: Rows, other: Rows) -> dict[RowId, Row]:
    """The newer of both for every row; in whatever order and how often tables are merged, the outcome is one."""
    merged = dict(one)
    for row_id, row in other.items():
        mine = merged.get(row_id)
        if mine is None or _age(row) > _age(mine):
            merged[row_id] = row
    return merged


def without_old_gone(rows: Rows, now_s: float) -> dict[RowId, Row]:
    """The rows but those that were removed so long ago that every node has heard of it."""
    return {
        row_id: row
        for row_id, row in rows.items()
        if not (isinstance(row.value, Gone) and row.value.since_s + GONE_KEPT_S <= now_s)
    }


def encode(rows: Rows) -> bytes:
    """The table as a file's content: magic, digest of the rest, MessagePack."""
    body = _packed([[*row_id, *_fields(row)] for row_id, row in sorted(rows.items())])
    return _MAGIC + _digest(body) + body


def decode(content: bytes) -> dict[RowId, Row]:
    """The table in a file's content; raises `RowsCorrupt`."""
    head_size = len(_MAGIC) + _DIGEST_SIZE
    body = content[head_size:]
    if content[:head_size] != _MAGIC + _digest(body):
        raise RowsCorrupt("wrong beginning or digest")
    rows: dict[RowId, Row] = {}
    for table, name, clock, node_id, gone_since_s, value in msgpack.unpackb(body, strict_map_key=True):
        rows[table, name] = Row(value if gone_since_s is None else Gone(gone_since_s), clock, node_id)
    return rows


def _age(row: Row) -> tuple[int, str, bytes]:
    # One node never gives two rows the same clock; should it ever, all nodes still choose the same one.
    return row.clock, row.node_id, _packed(_fields(row))


def _fields(row: Row) -> list[Value]:
    match row.value:
        case Gone(since_s):
            return [row.clock, row.node_id, since_s, None]
        case value:
            return [row.clock, row.node_id, None, value]


def _packed(value: Value) -> bytes:
    packed = msgpack.packb(value)
    assert isinstance(packed, bytes)
    return packed


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_SIZE).digest()
