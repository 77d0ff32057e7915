"""Segments: files of records that are written once, with a header, and a footer for whoever evicts them."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from crc32c import crc32c

HEADER_SIZE = 4096
TRAILER_SIZE = 64
ROW_SIZE = 32
RECORDS_MAX = 65_535
"""Of one segment: a place counts them in 16 bits."""

_HEADER = struct.Struct("<8sIHBB16sQQQI")
_TRAILER = struct.Struct("<8sIIIIQQ16s8x")
_ROW = struct.Struct("<IIH17sH3x")
_MAGIC = b"FBSEG\0\1\0"
_END_MAGIC = b"FBEND1\0\0"
_FORMAT = 1


class Kind(IntEnum):
    """The log a segment belongs to."""

    SMALL = 1
    """What came lately, and was not read yet."""
    MAIN = 2
    """What was read again."""
    PINNED = 3


class SegmentDamaged(Exception):
    """These bytes are not the header, footer or trailer of this segment."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record in a footer: where it begins, the size of its data, and the index key it was found under."""

    offset: int
    data_size: int
    flags: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Sums:
    """What a segment holds in all, garbage included; `last_seq` is that of its newest record."""

    records: int
    data_bytes: int
    last_seq: int


def is_full(offset: int, record_size: int, records: int, segment_size: int) -> bool:
    """Whether a record of `record_size` has no room at `offset`, behind `records` others."""
    end = offset + record_size + ROW_SIZE * (records + 1) + TRAILER_SIZE
    return end > segment_size or records == RECORDS_MAX


def header(shard: bytes, segment: int, created_us: int, first_seq: int, size: int, kind: Kind) -> bytes:
    """The first bytes of a segment file; it begins as one of `kind`, the index knows what it is by now."""
    body = bytearray(HEADER_SIZE)
    _HEADER.pack_into(body, 0, _MAGIC, 0, _FORMAT, kind, 0, shard, segment, created_us, first_seq, size)
    struct.pack_into("<I", body, 8, crc32c(memoryview(body)[12:]))
    return bytes(body)


def check_header(buffer: bytes, shard: bytes, segment: int, size: int) -> None:
    """Raises `SegmentDamaged` unless these are the first bytes of that segment."""
    if len(buffer) != HEADER_SIZE:
        raise SegmentDamaged("cut short")
    magic, crc, form, _, _, its_shard, its_id, _, _, its_size = _HEADER.unpack_from(buffer)
    if (magic, form, its_shard, its_id, its_size) != (_MAGIC, _FORMAT, shard, segment, size):
        raise SegmentDamaged("another segment")
    if crc32c(memoryview(buffer)[12:]) != crc:
        raise SegmentDamaged("header checksum")


def row(offset: int, data_size: int, flags: int, key: bytes) -> bytes:
    """A footer's row."""
    return _ROW.pack(offset, data_size, flags, key, 0)


def rows(packed: bytes | bytearray | memoryview) -> list[Row]:
    """The rows of a footer."""
    return [Row(offset, size, flags, key) for offset, size, flags, key, _ in _ROW.iter_unpack(packed)]


def footer(packed: bytes | bytearray, sums: Sums, shard: bytes, segment_size: int) -> tuple[int, bytes]:
    """Where the footer begins, and its bytes up to the end of the segment."""
    assert len(packed) == sums.records * ROW_SIZE
    start = footer_start(sums.records, segment_size)
    trailer = bytearray(TRAILER_SIZE)
    _TRAILER.pack_into(
        trailer, 0, _END_MAGIC, 0, start, sums.records, crc32c(packed), sums.data_bytes, sums.last_seq, shard
    )
    struct.pack_into("<I", trailer, 8, crc32c(memoryview(trailer)[12:]))
    return start, bytes(packed) + bytes(trailer)


def footer_start(records: int, segment_size: int) -> int:
    """Where the footer of a segment with so many records begins."""
    return segment_size - TRAILER_SIZE - ROW_SIZE * records


def parse_footer(buffer: bytes | bytearray, shard: bytes) -> list[Row]:
    """The rows of a footer with its trailer. Raises `SegmentDamaged`."""
    if len(buffer) < TRAILER_SIZE:
        raise SegmentDamaged("cut short")
    trailer = memoryview(buffer)[-TRAILER_SIZE:]
    packed = memoryview(buffer)[:-TRAILER_SIZE]
    magic, crc, _, records, footer_crc, _, _, its_shard = _TRAILER.unpack(trailer)
    if (magic, its_shard, records * ROW_SIZE) != (_END_MAGIC, shard, len(packed)):
        raise SegmentDamaged("another trailer")
    if crc32c(trailer[12:]) != crc or crc32c(packed) != footer_crc:
        raise SegmentDamaged("footer checksum")
    return rows(packed)
