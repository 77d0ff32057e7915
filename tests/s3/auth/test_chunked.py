"""The aws-chunked framing: leniencies that clients need, and everything else refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import BodyIncomplete, ChunkSizeInvalid, GatewayError, SignatureWrong, TrailerMalformed
from gateway.s3.chunked import ChunkDecoder
from gateway.s3.modes import CHUNKS_AND_TRAILER_SIGNED, CHUNKS_SIGNED
from tests.s3.auth import signer
from tests.s3.auth.bodies import CHUNKS, SEED, proof_with


def decode(raw: bytes, decoder: ChunkDecoder | None = None) -> tuple[bytes, list[tuple[str, str]]]:
    decoder = decoder or ChunkDecoder()
    payload = b"".join(decoder.feed(raw))
    decoder.end()
    return payload, decoder.trailers


def signed_decoder(*, trailer: bool = False) -> ChunkDecoder:
    mode = CHUNKS_AND_TRAILER_SIGNED if trailer else CHUNKS_SIGNED
    return ChunkDecoder(proof_with(mode).seed, trailer_signed=trailer)


@pytest.mark.parametrize(
    "raw",
    [
        b"3\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\n",
        b"3\r\nabc\r\n000\r\n\r\n",
        b"00000000000003\r\nabc\r\n0\r\n\r\n",
        b"3;name=value;chunk-signature=unchecked\r\nabc\r\n0;last\r\n\r\n",
    ],
)
def test_forms_of_the_framing_that_mean_the_same(raw: bytes) -> None:
    assert decode(raw) == (b"abc", [])


@pytest.mark.parametrize(
    "raw", [b"1\r\na\r\n0\r\nX-Amz-Checksum-CRC32: x=\r\n\r\n", b"1\r\na\r\n0\r\nx-amz-checksum-crc32:x=\n\r\n"]
)
def test_trailers_lose_case_and_blanks_and_may_end_in_a_bare_newline(raw: bytes) -> None:
    assert decode(raw) == (b"a", [("x-amz-checksum-crc32", "x=")])


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"", BodyIncomplete),
        (b"3\r\nab", BodyIncomplete),
        (b"3\r\nabc", BodyIncomplete),
        (b"3\r\nabc\r\n", BodyIncomplete),
        (b"3\r\nabc\r\n0", BodyIncomplete),
        (b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:x\r\n", BodyIncomplete),
        (b"3\r\nabcd\r\n0\r\n\r\n", BodyIncomplete),
        (b"3\r\nabc0\r\n\r\n", BodyIncomplete),
        (b"3\nabc\r\n0\r\n\r\n", BodyIncomplete),
        (b"3\r\nabc\n0\r\n\r\n", BodyIncomplete),
        (b"x\r\n\r\n", BodyIncomplete),
        (b"-1\r\n\r\n", BodyIncomplete),
        (b"+1\r\na\r\n0\r\n\r\n", BodyIncomplete),
        (b"0x1\r\na\r\n0\r\n\r\n", BodyIncomplete),
        (b"1_0\r\n" + b"a" * 16 + b"\r\n0\r\n\r\n", BodyIncomplete),
        (b" 1\r\na\r\n0\r\n\r\n", BodyIncomplete),
        (b"\r\n", BodyIncomplete),
        (b"0\r\n\r\nmore", BodyIncomplete),
        (b"0" * 16 + b"1\r\n", ChunkSizeInvalid),
        (b"1;" + b"x" * 1022, ChunkSizeInvalid),
        (b"0\r\nname\r\n\r\n", TrailerMalformed),
        (b"0\r\n name:x\r\n\r\n", TrailerMalformed),
        (b"0\r\n:x\r\n\r\n", TrailerMalformed),
        (b"0\r\n" + b"name:x\r\n" * 512 + b"\r\n", TrailerMalformed),
        (b"0\r\nname:" + b"x" * 4096, TrailerMalformed),
    ],
)
def test_broken_framing_is_refused(raw: bytes, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        decode(raw)


def test_the_last_chunk_alone_may_be_small_beyond_the_limit() -> None:
    small = b"1\r\na\r\n"
    assert decode(small * 10_001 + b"0\r\n\r\n")[0] == b"a" * 10_001
    with pytest.raises(ChunkSizeInvalid):
        decode(small * 10_002 + b"0\r\n\r\n")


def test_large_chunks_are_not_counted() -> None:
    decoder = ChunkDecoder()
    for _ in range(10_100):
        decoder.feed(b"2000\r\n")
        decoder.feed(bytes(0x2000))
        decoder.feed(b"\r\n")
    decoder.feed(b"0\r\n\r\n")
    decoder.end()


@given(CHUNKS, st.booleans())
def test_signed_bodies_decode(chunks: list[bytes], trailer: bool) -> None:
    trailers = [("x-amz-checksum-crc32", "AAAAAA==")] if trailer else None
    raw = signer.chunked(chunks, SEED, trailers)
    assert decode(raw, signed_decoder(trailer=trailer)) == (b"".join(chunks), trailers or [])


def test_an_empty_line_before_the_signature_of_the_trailers_ends_nothing() -> None:
    raw = signer.chunked([b"abc"], SEED, [("x-amz-checksum-crc32", "AAAAAA==")])
    as_minio_go = raw.replace(b"AAAAAA==\r\n", b"AAAAAA==\n\r\n")
    assert decode(as_minio_go, signed_decoder(trailer=True))[0] == b"abc"


def test_a_wrong_chunk_is_refused_when_its_last_byte_is_in() -> None:
    raw = signer.chunked([b"abc", b"def"], SEED)
    decoder = signed_decoder()
    second = raw.index(b"def")
    assert b"".join(decoder.feed(raw[: second + 2])) == b"abcde"
    with pytest.raises(SignatureWrong):
        decoder.feed(b"x")


@pytest.mark.parametrize("trailer", [False, True])
def test_chunks_without_signatures_are_refused_where_they_must_be_signed(trailer: bool) -> None:
    with pytest.raises(SignatureWrong):
        decode(b"3\r\nabc\r\n0\r\n\r\n", signed_decoder(trailer=trailer))


@pytest.mark.parametrize("ending", [b"\r\n", b""])
def test_trailers_without_their_signature_are_refused_where_they_must_be_signed(ending: bytes) -> None:
    raw = signer.chunked([b"abc"], SEED, [])
    unsigned = raw[: raw.index(b"x-amz-trailer-signature")] + ending
    with pytest.raises(BodyIncomplete):
        decode(unsigned, signed_decoder(trailer=True))


def test_nothing_may_follow_the_signature_of_the_trailers() -> None:
    raw = signer.chunked([], SEED, []).removesuffix(b"\r\n") + b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    with pytest.raises(TrailerMalformed):
        decode(raw, signed_decoder(trailer=True))


@settings(max_examples=300)
@given(st.binary(max_size=200) | st.text("0123abc;\r\n:", max_size=60).map(str.encode))
def test_random_bytes_never_escape_as_another_exception_and_decode_the_same_byte_by_byte(raw: bytes) -> None:
    def outcome(pieces: list[bytes]) -> tuple[bytes, list[tuple[str, str]]] | type[GatewayError]:
        decoder = ChunkDecoder()
        try:
            payload = b"".join(part for piece in pieces for part in decoder.feed(piece))
            decoder.end()
        except GatewayError as error:
            return type(error)
        return payload, decoder.trailers

    assert outcome([raw]) == outcome([raw[at : at + 1] for at in range(len(raw))])
