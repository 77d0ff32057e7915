"""What a body must be, from its head to the verdict."""

import hashlib
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import (
    BodyIncomplete,
    DigestInvalid,
    DigestWrong,
    GatewayError,
    LengthMissing,
    ObjectTooLarge,
    PayloadHashWrong,
    RequestInvalid,
    RequestMalformed,
    TrailerMalformed,
)
from gateway.model import Algorithm, Checksum
from gateway.s3 import modes
from gateway.s3.checksums import digest_of, header_of, text_of
from gateway.s3.head import Head
from gateway.s3.payload import OBJECT_SIZE_MAX, Plan, Receiver, Verdict, plan, plan_of_form
from gateway.s3.proof import ANONYMOUS, Mechanism, Proof
from tests.s3.auth.bodies import ALL_MODES, CHUNKS, PLACES, body_of, cut, proof_with, receive

MD5 = b64encode(hashlib.md5(b"abc").digest()).decode()
CRC32 = "NSRBwg=="
"""Of abc."""


def plan_with(fields: dict[str, str], proof: Proof = ANONYMOUS, *, length_required: bool = True) -> Plan:
    raw = tuple((name.encode(), value.encode("latin-1")) for name, value in fields.items())
    return plan(Head("PUT", b"/b/k", raw), proof, length_required=length_required)


def judge(fields: dict[str, str], payload: bytes = b"abc", mode: str = modes.UNSIGNED) -> Verdict:
    return receive(plan_with({"content-length": str(len(payload)), **fields}, proof_with(mode)), [payload])[1]


# Cut and damaged.


@pytest.mark.parametrize("mode", ALL_MODES)
@settings(max_examples=80)
@given(CHUNKS, PLACES)
def test_a_body_cut_anywhere_gives_one_payload_and_one_verdict(
    mode: str, chunks: list[bytes], places: list[int]
) -> None:
    body = body_of(mode, chunks)
    received, verdict = receive(body.plan, cut(body.raw, places))
    assert (received, verdict) == receive(body.plan, cut(body.raw, []))
    assert received == body.payload
    assert verdict.proven
    assert verdict.checksum is not None
    assert verdict.size == len(body.payload)


@pytest.mark.parametrize("mode", ALL_MODES)
@settings(max_examples=80)
@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=3), st.data())
def test_a_flipped_dropped_or_added_byte_is_refused(mode: str, chunks: list[bytes], data: st.DataObject) -> None:
    body = body_of(mode, chunks)
    at = data.draw(st.integers(0, len(body.raw) - 1))
    byte = data.draw(st.integers(0, 255))
    match data.draw(st.sampled_from(["flipped", "dropped", "added"])):
        case "flipped":
            damaged = body.raw[:at] + bytes([byte]) + body.raw[at + 1 :]
        case "dropped":
            damaged = body.raw[:at] + body.raw[at + 1 :]
        case _:
            damaged = body.raw[:at] + bytes([byte]) + body.raw[at:]
    try:
        received, _ = receive(body.plan, [damaged])
    except GatewayError:
        return
    # What is no part of the object, nor signed (a zero before a size, a name's case), may vary.
    assert received == body.payload


def test_the_payload_is_handed_on_without_copies() -> None:
    body = body_of(modes.CHUNKS_UNSIGNED, [bytes(1000)])
    pieces = Receiver(body.plan).feed(body.raw)
    assert [isinstance(piece, memoryview) and piece.obj is body.raw for piece in pieces] == [True]


# Length.


@pytest.mark.parametrize(
    ("fields", "mode", "size"),
    [
        ({"content-length": "3"}, modes.UNSIGNED, 3),
        ({"content-length": "90", "x-amz-decoded-content-length": "3"}, modes.CHUNKS_UNSIGNED, 3),
        ({"transfer-encoding": "chunked", "x-amz-decoded-content-length": "0"}, modes.CHUNKS_UNSIGNED, 0),
        ({"transfer-encoding": "chunked"}, modes.UNSIGNED, None),
    ],
)
def test_the_size_of_the_object_is_what_the_table_says(fields: dict[str, str], mode: str, size: int | None) -> None:
    assert plan_with(fields, proof_with(mode)).size == size


@pytest.mark.parametrize("mode", [modes.UNSIGNED, modes.CHUNKS_SIGNED])
def test_only_uploads_must_say_how_long_they_are(mode: str) -> None:
    assert plan_with({}, proof_with(mode), length_required=False).size == 0
    with pytest.raises(LengthMissing):
        plan_with({}, proof_with(mode))


