"""What a segment holds, written behind its records and read again; all of it blocks, for threads."""

from collections.abc import Iterator

from gateway.store import entries, records, segments
from gateway.store.records import WHOLE, Record, RecordDamaged
from gateway.store.segments import Row, SegmentDamaged, Sums
from gateway.store.site import Site
from gateway.store.table import Segment

_HEADER_READ_SIZE = 2048
"""No header that is written here is larger: a key has at most 1,024 bytes."""


def write_footer(site: Site, fd: int, rows: bytes | bytearray, sums: Sums) -> None:
    """Ends a segment. Raises `OSError`."""
    start, body = segments.footer(rows, sums, site.uuid, site.segment_size)
    site.files.write(fd, [body], start)


def rows_of(site: Site, segment: Segment, fd: int) -> list[Row]:
    """The rows of a segment: from its footer, or from its records where that is damaged. Raises `OSError`."""
    try:
        return footer_of(site, segment, fd)
    except SegmentDamaged:
        # It was never sealed, or the medium lost it; the records tell the same, only slower.
        return [row for row, _ in scan(site, segment.id, fd)]


def footer_of(site: Site, segment: Segment, fd: int) -> list[Row]:
    """The rows of a segment from its footer. Raises `SegmentDamaged`, `OSError`."""
    start = segments.footer_start(segment.entry.sums.records, site.segment_size)
    if start < segments.HEADER_SIZE:
        raise SegmentDamaged("more records than there is room for")
    buffer = bytearray(site.segment_size - start)
    site.files.read(fd, buffer, start)
    return segments.parse_footer(buffer, site.uuid)


def key_of(record: Record) -> bytes:
    """The index key under which a record is found."""
    return entries.info_key(record.oh) if record.number == WHOLE else entries.block_key(record.vh, record.number)


def scan(site: Site, segment: int, fd: int) -> Iterator[tuple[Row, int]]:
    """The rows of a segment and the sequence number of each, by its records, up to the first that is none.

    Raises `OSError`.
    """
    offset = segments.HEADER_SIZE
    while offset < site.segment_size - segments.TRAILER_SIZE:
        buffer = bytearray(_HEADER_READ_SIZE)
        count = site.files.read(fd, buffer, offset)
        try:
            found = records.parse(segment, offset, memoryview(buffer)[:count])
        except RecordDamaged:
            return
        record = found.record
        yield Row(offset, found.layout.data_size, record.flags, key_of(record)), record.seq
        offset += found.layout.size


def seal_found(site: Site, segment: int, fd: int) -> Sums | None:
    """Ends a segment that was being written when its process ended; None if it holds nothing. Raises `OSError`."""
    buffer = bytearray(segments.HEADER_SIZE)
    site.files.read(fd, buffer, 0)
    try:
        segments.check_header(bytes(buffer), site.uuid, segment, site.segment_size)
    except SegmentDamaged:
        return None
    packed, data_bytes, last_seq = bytearray(), 0, 0
    for row, seq in scan(site, segment, fd):
        last_seq = seq
        packed += segments.row(row.offset, row.data_size, row.flags, row.key)
        data_bytes += row.data_size
    sums = Sums(len(packed) // segments.ROW_SIZE, data_bytes, last_seq)
    if not sums.records:
        return None
    write_footer(site, fd, packed, sums)
    return sums
