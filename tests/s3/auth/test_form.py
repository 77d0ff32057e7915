"""Upload forms: what boto3 presigns verifies and parses, cut anywhere; what is no form is refused."""

import json
import time
from base64 import b64encode
from collections.abc import Sequence
from typing import Literal

import boto3
import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import (
    ArgumentInvalid,
    FormExpected,
    FormMalformed,
    FormPreambleTooLong,
    GatewayError,
    KeyIdUnknown,
    RequestInvalid,
    SignatureWrong,
    Unsupported,
)
from gateway.model import Bucket
from gateway.s3.auth import AuthRules
from gateway.s3.form import PREAMBLE_MAX, FormParser
from gateway.s3.post_policy import SizeRange, check_policy
from gateway.s3.proof import ANONYMOUS, Mechanism
from tests.s3.auth.bodies import PLACES, cut
from tests.s3.auth.requests import verifier
from tests.s3.auth.signer import ACCESS_KEY, SECRET

BOUNDARY = "----WebKitFormBoundary7MA4YWxk"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
FIELDS = st.dictionaries(
    st.text("abcdefghijklmnopqrstuvwxyz-_", min_size=1, max_size=12).filter(lambda name: name not in ("file", "key")),
    st.text(max_size=30).filter(lambda text: BOUNDARY not in text and is_utf8(text)),
    max_size=5,
)
# Bytes that look like the beginning of a boundary again and again.
FILES = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"--", b"\r\n--", b"\r\n------Web", b"a"]), max_size=30).map(
    b"".join
) | st.binary(max_size=200)


def is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def form_of(fields: dict[str, str], file: bytes, filename: str = "a.txt") -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    start = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        "Content-Type: text/plain\r\n\r\n"
    )
    return b"".join(parts) + start.encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


def parse(pieces: Sequence[bytes], content_type: str = CONTENT_TYPE) -> tuple[dict[str, str], bytes]:
    parser = FormParser(content_type)
    file = b"".join(part for piece in pieces for part in parser.feed(piece))
    parser.end()
    return parser.fields, file


@settings(max_examples=200)
@given(FIELDS, FILES, PLACES)
def test_a_form_cut_anywhere_is_the_same_form(fields: dict[str, str], file: bytes, places: list[int]) -> None:
    fields = {**fields, "key": "k"}
    assert parse(cut(form_of(fields, file), places)) == (fields, file)


def test_a_form_byte_by_byte_is_the_same_form() -> None:
    raw = form_of({"key": "k", "acl": "private"}, b"\r\n--\r\r\n------WebKit")
    assert parse([raw[at : at + 1] for at in range(len(raw))]) == parse([raw])


def test_the_fields_are_complete_when_the_file_starts() -> None:
    raw = form_of({"key": "k"}, b"content")
    parser = FormParser(CONTENT_TYPE)
    edge = raw.index(b"content")
    assert parser.feed(raw[: edge - 1]) == []
    assert not parser.file_started
    assert parser.feed(raw[edge - 1 : edge + 3]) == [b"con"]
    assert parser.fields == {"key": "k"}


def test_what_follows_the_file_is_not_read() -> None:
    raw = form_of({"key": "k"}, b"content")
    more = raw + b'Content-Disposition: form-data; name="acl"\r\n\r\npublic-read\r\n'
    assert parse([more]) == ({"key": "k"}, b"content")


def test_names_of_fields_ignore_case_and_values_may_be_empty() -> None:
    assert parse([form_of({"Key": "k", "X-Amz-Meta-A": ""}, b"")])[0] == {"key": "k", "x-amz-meta-a": ""}


