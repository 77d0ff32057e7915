"""Records and segments: what is written is read back, and nothing else is ever taken for it."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import BLOCK_SIZE, KEY_SIZE_MAX
from gateway.store import records, segments
from gateway.store.records import CHUNK_SIZE, PAGE_SIZE, Found, Record, RecordDamaged
from gateway.store.segments import HEADER_SIZE, Row, SegmentDamaged, Sums

U32 = st.integers(0, 2**32 - 1)
NAMES = st.binary(min_size=16, max_size=16)
SIZES = st.one_of(st.integers(1, 300), st.integers(60_000, 70_000), st.integers(BLOCK_SIZE - 5, BLOCK_SIZE))
OFFSETS = st.integers(0, 2**20).map(lambda step: step * 64)
RECORDS = st.builds(
    Record,
    flags=st.integers(0, 127),
    seq=st.integers(0, 2**64 - 1),
    oh=NAMES,
    vh=NAMES,
    size=st.integers(0, 2**64 - 1),
    number=U32,
    modified_s=U32,
    created_s=U32,
    expires_s=U32,
    name=st.binary(max_size=KEY_SIZE_MAX + 64),
)


def written(record: Record, offset: int, size: int, segment: int = 7) -> tuple[bytes, Found]:
    """A header, and what reading it must give."""
    shape = records.layout(offset, len(record.name), size)
    crcs = records.chunk_crcs(bytes(size))
    head, crc = records.header(segment, offset, record, shape, crcs)
    paged = records.Flag.PAGED if size >= records.PAGED_SIZE_MIN else 0
    return head, Found(dataclasses.replace(record, flags=record.flags | paged), shape, crc, crcs)


@given(record=RECORDS, offset=OFFSETS, size=SIZES)
def test_a_header_reads_back_as_it_was_written(record: Record, offset: int, size: int) -> None:
    head, expected = written(record, offset, size)
    assert records.parse(7, offset, head) == expected
    assert records.parse(7, offset, head + b"data behind it") == expected


@given(offset=OFFSETS, name_size=st.integers(0, KEY_SIZE_MAX + 64), size=st.integers(1, BLOCK_SIZE))
def test_records_and_their_data_are_aligned_and_do_not_overlap(offset: int, name_size: int, size: int) -> None:
    shape = records.layout(offset, name_size, size)
    alignment = PAGE_SIZE if size >= records.PAGED_SIZE_MIN else 64
    assert (offset + shape.data_start) % alignment == 0
    assert shape.size % 64 == 0
    assert shape.header_size <= shape.data_start
    assert shape.data_start + size <= shape.size < shape.data_start + size + 64
    if size == BLOCK_SIZE:
        assert shape.size - size <= 2 * PAGE_SIZE


@given(record=RECORDS, offset=OFFSETS, bit=st.integers(0), size=st.integers(1, 3 * CHUNK_SIZE))
def test_one_flipped_bit_in_a_header_is_noticed(record: Record, offset: int, bit: int, size: int) -> None:
    head, expected = written(record, offset, size)
    at = bit % (expected.layout.header_size * 8)
    damaged = bytearray(head)
    damaged[at // 8] ^= 1 << at % 8
    with pytest.raises(RecordDamaged):
        records.parse(7, offset, damaged)


@given(record=RECORDS, offset=OFFSETS, other=OFFSETS, segment=st.integers(1, 2**32 - 1))
def test_a_record_at_another_place_is_none(record: Record, offset: int, other: int, segment: int) -> None:
    head, _ = written(record, offset, 100)
    if (segment, other) != (7, offset):
        with pytest.raises(RecordDamaged):
            records.parse(segment, other, head)


@given(record=RECORDS, cut=st.integers(0, 2000))
def test_a_header_cut_short_is_none(record: Record, cut: int) -> None:
    head, expected = written(record, 64, 100)
    if cut < expected.layout.header_size:
        with pytest.raises(RecordDamaged):
            records.parse(7, 64, head[:cut])


@given(noise=st.binary(max_size=400), offset=OFFSETS)
def test_noise_is_no_record(noise: bytes, offset: int) -> None:
    with pytest.raises(RecordDamaged):
        records.parse(7, offset, noise)
    with pytest.raises(RecordDamaged):
        records.parse(7, offset, b"FBR1" + noise)


@given(noise=st.binary(min_size=88, max_size=88), offset=OFFSETS)
def test_noise_with_a_valid_checksum_is_no_record_or_a_possible_one(noise: bytes, offset: int) -> None:
    # Whoever could write this could write anything; but it must not crash the reader.
    body = bytearray(b"FBR1" + bytes(4) + noise + bytes(32))
    body[8:10] = (128).to_bytes(2, "little")
    body[4:8] = records.header_crc(7, offset, memoryview(body)[8:]).to_bytes(4, "little")
    try:
        found = records.parse(7, offset, body)
    except RecordDamaged:
        return
    assert found.layout.data_size <= BLOCK_SIZE
    assert len(found.chunk_crcs) == found.layout.chunk_count


@given(data=st.binary(max_size=100), repeat=st.integers(1, 3000))
def test_each_chunk_has_its_own_checksum(data: bytes, repeat: int) -> None:
    block = data * repeat
    crcs = records.chunk_crcs(block)
    assert len(crcs) == max(1, -(-len(block) // CHUNK_SIZE))
    assert crcs == records.chunk_crcs(memoryview(bytearray(block)))
    assert all(
        crcs[number] == records.chunk_crcs(block[number * CHUNK_SIZE : (number + 1) * CHUNK_SIZE])[0]
        for number in range(len(crcs))
    )


SHARD = bytes(range(16))
ROWS = st.lists(st.builds(Row, U32, U32, st.integers(0, 127), st.binary(min_size=17, max_size=17)), max_size=20)
SEGMENT_SIZE = 1 << 16


def footer_of(rows: list[Row]) -> tuple[int, bytes]:
    packed = b"".join(segments.row(row.offset, row.data_size, row.flags, row.key) for row in rows)
    return segments.footer(packed, Sums(len(rows), sum(row.data_size for row in rows), 9), SHARD, SEGMENT_SIZE)


@given(rows=ROWS)
def test_a_footer_ends_the_segment_and_reads_back(rows: list[Row]) -> None:
    start, body = footer_of(rows)
    assert start + len(body) == SEGMENT_SIZE
    assert start == segments.footer_start(len(rows), SEGMENT_SIZE)
    assert segments.parse_footer(body, SHARD) == rows


@given(rows=ROWS, bit=st.integers(0), noise=st.binary(max_size=200))
def test_a_damaged_footer_is_noticed(rows: list[Row], bit: int, noise: bytes) -> None:
    body = bytearray(footer_of(rows)[1])
    at = bit % (len(body) * 8)
    body[at // 8] ^= 1 << at % 8
    for damaged in (bytes(body), noise):
        with pytest.raises(SegmentDamaged):
            segments.parse_footer(damaged, SHARD)
    with pytest.raises(SegmentDamaged):
        segments.parse_footer(footer_of(rows)[1], bytes(16))


@given(segment=st.integers(1, 2**32), bit=st.integers(0, HEADER_SIZE * 8 - 1))
def test_the_head_of_a_segment_names_it(segment: int, bit: int) -> None:
    head = bytearray(segments.header(SHARD, segment, 1, 2, SEGMENT_SIZE, segments.Kind.SMALL))
    segments.check_header(bytes(head), SHARD, segment, SEGMENT_SIZE)
    for shard, number, size in (
        (bytes(16), segment, SEGMENT_SIZE),
        (SHARD, segment + 1, SEGMENT_SIZE),
        (SHARD, segment, 1),
    ):
        with pytest.raises(SegmentDamaged):
            segments.check_header(bytes(head), shard, number, size)
    head[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SegmentDamaged):
        segments.check_header(bytes(head), SHARD, segment, SEGMENT_SIZE)


@given(offset=OFFSETS, size=st.integers(1, 2000).map(lambda step: step * 64), count=st.integers(0, 65_535))
def test_a_record_that_fits_leaves_room_for_the_footer(offset: int, size: int, count: int) -> None:
    if not segments.is_full(offset, size, count, SEGMENT_SIZE):
        assert offset + size <= segments.footer_start(count + 1, SEGMENT_SIZE)
        assert count < segments.RECORDS_MAX
