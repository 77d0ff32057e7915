"""What is kept beside an object comes back as it was; what is no record is none."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.local.records import (
    Record,
    UploadRecord,
    record_of,
    tags_of,
    tags_to_json,
    upload_record_of,
)
from gateway.model import (
    Algorithm,
    Checksum,
    ChecksumSpec,
    ChecksumType,
    ContentHeaders,
    ETag,
    Info,
    PartRun,
    Version,
)

HEADER_TEXT = st.text(st.characters(max_codepoint=0xFF), max_size=10)
PAIRS = st.lists(st.tuples(HEADER_TEXT, HEADER_TEXT), max_size=3).map(tuple)
TAGS = st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=5), HEADER_TEXT), max_size=3).map(tuple)
CONTENT = st.builds(ContentHeaders, *[st.none() | HEADER_TEXT] * 6)
CHECKSUMS = st.builds(
    Checksum,
    st.sampled_from(Algorithm),
    st.binary(min_size=4, max_size=32),
    st.sampled_from(ChecksumType),
    st.integers(0, 9),
)
INFOS = st.builds(
    Info,
    version=st.text("0123456789abcdef-", min_size=1).map(lambda text: Version(text.encode())),
    size=st.integers(0, 2**50),
    modified_s=st.integers(0, 2**40),
    etag=st.text("0123456789abcdef-").map(ETag),
    content=CONTENT,
    metadata=PAIRS,
    checksum=st.none() | CHECKSUMS,
    parts=st.lists(st.builds(PartRun, st.integers(1, 10), st.integers(0, 2**40)), max_size=3).map(tuple),
)


@given(record=st.builds(Record, INFOS, st.none() | st.text("0123456789abcdef", min_size=32, max_size=32)))
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    assert record_of(record.to_json()) == record


@given(
    record=st.builds(
        UploadRecord,
        key=st.text(st.characters(codec="utf-8"), min_size=1).map(str.encode),
        started_s=st.integers(0, 2**40),
        content=CONTENT,
        metadata=PAIRS,
        tags=TAGS,
        checksum=st.none() | st.builds(ChecksumSpec, st.sampled_from(Algorithm), st.sampled_from(ChecksumType)),
    )
)
def test_the_record_of_an_upload_comes_back_as_it_was(record: UploadRecord) -> None:
    assert upload_record_of(record.to_json()) == record


@given(tags=TAGS)
def test_tags_come_back_as_they_were(tags: tuple[tuple[str, str], ...]) -> None:
    assert tags_of(tags_to_json(tags)) == tags


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(text=st.binary(max_size=20) | JSON.map(lambda value: json.dumps(value).encode()))
def test_text_that_is_no_record_is_none(text: bytes) -> None:
    assert record_of(text) is None
    assert upload_record_of(text) is None
    tags_of(text)


@given(info=INFOS, change=st.sampled_from(["checksum", "parts", "content", "metadata", "size"]))
def test_a_damaged_record_is_none(info: Info, change: str) -> None:
    fields = json.loads(Record(info).to_json())
    fields[change] = [["x"]]
    assert record_of(json.dumps(fields).encode()) is None