@pytest.mark.parametrize(
    ("filename", "key"),
    [
        ("photo.jpg", "user/photo.jpg"),
        ("C:\\\\pictures\\\\photo.jpg", "user/photo.jpg"),
        ("C:\\pictures\\photo.jpg", "user/photo.jpg"),
        ("../../etc/passwd", "user/passwd"),
        ('a\\"b', 'user/a"b'),
        ("", "user/"),
    ],
)
def test_the_name_of_the_file_without_its_path_completes_the_key(filename: str, key: str) -> None:
    assert parse([form_of({"key": "user/${filename}"}, b"", filename)])[0]["key"] == key


@pytest.mark.parametrize("content_type", [f'multipart/form-data; charset=utf-8; boundary="{BOUNDARY}"', CONTENT_TYPE])
def test_a_boundary_may_be_quoted(content_type: str) -> None:
    assert parse([form_of({"key": "k"}, b"x")], content_type)[1] == b"x"


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded"])
def test_only_multipart_forms_are_forms(content_type: str | None) -> None:
    with pytest.raises(FormExpected):
        FormParser(content_type)


@pytest.mark.parametrize("rest", ["", "; boundary=", "; boundary=" + "x" * 71, '; boundary="a', "; boundary"])
def test_a_form_needs_a_boundary(rest: str) -> None:
    with pytest.raises(FormMalformed):
        FormParser("multipart/form-data" + rest)


def part(headers: str, value: str = "v") -> bytes:
    return f"--{BOUNDARY}\r\n{headers}\r\n\r\n{value}\r\n".encode()


@pytest.mark.parametrize(
    "raw",
    [
        part("Content-Type: text/plain"),
        part(""),
        part("Content-Disposition: attachment; name=a"),
        part("Content-Disposition: form-data"),
        part('Content-Disposition: form-data; name=""'),
        part('Content-Disposition: form-data; name="a'),
        part("Content-Disposition: form-data; name=a") * 2 + part("Content-Disposition: form-data; name=b"),
        f"--{BOUNDARY}trailing\r\n".encode(),
        part("Content-Disposition: form-data; name=a").replace(b"v", b"\xff") + part(""),
    ],
)
def test_parts_that_are_no_fields_are_refused(raw: bytes) -> None:
    with pytest.raises(FormMalformed):
        parse([raw])


@pytest.mark.parametrize("raw", [b"", f"--{BOUNDARY}--\r\n".encode(), part("Content-Disposition: form-data; name=a")])
def test_a_form_without_a_file_is_refused(raw: bytes) -> None:
    with pytest.raises(ArgumentInvalid, match="exactly one file upload"):
        parse([raw])


def test_a_form_without_a_key_before_the_file_is_refused() -> None:
    with pytest.raises(ArgumentInvalid, match="'key'"):
        parse([form_of({"acl": "private"}, b"x")])


def test_a_form_that_ends_within_its_file_is_refused() -> None:
    raw = form_of({"key": "k"}, b"content")
    with pytest.raises(FormMalformed):
        parse([raw[: raw.index(b"content") + 3]])


@pytest.mark.parametrize("step", [1000, 1_000_000])
def test_what_stands_before_the_file_has_a_limit(step: int) -> None:
    bare = form_of({"key": "k", "x": ""}, b"content")
    room = PREAMBLE_MAX - bare.index(b"content")
    for length, good in ((room, True), (room + 1, False)):
        raw = form_of({"key": "k", "x": "v" * length}, b"content")
        pieces = [raw[at : at + step] for at in range(0, len(raw), step)]
        if good:
            assert parse(pieces)[1] == b"content"
        else:
            with pytest.raises(FormPreambleTooLong):
                parse(pieces)


@settings(max_examples=300)
@given(st.text('ab;="\\\r\n-: form-dataContent-Disposition', max_size=150), st.booleans())
def test_random_text_never_escapes_as_another_exception(text: str, whole: bool) -> None:
    raw = f"--{BOUNDARY}\r\n{text}\r\n--{BOUNDARY}".encode()
    with pytest.raises(GatewayError):
        parse([raw] if whole else [raw[at : at + 1] for at in range(len(raw))])


# Signatures.


