"""Reading blocks: at once from the page cache if they are verified, else checked in a thread."""

import os

from gateway.store import records
from gateway.store.disk import Files
from gateway.store.records import CHUNK_SIZE, Found, RecordDamaged
from gateway.store.table import HITS, VERIFIED, Segment
from gateway.store.values import Place

CHEAP_SIZE_MAX = 256 * 1024
"""A record of at most this size is checked whole, whatever is asked of it: the next read need not check."""
_NO_WAITING = getattr(os, "RWF_NOWAIT", None)


def read_now(segment: Segment, place: Place, start: int, stop: int) -> memoryview | None:
    """The bytes [start, stop) of a verified block that is in the page cache, else None."""
    mark = segment.marks[place.ordinal]
    if not mark & VERIFIED or segment.fd < 0 or _NO_WAITING is None:
        return None
    buffer = bytearray(stop - start)
    try:
        count = os.preadv(segment.fd, [buffer], place.data_offset + start, _NO_WAITING)
    except OSError:
        return None  # not in the page cache, or an error that `read_checked` will meet and tell
    if count != stop - start:
        return None
    if mark & HITS != HITS:
        segment.marks[place.ordinal] = mark + 1
    return memoryview(buffer)


def count_hit(segment: Segment, place: Place, *, verified: bool) -> None:
    """Counts a read of the block, and remembers that all of it was checked."""
    mark = segment.marks[place.ordinal]
    if mark & HITS != HITS:
        mark += 1
    segment.marks[place.ordinal] = mark | VERIFIED if verified else mark


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


def _check_names(found: Found, place: Place) -> None:
    record, shape, content = found.record, found.layout, place.content
    number = records.WHOLE if content.whole else place.number
    names = (found.crc, record.oh, record.vh, record.number, shape.data_start, shape.data_size)
    head_size = place.data_offset - place.record_offset
    if names != (place.header_crc, content.oh, content.vh, number, head_size, place.data_size):
        raise RecordDamaged("another record")