@pytest.mark.parametrize("decoded", [None, "", "-1", "x", "1" * 20, "+1", "1_0"])
def test_chunks_need_the_length_of_what_is_in_them(decoded: str | None) -> None:
    fields = {"content-length": "90"} | ({} if decoded is None else {"x-amz-decoded-content-length": decoded})
    with pytest.raises(LengthMissing):
        plan_with(fields, proof_with(modes.CHUNKS_UNSIGNED))


@pytest.mark.parametrize("fields", [{"content-length": "1", "transfer-encoding": "chunked"}, {"content-length": "x"}])
def test_lengths_that_contradict_each_other_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(RequestMalformed):
        plan_with(fields)


def test_an_object_above_five_gib_is_refused_before_its_body() -> None:
    assert plan_with({"content-length": str(OBJECT_SIZE_MAX)}).size == OBJECT_SIZE_MAX
    with pytest.raises(ObjectTooLarge):
        plan_with({"content-length": str(OBJECT_SIZE_MAX + 1)})


@pytest.mark.parametrize("payload", [b"ab", b"abcd"])
def test_more_or_fewer_bytes_than_announced_are_refused(payload: bytes) -> None:
    with pytest.raises(BodyIncomplete):
        judge({"content-length": "3"}, payload)


def test_a_body_of_unknown_length_is_as_long_as_it_is() -> None:
    _, verdict = receive(plan_with({"transfer-encoding": "chunked"}), [b"abc", b"de"])
    assert verdict.size == 5


# Hashes and checksums.


def test_a_wrong_sha256_is_told_both_values() -> None:
    with pytest.raises(PayloadHashWrong) as caught:
        judge({}, b"abc", "0" * 64)
    assert caught.value.details == {
        "ClientComputedContentSHA256": "0" * 64,
        "S3ComputedContentSHA256": hashlib.sha256(b"abc").hexdigest(),
    }


@pytest.mark.parametrize("text", ["", "!", "abc=", b64encode(bytes(15)).decode(), MD5 + MD5])
def test_a_content_md5_that_could_not_be_one_is_invalid(text: str) -> None:
    with pytest.raises(DigestInvalid):
        judge({"content-md5": text})


def test_a_content_md5_proves_or_refuses_the_body() -> None:
    assert judge({"content-md5": MD5}).proven
    with pytest.raises(DigestWrong):
        judge({"content-md5": MD5}, b"abd")


def test_a_content_md5_in_a_signed_url_binds_the_body() -> None:
    wanted = plan_with({"content-length": "3"}, Proof(Mechanism.V2_QUERY, "id", content_md5=MD5))
    with pytest.raises(DigestWrong):
        receive(wanted, [b"abd"])


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("place", ["header", "trailer"])
def test_every_algorithm_is_verified_in_header_and_trailer(algorithm: Algorithm, place: str) -> None:
    digest = digest_of(algorithm)
    digest.update(b"abc")
    right = Checksum(algorithm, digest.digest())
    wrong = Checksum(algorithm, bytes(len(right.value)))
    assert send_checksum(right, place).checksum == right
    with pytest.raises(DigestWrong):
        send_checksum(wrong, place)


def send_checksum(checksum: Checksum, place: str) -> Verdict:
    name, text = header_of(checksum.algorithm), text_of(checksum)
    if place == "header":
        return judge({name: text})
    fields = {"content-length": "90", "x-amz-decoded-content-length": "3", "x-amz-trailer": name}
    raw = f"3\r\nabc\r\n0\r\n{name}:{text}\r\n\r\n".encode()
    return receive(plan_with(fields, proof_with(modes.CHUNKS_UNSIGNED)), [raw])[1]


@pytest.mark.parametrize("text", ["", "!", "NSRBw", b64encode(bytes(5)).decode(), CRC32 + "-2"])
def test_a_checksum_that_could_not_be_one_is_a_bad_digest(text: str) -> None:
    with pytest.raises(DigestWrong):
        judge({"x-amz-checksum-crc32": text})


@pytest.mark.parametrize(
    "fields",
    [
        {"x-amz-checksum-crc32": CRC32, "x-amz-checksum-sha1": "x"},
        {"x-amz-checksum-crc32": CRC32, "x-amz-trailer": "x-amz-checksum-crc32"},
        {"x-amz-trailer": "x-amz-checksum-crc32, x-amz-checksum-sha1"},
        {"x-amz-trailer": "x-amz-meta-late"},
        {"x-amz-checksum-md4": "x"},
        {"x-amz-checksum-sha512": "x"},
        {"x-amz-checksum-crc32": CRC32, "x-amz-sdk-checksum-algorithm": "SHA1"},
        {"x-amz-checksum-crc32": CRC32, "x-amz-sdk-checksum-algorithm": "MD4"},
        {"x-amz-sdk-checksum-algorithm": "CRC32"},
    ],
)
def test_checksums_that_do_not_fit_together_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(RequestInvalid):
        judge(fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"x-amz-checksum-crc32": CRC32, "x-amz-sdk-checksum-algorithm": "crc32"},
        {"x-amz-checksum-crc32": CRC32, "x-amz-checksum-type": "FULL_OBJECT", "x-amz-checksum-mode": "ENABLED"},
    ],
)
def test_headers_about_checksums_are_no_checksums(fields: dict[str, str]) -> None:
    assert judge(fields).checksum == Checksum(Algorithm.CRC32, bytes.fromhex("352441c2"))


