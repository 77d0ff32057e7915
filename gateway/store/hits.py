"""HITS: how often each record of a shard was read, in a file that a start may find, damaged or not at all."""

import struct
from collections.abc import Iterable
from typing import NamedTuple

from crc32c import crc32c

from gateway.store.table import HITS, UNGATED, Segment

SAVE_EVERY_S = 60.0

_PAGE_SIZE = 4096
_MAGIC = b"FBHITS1\0"
_HEAD = struct.Struct("<8s16sI")
_ROW = struct.Struct("<QQQI")
_CRC = struct.Struct("<I")
_KEPT_BITS = bytes(mark & (HITS | UNGATED) for mark in range(256))


class Counted(NamedTuple):
    """One segment as it stood when the file was written."""

    segment: int
    live_bytes: int
    pinned_bytes: int
    marks: bytes


def of(segment: Segment) -> Counted:
    """As it stands now."""
    return Counted(segment.id, segment.live_bytes, segment.pinned_bytes, bytes(segment.marks))


def allocated_bytes(rows: Iterable[Counted]) -> int:
    """What the file takes on the disk, together with the one whose place it takes."""
    size = _HEAD.size + sum(_ROW.size + len(row.marks) for row in rows) + _CRC.size
    return 2 * -(-size // _PAGE_SIZE) * _PAGE_SIZE


def pack(rows: list[Counted], shard: bytes) -> bytes:
    """The file's content."""
    body = bytearray(_HEAD.pack(_MAGIC, shard, len(rows)))
    for row in rows:
        body += _ROW.pack(row.segment, row.live_bytes, row.pinned_bytes, len(row.marks))
        body += row.marks.translate(_KEPT_BITS)
    return bytes(body + _CRC.pack(crc32c(body)))


def parse(content: bytes | None, shard: bytes) -> list[Counted]:
    """What it says; nothing if it is another shard's, or damaged."""
    if content is None or len(content) < _HEAD.size + _CRC.size:
        return []
    body = memoryview(content)[: -_CRC.size]
    magic, its_shard, count = _HEAD.unpack_from(body)
    if (magic, its_shard) != (_MAGIC, shard) or _CRC.pack(crc32c(body)) != content[-_CRC.size :]:
        return []
    rows, offset = list[Counted](), _HEAD.size
    for _ in range(count):
        segment, live_bytes, pinned_bytes, size = _ROW.unpack_from(body, offset)
        offset += _ROW.size
        rows.append(Counted(segment, live_bytes, pinned_bytes, bytes(body[offset : offset + size])))
        offset += size
    return rows


def apply(row: Counted, segment: Segment) -> None:
    """Gives a segment what is known of it from before; it may hold more records by now."""
    count = min(len(row.marks), len(segment.marks))
    segment.marks[:count] = row.marks[:count]
    if len(row.marks) == len(segment.marks):
        segment.live_bytes = min(row.live_bytes, segment.live_bytes)
    segment.pinned_bytes = min(row.pinned_bytes, segment.live_bytes)
