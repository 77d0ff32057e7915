"""Reading blocks: at once from the page cache if they are verified, else checked in a thread."""

import os

from gateway.store import names, records
from gateway.store.disk import Files
from gateway.store.entries import Spot
from gateway.store.gate import Gate
from gateway.store.records import CHUNK_SIZE, Found, Record, RecordDamaged
from gateway.store.table import HITS, UNGATED, VERIFIED, Segment
from gateway.store.values import Place

CHEAP_SIZE_MAX = 256 * 1024
"""A record of at most this size is checked whole, whatever is asked of it: the next read need not check."""
_NO_WAITING = getattr(os, "RWF_NOWAIT", None)


def read_now(segment: Segment, place: Place, start: int, stop: int, gate: Gate) -> memoryview | None:
    """The bytes [start, stop) of a verified block that is in the page cache, else None."""
    if not segment.marks[place.ordinal] & VERIFIED or segment.fd < 0 or _NO_WAITING is None:
        return None
    buffer = bytearray(stop - start)
    try:
        count = os.preadv(segment.fd, [buffer], place.data_offset + start, _NO_WAITING)
    except OSError:
        return None  # not in the page cache, or an error that `read_checked` will meet and tell
    if count != stop - start:
        return None
    count_hit(segment, place, gate)
    return memoryview(buffer)


def count_hit(segment: Segment, place: Place, gate: Gate) -> None:
    """Counts a read of the block."""
    marks, ordinal = segment.marks, place.ordinal
    mark = marks[ordinal]
    if mark & HITS != HITS:
        marks[ordinal] = mark + 1
    if not mark & UNGATED:
        content = place.content
        h = names.whole_hash(content.oh) if content.whole else names.piece_hash(content.vh, place.number)
        gate.read(h, place.data_size, hit=True)


def worth_whole(segment: Segment, place: Place, start: int, stop: int) -> bool:
    """Whether to check more than is asked for: the next read of the block then need not check anything."""
    return (
        place.data_size <= CHEAP_SIZE_MAX or stop - start == place.data_size or segment.marks[place.ordinal] & HITS != 0
    )


def read_checked(files: Files, fd: int, place: Place, start: int, stop: int) -> memoryview:
    """The bytes [start, stop) of a block, all chunks they touch checked; blocks.

    Raises `RecordDamaged` if that record is not there or not whole, `OSError`.
    """
    head_size = place.data_offset - place.record_offset
    first = start // CHUNK_SIZE * CHUNK_SIZE
    last = min(place.data_size, -(-stop // CHUNK_SIZE) * CHUNK_SIZE)
    if not 0 < head_size <= records.HEADER_SIZE_MAX + records.PAGE_SIZE or not 0 <= start <= stop <= place.data_size:
        raise RecordDamaged("offsets")
    buffer = bytearray(head_size + last - first)
    view = memoryview(buffer)
    if first == 0:
        count = files.read(fd, view, place.record_offset)
    else:
        count = files.read(fd, view[:head_size], place.record_offset)
        count += files.read(fd, view[head_size:], place.data_offset + first)
    if count != len(buffer):
        raise RecordDamaged("cut short")
    found = records.parse(place.segment, place.record_offset, view[:head_size])
    _check_names(found, place)
    data = view[head_size:]
    crcs = found.chunk_crcs[first // CHUNK_SIZE : -(-last // CHUNK_SIZE)]
    if records.chunk_crcs(data) != crcs:
        raise RecordDamaged("data checksum")
    return data[start - first : stop - first]


def read_header(files: Files, fd: int, spot: Spot) -> Record:
    """The header of the record at a spot, checked; blocks. Raises `RecordDamaged`, `OSError`."""
    head = bytearray(_head_size(spot))
    files.read(fd, head, spot.record_offset)
    return _record_at(spot, memoryview(head)).record


def read_record(files: Files, fd: int, spot: Spot) -> tuple[Record, memoryview]:
    """The record at a spot with its data, checked; blocks. Raises `RecordDamaged`, `OSError`."""
    head_size = _head_size(spot)
    buffer = bytearray(head_size + spot.data_size)
    if files.read(fd, buffer, spot.record_offset) != len(buffer):
        raise RecordDamaged("cut short")
    view = memoryview(buffer)
    found, data = _record_at(spot, view[:head_size]), view[head_size:]
    if found.layout.data_size != spot.data_size or records.chunk_crcs(data) != found.chunk_crcs:
        raise RecordDamaged("data checksum")
    return found.record, data


def _head_size(spot: Spot) -> int:
    size = spot.data_offset - spot.record_offset
    if not 0 < size <= records.HEADER_SIZE_MAX + records.PAGE_SIZE:
        raise RecordDamaged("offsets")
    return size


def _record_at(spot: Spot, head: memoryview) -> Found:
    found = records.parse(spot.segment, spot.record_offset, head)
    if found.crc != spot.header_crc or found.layout.data_start != len(head):
        raise RecordDamaged("another record")
    return found


def _check_names(found: Found, place: Place) -> None:
    record, shape, content = found.record, found.layout, place.content
    number = records.WHOLE if content.whole else place.number
    names = (found.crc, record.oh, record.vh, record.number, shape.data_start, shape.data_size)
    head_size = place.data_offset - place.record_offset
    if names != (place.header_crc, content.oh, content.vh, number, head_size, place.data_size):
        raise RecordDamaged("another record")