def test_an_algorithm_alone_is_no_fault_where_nothing_is_uploaded() -> None:
    assert plan_with({"x-amz-sdk-checksum-algorithm": "CRC32"}, length_required=False).checksum is None


def test_a_checksum_of_something_else_than_the_body_is_left_alone() -> None:
    head = Head("POST", b"/b/k", ((b"content-length", b"3"), (b"x-amz-checksum-crc32", b"AAAAAA==-2")))
    wanted = plan(head, ANONYMOUS, length_required=False, checksum_of_body=False)
    assert receive(wanted, [b"abc"])[1] == Verdict(3, None, proven=False)


@pytest.mark.parametrize(
    ("announced", "sent"),
    [
        ("x-amz-checksum-crc32", ""),
        ("", f"x-amz-checksum-crc32:{CRC32}\r\n"),
        ("x-amz-checksum-crc32", "x-amz-checksum-sha1:x\r\n"),
        ("x-amz-checksum-crc32", f"x-amz-checksum-crc32:{CRC32}\r\n" * 2),
    ],
)
def test_trailers_are_exactly_those_announced(announced: str, sent: str) -> None:
    fields = {"content-length": "90", "x-amz-decoded-content-length": "3"}
    if announced:
        fields["x-amz-trailer"] = announced
    wanted = plan_with(fields, proof_with(modes.CHUNKS_UNSIGNED))
    with pytest.raises(TrailerMalformed):
        receive(wanted, [f"3\r\nabc\r\n0\r\n{sent}\r\n".encode()])


def test_a_trailer_announced_for_a_plain_body_never_comes() -> None:
    with pytest.raises(TrailerMalformed):
        judge({"x-amz-trailer": "x-amz-checksum-crc32"})


def test_a_checksum_that_is_wanted_is_computed_beside_the_one_sent() -> None:
    receiver = Receiver(plan_with({"content-length": "3", "x-amz-checksum-crc32": CRC32}), compute=Algorithm.SHA1)
    receiver.feed(b"abc")
    assert receiver.end().checksum == Checksum(Algorithm.SHA1, hashlib.sha1(b"abc").digest())


@pytest.mark.parametrize(
    ("mode", "fields", "raw", "proven"),
    [
        (modes.UNSIGNED, {}, b"abc", False),
        (modes.UNSIGNED, {"content-md5": MD5}, b"abc", True),
        (modes.UNSIGNED, {"x-amz-checksum-crc32": CRC32}, b"abc", True),
        (hashlib.sha256(b"abc").hexdigest(), {}, b"abc", True),
        (modes.CHUNKS_UNSIGNED, {}, b"3\r\nabc\r\n0\r\n\r\n", False),
        (modes.CHUNKS_SIGNED, {}, body_of(modes.CHUNKS_SIGNED, [b"abc"]).raw, True),
    ],
)
def test_what_proves_a_body(mode: str, fields: dict[str, str], raw: bytes, *, proven: bool) -> None:
    lengths = {"content-length": str(len(raw)), "x-amz-decoded-content-length": "3"}
    assert receive(plan_with({**lengths, **fields}, proof_with(mode)), [raw])[1].proven is proven


def test_trailers_that_nobody_announced_are_refused_beside_a_checksum_in_the_header() -> None:
    fields = {"content-length": "90", "x-amz-decoded-content-length": "3", "x-amz-checksum-crc32": CRC32}
    with pytest.raises(TrailerMalformed):
        receive(plan_with(fields, proof_with(modes.CHUNKS_UNSIGNED)), [b"3\r\nabc\r\n0\r\nname:x\r\n\r\n"])


def test_the_fields_of_a_form_act_as_headers() -> None:
    wanted = plan_of_form({"content-md5": MD5, "x-amz-checksum-crc32": CRC32, "x-amz-meta-name": "é"})
    assert receive(wanted, [b"abc"])[1].checksum is not None
    with pytest.raises(DigestWrong):
        receive(wanted, [b"abd"])
