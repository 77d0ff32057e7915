"""Which parts make the object, and how parts and uploads page."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.base import PART_SIZE_MIN, Part, UploadId, UploadQuery, WriteSpec, runs_of
from gateway.backends.etags import is_joined, joined_etag
from gateway.backends.uploads import chosen, order, page_of_parts, page_of_uploads
from gateway.errors import PartInvalid, PartTooSmall
from gateway.model import Algorithm, Checksum, ETag, Key

PARTS = st.dictionaries(st.integers(1, 50), st.integers(PART_SIZE_MIN, 2**32), min_size=1, max_size=8).map(
    lambda sizes: {number: Part(number, ETag(f"{number:032x}"), size) for number, size in sizes.items()}
)
UPLOADS = st.lists(
    st.builds(
        UploadId,
        st.sampled_from([b"a", b"a/b", b"a/c", b"b", b"b/x/y"]).map(Key),
        st.text("0123456789abcdef", min_size=1, max_size=3),
        st.integers(0, 2),
    ),
    unique=True,
    max_size=12,
)


@given(parts=PARTS)
def test_the_parts_listed_are_taken_as_they_are_stored(parts: dict[int, Part]) -> None:
    listed = [Part(number, parts[number].etag) for number in sorted(parts)]
    matched = chosen(listed, parts, None)
    assert matched == tuple(parts[number] for number in sorted(parts))
    assert is_joined(joined_etag(matched), listed)


def test_a_part_is_known_by_its_checksum_too() -> None:
    stored = Part(1, ETag("0" * 32), 1, checksum=Checksum(Algorithm.CRC32, b"1234"))
    right, wrong = Checksum(Algorithm.CRC32, b"1234"), Checksum(Algorithm.CRC32, b"4321")
    assert chosen([Part(1, stored.etag, checksum=right)], {1: stored}, None) == (stored,)
    with pytest.raises(PartInvalid):
        chosen([Part(1, stored.etag, checksum=wrong)], {1: stored}, None)


def test_a_small_part_that_is_not_the_last_is_named() -> None:
    parts = {number: Part(number, ETag(f"{number:032x}"), 9) for number in (3, 4)}
    with pytest.raises(PartTooSmall) as failure:
        chosen(list(parts.values()), parts, None)
    assert failure.value.details == {
        "ProposedSize": "9",
        "MinSizeAllowed": str(PART_SIZE_MIN),
        "PartNumber": "3",
        "ETag": parts[3].etag,
    }


@pytest.mark.parametrize("etag", ["", "no hex", "0" * 31])
def test_tags_that_clients_make_up_join_to_nothing(etag: str) -> None:
    assert not is_joined(ETag("0" * 32 + "-1"), [Part(1, ETag(etag))])


@given(parts=PARTS, limit=st.integers(1, 5))
def test_pages_of_parts_join_to_all(parts: dict[int, Part], limit: int) -> None:
    found: list[Part] = []
    after = 0
    while True:
        page = page_of_parts(parts.values(), WriteSpec(), after, limit)
        found += page.parts
        if not page.truncated:
            break
        after = page.parts[-1].number
    assert found == [parts[number] for number in sorted(parts)]


@given(uploads=UPLOADS, limit=st.integers(1, 4), prefix=st.sampled_from([b"", b"a", b"a/", b"b/"]))
def test_pages_of_uploads_join_to_all(uploads: list[UploadId], limit: int, prefix: bytes) -> None:
    found: list[UploadId] = []
    query = UploadQuery(prefix, limit=limit)
    while True:
        page = page_of_uploads(uploads, query)
        found += page.uploads
        if not page.truncated:
            break
        query = UploadQuery(prefix, b"", found[-1].key, found[-1], limit)
    assert found == [upload for upload in sorted(uploads, key=order) if upload.key.startswith(prefix)]


@given(uploads=UPLOADS, limit=st.integers(1, 4))
def test_pages_of_uploads_that_roll_up_join_to_all(uploads: list[UploadId], limit: int) -> None:
    whole = page_of_uploads(uploads, UploadQuery(delimiter=b"/"))
    rolled: list[bytes] = []
    found: list[UploadId] = []
    query = UploadQuery(delimiter=b"/", limit=limit)
    while True:
        page = page_of_uploads(uploads, query)
        found += page.uploads
        rolled += page.prefixes
        if not page.truncated:
            break
        last = page.uploads[-1] if page.uploads else None
        if last is None or (page.prefixes and page.prefixes[-1] > last.key):
            query = UploadQuery(b"", b"/", page.prefixes[-1], None, limit)
        else:
            query = UploadQuery(b"", b"/", last.key, last, limit)
    assert (tuple(found), tuple(rolled)) == (whole.uploads, whole.prefixes)


@given(sizes=st.lists(st.integers(1, 3), max_size=10))
def test_runs_tell_the_sizes_of_all_parts(sizes: list[int]) -> None:
    runs = runs_of(sizes)
    assert [run.size for run in runs for _ in range(run.count)] == sizes
    assert all(one.size != other.size for one, other in itertools.pairwise(runs))
