"""Checksums: known values, the text of the wire, and the whole from its parts."""

import hashlib
from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import DigestWrong, RequestInvalid
from gateway.model import Algorithm, Checksum, ChecksumSpec, ChecksumType
from gateway.s3.checksums import SIZES, algorithm_of, combine, digest_of, header_of, parse, text_of, wire

CRCS = [Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME]
PARTS = st.lists(st.binary(max_size=200), min_size=1, max_size=6)


def checksum_of(algorithm: Algorithm, data: bytes) -> Checksum:
    digest = digest_of(algorithm)
    digest.update(data)
    return Checksum(algorithm, digest.digest())


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        # The check values that the definitions of these CRCs give for this text.
        (Algorithm.CRC32, "cbf43926"),
        (Algorithm.CRC32C, "e3069283"),
        (Algorithm.CRC64NVME, "ae8b14860a799888"),
        (Algorithm.SHA1, hashlib.sha1(b"123456789").hexdigest()),
        (Algorithm.SHA256, hashlib.sha256(b"123456789").hexdigest()),
    ],
)
def test_digests_have_their_known_values(algorithm: Algorithm, value: str) -> None:
    assert checksum_of(algorithm, b"123456789").value.hex() == value
    assert len(checksum_of(algorithm, b"").value) == SIZES[algorithm]


@given(st.sampled_from(list(Algorithm)), PARTS)
def test_a_digest_does_not_care_how_its_bytes_are_cut(algorithm: Algorithm, parts: list[bytes]) -> None:
    digest = digest_of(algorithm)
    for part in parts:
        digest.update(memoryview(part))
    assert digest.digest() == checksum_of(algorithm, b"".join(parts)).value


@given(st.sampled_from(CRCS), PARTS)
def test_combined_crcs_equal_the_crc_of_the_whole(algorithm: Algorithm, parts: list[bytes]) -> None:
    spec = ChecksumSpec(algorithm, ChecksumType.FULL_OBJECT)
    combined = combine(spec, [(checksum_of(algorithm, part), len(part)) for part in parts])
    assert combined == checksum_of(algorithm, b"".join(parts))


@given(st.sampled_from(list(Algorithm)), PARTS)
def test_a_composite_is_the_algorithm_over_the_raw_values(algorithm: Algorithm, parts: list[bytes]) -> None:
    checksums = [checksum_of(algorithm, part) for part in parts]
    composite = combine(ChecksumSpec(algorithm, ChecksumType.COMPOSITE), [(each, 1) for each in checksums])
    expected = checksum_of(algorithm, b"".join(each.value for each in checksums)).value
    assert composite == Checksum(algorithm, expected, ChecksumType.COMPOSITE, len(parts))


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(None, 3)],
        [(checksum_of(Algorithm.CRC32, b"a"), 1), (None, 3)],
        [(checksum_of(Algorithm.SHA1, b"a"), 1)],
    ],
)
def test_without_a_checksum_of_every_part_there_is_none_of_the_whole(
    parts: list[tuple[Checksum | None, int]],
) -> None:
    assert combine(ChecksumSpec(Algorithm.CRC32, ChecksumType.FULL_OBJECT), parts) is None


@pytest.mark.parametrize("algorithm", [Algorithm.SHA1, Algorithm.SHA256])
def test_hashes_cannot_be_combined_without_the_bytes(algorithm: Algorithm) -> None:
    spec = ChecksumSpec(algorithm, ChecksumType.FULL_OBJECT)
    assert combine(spec, [(checksum_of(algorithm, b"a"), 1)]) is None


@given(st.sampled_from(list(Algorithm)), st.binary(), st.integers(0, 10_000))
def test_text_written_is_read_back_equal(algorithm: Algorithm, data: bytes, part_count: int) -> None:
    plain = checksum_of(algorithm, data)
    composite = Checksum(algorithm, plain.value, ChecksumType.COMPOSITE, part_count)
    checksum = composite if part_count else plain
    assert parse(algorithm, text_of(checksum)) == checksum


@pytest.mark.parametrize("suffix", ["-", "-0", "-x", "--1", "-1.5", "-²", "-123456"])
def test_a_number_of_parts_that_could_not_be_one_is_refused(suffix: str) -> None:
    with pytest.raises(DigestWrong):
        parse(Algorithm.CRC32, b64encode(bytes(4)).decode() + suffix)


@given(st.sampled_from(list(Algorithm)), st.text(max_size=50))
def test_random_text_never_escapes_as_another_exception(algorithm: Algorithm, text: str) -> None:
    with suppress(DigestWrong):
        assert len(parse(algorithm, text).value) == SIZES[algorithm]


def test_the_wire_has_the_value_and_its_type_where_asked() -> None:
    checksum = Checksum(Algorithm.CRC64NVME, bytes(8), ChecksumType.COMPOSITE, 3)
    assert wire(checksum) == [("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=-3")]
    assert wire(checksum, with_type=True)[1] == ("x-amz-checksum-type", "COMPOSITE")


def test_names_of_algorithms_ignore_case() -> None:
    assert {algorithm_of(header_of(each).rpartition("-")[2]) for each in Algorithm} == set(Algorithm)
    with pytest.raises(RequestInvalid):
        algorithm_of("MD4")
