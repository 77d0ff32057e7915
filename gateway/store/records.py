"""Records: a block as it lies in a segment, behind a header with its names and checksums."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntFlag

from crc32c import crc32c

from gateway.model import BLOCK_SIZE

CHUNK_SIZE = 64 * 1024
"""One CRC32C covers so many bytes of data."""
ALIGNMENT = 64
"""Records and their data begin at multiples of this."""
PAGE_SIZE = 4096
PAGED_SIZE_MIN = 256 * 1024
"""From here on data begins at a page: reading a span of it touches no page more than needed."""
HEADER_SIZE_MAX = 16 * 1024
WHOLE = 0xFFFFFFFF
"""The number of the only block of a whole object, in records."""

_HEADER = struct.Struct("<IIHHIIIQ16s16sQIIIIHHHH")
_CHECK = struct.Struct("<QI")
_MAGIC = 0x31524246


class Flag(IntFlag):
    """What a record or a place is."""

    WHOLE = 1
    PIECE = 2
    PINNED = 4
    DIRTY = 8
    TOMBSTONE = 16
    PAGED = 32
    TRANSIENT = 64


class RecordDamaged(Exception):
    """These bytes are not the record that was written here."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a header tells. Times are unix seconds, 0 for none; `number` is `WHOLE` for a whole object.

    `name` is bucket, NUL, key.
    """

    flags: int
    seq: int
    oh: bytes
    vh: bytes
    size: int
    number: int
    modified_s: int
    created_s: int
    expires_s: int
    name: bytes


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of a record lie: sizes, and `data_start` counted from the record's start.

    `size` is the distance to the next record.
    """

    header_size: int
    data_start: int
    data_size: int
    size: int

    @property
    def chunk_count(self) -> int:
        return -(-self.data_size // CHUNK_SIZE)


@dataclass(frozen=True, slots=True)
class Found:
    """A header that was read and found whole."""

    record: Record
    layout: Layout
    crc: int
    chunk_crcs: tuple[int, ...]


def layout(offset: int, name_size: int, data_size: int) -> Layout:
    """How a record at `offset` of its segment is laid out."""
    assert 0 < data_size <= BLOCK_SIZE, data_size
    chunk_count = -(-data_size // CHUNK_SIZE)
    header_size = _up(_HEADER.size + 4 * chunk_count + name_size, ALIGNMENT)
    assert header_size <= HEADER_SIZE_MAX, name_size
    data_start = header_size
    if data_size >= PAGED_SIZE_MIN:
        data_start = _up(offset + header_size, PAGE_SIZE) - offset
    return Layout(header_size, data_start, data_size, size_of(data_start, data_size))


def size_of(data_start: int, data_size: int) -> int:
    """The distance to the next record."""
    return _up(data_start + data_size, ALIGNMENT)


def chunk_crcs(data: bytes | bytearray | memoryview) -> tuple[int, ...]:
    """The checksum of each chunk."""
    if len(data) <= CHUNK_SIZE:
        return (crc32c(data),)
    view = memoryview(data)
    return tuple(crc32c(view[start : start + CHUNK_SIZE]) for start in range(0, len(view), CHUNK_SIZE))


def header(segment: int, offset: int, record: Record, shape: Layout, crcs: Iterable[int]) -> tuple[bytes, int]:
    """The header's bytes up to the data, and the checksum in it, which no other record has."""
    paged = Flag.PAGED if shape.data_size >= PAGED_SIZE_MIN else 0
    body = bytearray(shape.data_start)
    _HEADER.pack_into(
        body,
        0,
        _MAGIC,
        0,
        shape.header_size,
        record.flags | paged,
        shape.data_start,
        shape.data_size,
        shape.size,
        record.seq,
        record.oh,
        record.vh,
        record.size,
        record.number,
        record.modified_s,
        record.created_s,
        record.expires_s,
        len(record.name),
        0,
        shape.chunk_count,
        0,
    )
    struct.pack_into(f"<{shape.chunk_count}I", body, _HEADER.size, *crcs)
    name_start = _HEADER.size + 4 * shape.chunk_count
    body[name_start : name_start + len(record.name)] = record.name
    crc = header_crc(segment, offset, memoryview(body)[8 : shape.header_size])
    struct.pack_into("<I", body, 4, crc)
    return bytes(body), crc


def parse(segment: int, offset: int, buffer: bytes | bytearray | memoryview) -> Found:
    """The header at the start of `buffer`, which stood at `offset` of `segment`. Raises `RecordDamaged`."""
    if len(buffer) < _HEADER.size:
        raise RecordDamaged("cut short")
    fields = _HEADER.unpack_from(buffer)
    magic, crc, header_size, flags, data_start, data_size, size, seq, oh, vh, object_size, number = fields[:12]
    modified_s, created_s, expires_s, name_size, headers_size, chunk_count, _quota = fields[12:]
    if magic != _MAGIC or not _HEADER.size <= header_size <= min(HEADER_SIZE_MAX, len(buffer)) or header_size % 64:
        raise RecordDamaged("no header")
    if header_crc(segment, offset, memoryview(buffer)[8:header_size]) != crc:
        raise RecordDamaged("header checksum")
    shape = Layout(header_size, data_start, data_size, size)
    name_start = _HEADER.size + 4 * chunk_count
    if not _is_possible(shape, name_start + name_size + headers_size, chunk_count):
        raise RecordDamaged("sizes")
    name = bytes(buffer[name_start : name_start + name_size])
    record = Record(flags, seq, oh, vh, object_size, number, modified_s, created_s, expires_s, name)
    return Found(record, shape, crc, struct.unpack_from(f"<{chunk_count}I", buffer, _HEADER.size))


def _is_possible(shape: Layout, used_size: int, chunk_count: int) -> bool:
    return (
        0 < shape.data_size <= BLOCK_SIZE
        and chunk_count == shape.chunk_count
        and used_size <= shape.header_size <= shape.data_start <= shape.header_size + PAGE_SIZE
        and shape.size == size_of(shape.data_start, shape.data_size)
    )


def header_crc(segment: int, offset: int, body: memoryview) -> int:
    """The checksum in a header, over all behind it; seeded with where it lies, so a misplaced record is none."""
    return crc32c(body, crc32c(_CHECK.pack(segment, offset)))


def _up(size: int, step: int) -> int:
    return -(-size // step) * step
