"""Index entries read back as they were packed, and any bytes at all end as a damaged entry at worst."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Algorithm, Checksum, ChecksumType, ContentHeaders, ETag, Info, PartRun, Version
from gateway.store import entries
from gateway.store.entries import InfoEntry, InfoUnfit, SegmentEntry, Spot, State
from gateway.store.extras import EntryDamaged, usual_version
from gateway.store.segments import Sums

U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)
TEXT = st.text(st.characters(max_codepoint=255), max_size=20)
ETAGS = st.one_of(
    HEX,
    st.builds("{}-{}".format, HEX, st.integers(0, 70_000)),
    st.builds(str.upper, HEX),
    st.builds("{}-0{}".format, HEX, st.integers(0, 9)),
    TEXT,
).map(ETag)
SPOTS = st.builds(Spot, st.integers(1, 2**32 - 1), U32, U16, U16, U32, U32, U32, U32)
HEADERS = st.builds(ContentHeaders, *[st.none() | TEXT] * 6)
CHECKSUMS = st.builds(
    Checksum, st.sampled_from(Algorithm), st.binary(max_size=32), st.sampled_from(ChecksumType), st.integers(0, 10_000)
)
TYPES = {1: "image/png", 2: "", 3: "text/plain; charset=é"}
NUMBERS = {text: number for number, text in TYPES.items()}


@st.composite
def infos(draw: Callable[[st.SearchStrategy[object]], object]) -> Info:
    """Infos of all shapes; half of them have the version that is not stored."""
    etag, size = draw(ETAGS), draw(U64)
    assert isinstance(etag, str)
    assert isinstance(size, int)
    version = draw(st.just(usual_version(etag, size)) | st.binary(max_size=40))
    base = draw(
        st.builds(
            Info,
            version=st.just(version),
            size=st.just(size),
            modified_s=U32,
            etag=st.just(etag),
            content=HEADERS | st.just(ContentHeaders("image/png")) | st.just(ContentHeaders()),
            metadata=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
            checksum=st.none() | CHECKSUMS,
            parts=st.lists(st.builds(PartRun, st.integers(1, 10_000), U64), max_size=3).map(tuple),
        )
    )
    assert isinstance(base, Info)
    return base


ENTRIES = st.builds(InfoEntry, infos(), st.binary(min_size=16, max_size=16), st.none() | SPOTS, U32, U32, st.booleans())


@given(entry=ENTRIES)
def test_an_info_reads_back_as_it_was_packed(entry: InfoEntry) -> None:
    number = NUMBERS.get(entry.info.content.content_type or "none", 0)
    value = entries.pack_info(entry, number)
    assert entries.unpack_info(value, TYPES.get) == entry
    assert entries.vh_of(value) == entry.vh
    assert entries.unpack_spot(value) == entry.spot


def test_an_ordinary_info_takes_84_bytes() -> None:
    etag = ETag("0123456789abcdef" * 2)
    for tag in (etag, ETag(f"{etag}-12")):
        info = Info(usual_version(tag, 5), 5, 1_700_000_000, tag, ContentHeaders("image/png"))
        assert len(entries.pack_info(InfoEntry(info, bytes(16), None, 0, 1, complete=True), 1)) == 84


def test_an_info_with_too_many_headers_or_an_impossible_time_is_not_kept() -> None:
    info = Info(Version(b"v"), 5, 0, ETag("e"), metadata=tuple((f"n{i}", "v" * 100) for i in range(100)))
    old = Info(Version(b"v"), 5, -1, ETag("e"))
    late = Info(Version(b"v"), 5, 2**32, ETag("e"))
    for unfit in (info, old, late):
        with pytest.raises(InfoUnfit):
            entries.pack_info(InfoEntry(unfit, bytes(16), None, 0, 1, complete=True), 0)


@given(noise=st.binary(max_size=120), tail=st.binary(max_size=40))
def test_noise_is_a_damaged_entry_or_a_possible_one(noise: bytes, tail: bytes) -> None:
    for value in (noise, bytes(76) + noise, bytes(84) + tail, bytes(84) + b'{"c":[' + tail):
        for unpack in (
            lambda value: entries.unpack_info(value, TYPES.get),
            entries.unpack_spot,
            entries.unpack_segment,
            entries.unpack_counter,
            entries.segment_of,
            entries.vh_of,
        ):
            try:
                unpack(value)
            except EntryDamaged:
                continue


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=5), max_leaves=8
)


@given(fields=st.dictionaries(st.sampled_from("evnthmcp"), JSON))
def test_a_strange_extra_is_a_damaged_entry_or_a_possible_one(fields: dict[str, object]) -> None:

    try:
        entry = entries.unpack_info(bytes(84) + json.dumps(fields).encode(), TYPES.get)
    except EntryDamaged:
        return
    assert isinstance(entry.info.version, bytes)


@given(
    entry=st.builds(
        SegmentEntry, st.sampled_from(State), st.builds(Sums, U32, U64, U64), U64, U32, U64, suspect=st.booleans()
    ),
    number=U64,
    counter=U64,
)
def test_segments_and_counters_read_back(entry: SegmentEntry, number: int, counter: int) -> None:
    value = entries.pack_segment(entry)
    assert len(value) == 44
    assert entries.unpack_segment(value) == entry
    assert entries.segment_of(entries.segment_key(number)) == number
    assert entries.unpack_counter(entries.pack_counter(counter)) == counter


@given(first=U64, second=U64, pieces=st.tuples(U32, U32), vh=st.binary(min_size=16, max_size=16))
def test_keys_sort_as_numbers_do(first: int, second: int, pieces: tuple[int, int], vh: bytes) -> None:
    assert (entries.segment_key(first) < entries.segment_key(second)) == (first < second)
    assert (entries.block_key(vh, pieces[0]) < entries.block_key(vh, pieces[1])) == (pieces[0] < pieces[1])
    assert len(entries.block_key(vh, pieces[0])) == len(entries.info_key(vh)) == 17


@given(spot=SPOTS, offset=U32)
def test_an_entry_lies_at_its_record_alone(spot: Spot, offset: int) -> None:
    value = entries.pack_spot(spot)
    assert entries.lies_at(value, spot.segment, spot.record_offset)
    assert entries.lies_at(value, spot.segment, offset) == (offset == spot.record_offset)
