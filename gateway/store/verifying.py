"""Whether a segment still holds what was written to it; all of it blocks, for threads."""

from collections.abc import Sequence

from gateway.store import records, sealing, segments
from gateway.store.disk import Files
from gateway.store.records import RecordDamaged
from gateway.store.segments import Row
from gateway.store.site import Site
from gateway.store.table import Segment

_HEAD_SIZE_MAX = 2048
"""No header that is written here is larger: a key has at most 1,024 bytes."""


def rows_of(site: Site, segment: Segment, fd: int, *, is_synced: bool) -> Sequence[Row]:
    """The rows of a segment. Raises `SegmentDamaged` if its header, or its footer once that was synced, is not its own.

    A footer that may never have reached the medium is made up for by the records. Raises `OSError`.
    """
    buffer = bytearray(segments.HEADER_SIZE)
    site.files.read(fd, buffer, 0)
    segments.check_header(bytes(buffer), site.uuid, segment.id, site.segment_size)
    if not is_synced:
        return sealing.rows_of(site, segment, fd)
    return sealing.footer_of(site, segment, fd)


def is_whole(files: Files, segment: int, fd: int, row: Row) -> bool:
    """Whether a record is what its checksums say. Pages that were read for it leave the page cache again.

    Raises `OSError`.
    """
    size = _HEAD_SIZE_MAX + row.data_size
    if row.data_size >= records.PAGED_SIZE_MIN:
        size += records.PAGE_SIZE
    was_cached = files.is_cached(fd, row.offset, row.data_size)
    try:
        return _holds(files, segment, fd, row, bytearray(size))
    except RecordDamaged:
        return False
    finally:
        if not was_cached:
            files.drop_cached(fd, row.offset, size)


def _holds(files: Files, segment: int, fd: int, row: Row, buffer: bytearray) -> bool:
    count = files.read(fd, buffer, row.offset)
    found = records.parse(segment, row.offset, memoryview(buffer)[:count])
    start = found.layout.data_start
    data = memoryview(buffer)[start : start + found.layout.data_size]
    is_row_of = found.layout.data_size == row.data_size and sealing.key_of(found.record) == row.key
    return is_row_of and records.chunk_crcs(data) == found.chunk_crcs