@pytest.fixture(scope="module", params=["s3", "s3v4"])
def presigned(request: pytest.FixtureRequest) -> dict[str, str]:
    """The fields of a form that boto3 presigned, by version 2 (its default here) and by version 4."""
    client = boto3.client(
        "s3",
        endpoint_url="http://localhost:9000",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(signature_version=request.param),
    )
    post = client.generate_presigned_post(
        "bucket",
        "user/${filename}",
        Fields={"acl": "private"},
        Conditions=[{"acl": "private"}, ["content-length-range", 1, 100]],
        ExpiresIn=600,
    )
    client.close()
    fields: dict[str, str] = post["fields"]
    return fields


def test_forms_that_boto3_presigns_verify_and_obey_their_policy(presigned: dict[str, str]) -> None:
    fields, file = parse([form_of(presigned, b"content", "a.txt")])
    proof = verifier().authenticate_form(fields)
    assert (proof.mechanism, proof.key_id) == (Mechanism.FORM, ACCESS_KEY)
    assert check_policy(fields, Bucket("bucket"), time.time()) == SizeRange(1, 100)
    assert (fields["key"], file) == ("user/a.txt", b"content")


def lower(fields: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in fields.items()}


def test_a_changed_policy_does_not_verify(presigned: dict[str, str]) -> None:
    other = b64encode(json.dumps({"expiration": "2999-01-01T00:00:00Z", "conditions": []}).encode()).decode()
    with pytest.raises(SignatureWrong):
        verifier().authenticate_form({**lower(presigned), "policy": other})


def test_every_signing_field_is_needed(presigned: dict[str, str]) -> None:
    fields = lower(presigned)
    signing = {"policy", "awsaccesskeyid", "signature"} | {name for name in fields if name.startswith("x-amz-")}
    for name in signing & fields.keys():
        without = {other: value for other, value in fields.items() if other != name}
        with pytest.raises(ArgumentInvalid):
            verifier().authenticate_form(without)


def test_an_unknown_access_key_is_named(presigned: dict[str, str]) -> None:
    fields = {name: value.replace(ACCESS_KEY, "AKIANOBODY") for name, value in lower(presigned).items()}
    with pytest.raises(KeyIdUnknown):
        verifier().authenticate_form(fields)


@pytest.mark.parametrize("setting", ["off", "urls-and-forms"])
def test_forms_of_version_2_can_be_switched_off(setting: Literal["off", "urls-and-forms"]) -> None:
    fields = {"awsaccesskeyid": ACCESS_KEY, "policy": "p", "signature": "s"}
    with pytest.raises(RequestInvalid if setting == "off" else SignatureWrong):
        verifier(AuthRules(signature_v2=setting)).authenticate_form(fields)


V4 = {
    "policy": "p",
    "x-amz-algorithm": "AWS4-HMAC-SHA256",
    "x-amz-credential": f"{ACCESS_KEY}/20130524/us-east-1/s3/aws4_request",
    "x-amz-date": "20130524T000000Z",
    "x-amz-signature": "0" * 64,
}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("x-amz-algorithm", "HMAC", ArgumentInvalid),
        ("x-amz-algorithm", "AWS4-ECDSA-P256-SHA256", Unsupported),
        ("x-amz-credential", "x/y", ArgumentInvalid),
        ("x-amz-date", "20130525T000000Z", ArgumentInvalid),
        ("x-amz-date", "today", ArgumentInvalid),
        ("x-amz-signature", "é", SignatureWrong),
    ],
)
def test_malformed_signing_fields_are_refused(name: str, value: str, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        verifier().authenticate_form({**V4, name: value})


def test_a_form_without_signing_fields_is_anonymous_unless_it_has_a_policy() -> None:
    assert verifier().authenticate_form({"key": "k"}) == ANONYMOUS
    with pytest.raises(ArgumentInvalid):
        verifier().authenticate_form({"key": "k", "policy": "p"})
