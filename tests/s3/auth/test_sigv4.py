"""Signature version 4: what independent signers sign verifies, and nothing else does."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import (
    AccessRefused,
    ArgumentInvalid,
    AuthorizationMalformed,
    ClockSkewed,
    GatewayError,
    KeyIdUnknown,
    RequestInvalid,
    SignatureWrong,
    Unsupported,
)
from gateway.s3.head import Head
from gateway.s3.keyring import Credential, KeyRing, signing_key
from gateway.s3.proof import Mechanism
from gateway.s3.target import resolve
from tests.s3.auth import signer
from tests.s3.auth.addresses import ENDPOINTS, KEYS, QUERIES, RULES, botocore_head, url_of
from tests.s3.auth.requests import head_of, meaning_of, proof_of, time_of, verifier, with_field
from tests.s3.auth.signer import ACCESS_KEY, NOW_S, SECRET, STAMP

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
NAMES = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789-"), min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)


def signed_head(
    *, key: str = "/bucket/key", query: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> Head:
    """A GET signed by the independent signer."""
    headers = {"x-amz-date": STAMP, "x-amz-content-sha256": EMPTY, **(headers or {})}
    signature = signer.sign("GET", key, query or {}, {**headers, "host": "localhost"}, headers["x-amz-content-sha256"])
    url = url_of("http://localhost", key, query or {})
    return head_of("GET", url, {**headers, "authorization": signer.authorization(signature, ["host", *headers])})


@settings(max_examples=200)
@given(ENDPOINTS, KEYS, QUERIES, st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_botocore_signs_in_headers_verifies(
    endpoint: str, key: str, query: dict[str, str], metadata: dict[str, str]
) -> None:
    headers = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
    head = botocore_head(url_of(endpoint, key, query), headers)
    proof = proof_of(head, time_of(head), RULES)
    assert (proof.mechanism, proof.key_id, proof.payload) == (Mechanism.V4_HEADER, ACCESS_KEY, EMPTY)


@settings(max_examples=200)
@given(KEYS.map(lambda key: "/bucket/" + key), QUERIES, st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_the_reference_signer_signs_verifies(key: str, query: dict[str, str], metadata: dict[str, str]) -> None:
    head = signed_head(key=key, query=query, headers={f"x-amz-meta-{name}": text for name, text in metadata.items()})
    assert proof_of(head, NOW_S).key_id == ACCESS_KEY


@settings(max_examples=200)
@given(st.data())
def test_one_changed_byte_of_what_is_signed_is_refused(data: st.DataObject) -> None:
    head = signed_head(key="/bucket/some key", query={"prefix": "a b"}, headers={"x-amz-meta-one": "two three"})
    where = data.draw(st.sampled_from(["target", *(name.decode() for name, _ in head.fields)]))
    before = head.target if where == "target" else head.first(where.encode())
    assert before is not None
    at = data.draw(st.integers(0, len(before) - 1))
    other = data.draw(st.integers(33, 126).filter(lambda byte: byte != before[at]))
    changed = before[:at] + bytes([other]) + before[at + 1 :]
    if where == "target":
        if meaning_of(before) == meaning_of(changed):
            return
        forged = replace(head, target=changed)
    else:
        forged = with_field(head, where.encode(), changed)
    if forged.first(b"authorization") != head.first(b"authorization") and is_only_layout(before, changed):
        return
    with pytest.raises(GatewayError):
        proof_of(forged, NOW_S)


def is_only_layout(before: bytes, changed: bytes) -> bool:
    """Whether two Authorization headers differ only in the blanks between their components."""
    return [part.strip() for part in before.split(b",")] == [part.strip() for part in changed.split(b",")]


@pytest.mark.parametrize(
    "path",
    [
        b"/bucket/a'()*!b",
        b"/bucket/a%27%28%29%2A%21b",
        b"/bucket/a%27%28%29%2a%21b",
    ],
)
def test_a_path_verifies_however_its_characters_are_escaped(path: bytes) -> None:
    head = signed_head(key="/bucket/a'()*!b")
    assert proof_of(replace(head, target=path), NOW_S).key_id == ACCESS_KEY


@pytest.mark.parametrize(
    "path", ["/bucket//a", "/bucket/./a/../b", "/bucket/a/", "/bucket/~a+b", "/bucket/%2F", "/bucket/é"]
)
def test_odd_paths_verify_as_they_are(path: str) -> None:
    assert proof_of(signed_head(key=path), NOW_S).key_id == ACCESS_KEY


@pytest.mark.parametrize("layout", [", ", ",", " ,  "])
def test_the_components_may_come_in_any_order_and_spacing(layout: str) -> None:
    head = signed_head()
    text = (head.first(b"authorization") or b"").decode().partition(" ")[2]
    shuffled = "AWS4-HMAC-SHA256 " + layout.join(reversed(text.split(", ")))
    assert proof_of(with_field(head, b"authorization", shuffled.encode()), NOW_S).key_id == ACCESS_KEY


def test_an_empty_expect_header_is_signed_as_it_stands() -> None:
    head = signed_head(headers={"expect": ""})
    assert proof_of(head, NOW_S).key_id == ACCESS_KEY


def test_an_expect_header_that_a_proxy_dropped_still_verifies() -> None:
    head = signed_head(headers={"expect": "100-continue"})
    assert proof_of(with_field(head, b"expect", None), NOW_S).key_id == ACCESS_KEY


def test_values_of_one_name_are_joined_and_blanks_folded() -> None:
    head = signed_head(headers={"x-amz-meta-a": "one  two,three"})
    others = tuple(field for field in head.fields if field[0] != b"x-amz-meta-a")
    twice = replace(head, fields=(*others, (b"x-amz-meta-a", b"one two"), (b"x-amz-meta-a", b"three")))
    assert proof_of(twice, NOW_S).key_id == ACCESS_KEY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Credential=", b"Kredential="),
        (b"Signature=", b"Signature=0"),
        (b"SignedHeaders=", b"SignedHeaders=, Ignored="),
        (b"/s3/", b"/iam/"),
        (b"aws4_request", b"aws5_request"),
        (b"/us-east-1", b""),
        (b"/20130524", b"/20130525"),
        (b"/20130524", b"/2013"),
        (b"SignedHeaders=", b"Signature="),
    ],
)
def test_a_malformed_authorization_header_says_so(old: bytes, new: bytes) -> None:
    head = signed_head()
    broken = (head.first(b"authorization") or b"").replace(old, new, 1)
    with pytest.raises(AuthorizationMalformed):
        proof_of(with_field(head, b"authorization", broken), NOW_S)


@pytest.mark.parametrize("date", [None, b"yesterday", b"20130524T000000", b"20131324T000000Z", b"20130524T 00000Z"])
def test_a_request_without_a_date_is_refused(date: bytes | None) -> None:
    with pytest.raises(AccessRefused, match="valid Date or x-amz-date"):
        proof_of(with_field(signed_head(), b"x-amz-date", date), NOW_S)


def test_the_date_header_serves_where_x_amz_date_is_missing() -> None:
    headers = {"x-amz-content-sha256": EMPTY, "date": "Fri, 24 May 2013 00:00:00 GMT"}
    signature = signer.sign("GET", "/b", {}, {**headers, "host": "localhost"}, EMPTY)
    authorization = signer.authorization(signature, ["host", *headers])
    assert proof_of(head_of("GET", "http://localhost/b", {**headers, "authorization": authorization}), NOW_S)


@pytest.mark.parametrize("offset_s", [-901, 901])
def test_a_clock_more_than_fifteen_minutes_off_is_told_both_times(offset_s: int) -> None:
    with pytest.raises(ClockSkewed) as caught:
        proof_of(signed_head(), NOW_S + offset_s)
    assert caught.value.details.keys() == {"RequestTime", "ServerTime", "MaxAllowedSkewMilliseconds"}
    assert caught.value.details["MaxAllowedSkewMilliseconds"] == "900000"


@pytest.mark.parametrize("offset_s", [-900, 900])
def test_a_clock_fifteen_minutes_off_is_good_enough(offset_s: int) -> None:
    assert proof_of(signed_head(), NOW_S + offset_s).key_id == ACCESS_KEY


def test_an_unknown_access_key_is_named() -> None:
    head = signed_head()
    other = (head.first(b"authorization") or b"").replace(ACCESS_KEY.encode(), b"AKIANOBODY")
    with pytest.raises(KeyIdUnknown) as caught:
        proof_of(with_field(head, b"authorization", other), NOW_S)
    assert caught.value.details["AWSAccessKeyId"] == "AKIANOBODY"


@pytest.mark.parametrize("name", ["x-amz-meta-new", "content-md5", "x-amz-copy-source", "x-amz-security-token"])
def test_headers_that_matter_must_be_signed(name: str) -> None:
    with pytest.raises(AccessRefused, match="were not signed") as caught:
        proof_of(with_field(signed_head(), name.encode(), b"value"), NOW_S)
    assert caught.value.details["HeadersNotSigned"] == name


def test_a_signature_must_cover_the_host() -> None:
    head = signed_head()
    stripped = (head.first(b"authorization") or b"").replace(b"host;", b"")
    with pytest.raises(AccessRefused, match="were not signed"):
        proof_of(with_field(head, b"authorization", stripped), NOW_S)


@pytest.mark.parametrize("name", [b"range", b"content-type", b"user-agent"])
def test_other_headers_may_stay_unsigned(name: bytes) -> None:
    assert proof_of(with_field(signed_head(), name, b"bytes=0-1"), NOW_S).key_id == ACCESS_KEY


def test_a_wrong_signature_is_answered_with_what_we_computed_but_no_secret() -> None:
    with pytest.raises(SignatureWrong) as caught:
        proof_of(replace(signed_head(), target=b"/bucket/other"), NOW_S)
    details = caught.value.details
    assert details.keys() == {"AWSAccessKeyId", "SignatureProvided", "StringToSign", "CanonicalRequest"}
    assert details["CanonicalRequest"].startswith("GET\n/bucket/other\n")
    assert SECRET not in str(details)


def test_without_a_payload_hash_a_request_without_body_counts_as_empty() -> None:
    headers = {"x-amz-date": STAMP}
    signature = signer.sign("GET", "/b", {}, {**headers, "host": "localhost"}, EMPTY)
    head = head_of(
        "GET", "http://localhost/b", {**headers, "authorization": signer.authorization(signature, ["host", *headers])}
    )
    assert proof_of(head, NOW_S).payload == EMPTY
    with pytest.raises(RequestInvalid, match="x-amz-content-sha256"):
        proof_of(with_field(head, b"content-length", b"5"), NOW_S)


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("nonsense", ArgumentInvalid),
        (EMPTY[:-1], ArgumentInvalid),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILERS", ArgumentInvalid),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", Unsupported),
    ],
)
def test_modes_of_the_body_that_we_do_not_know_are_refused(mode: str, error: type[GatewayError]) -> None:
    with pytest.raises(error):
        proof_of(signed_head(headers={"x-amz-content-sha256": mode}), NOW_S)


def test_signed_chunks_start_from_the_signature_of_the_request() -> None:
    head = signed_head(headers={"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})
    seed = proof_of(head, NOW_S).seed
    assert seed is not None
    assert (seed.date, seed.scope) == (STAMP, signer.scope())
    assert (head.first(b"authorization") or b"").endswith(seed.signature.encode())
    assert repr(seed.signing_key) not in repr(seed)


# Remembered keys.


def test_a_signing_key_is_remembered_only_after_it_proved_right() -> None:
    ring = KeyRing({ACCESS_KEY: SECRET}.get, size_max=2)
    days = [Credential(ACCESS_KEY, day, b"r") for day in (b"20130524", b"20130525", b"20130526")]
    for credential in days:
        ring.remember(credential, b"the key of " + credential.day)
    assert ring.signing_key(days[0]) == signing_key(SECRET, days[0].day, b"r")
    assert ring.signing_key(days[2]) == b"the key of 20130526"


def test_a_secret_that_changed_under_its_id_no_longer_verifies_the_old() -> None:
    secrets = {ACCESS_KEY: SECRET}
    ring = KeyRing(secrets.get)
    credential = Credential(ACCESS_KEY, b"20130524", b"us-east-1")
    ring.remember(credential, ring.signing_key(credential))
    secrets[ACCESS_KEY] = "another"
    assert ring.signing_key(credential) == signing_key("another", b"20130524", b"us-east-1")


@settings(max_examples=300)
@given(st.binary(max_size=80), st.binary(max_size=120), st.binary(max_size=40))
def test_random_text_never_escapes_as_another_exception(query: bytes, authorization: bytes, date: bytes) -> None:
    fields = (
        (b"host", b"localhost"),
        (b"authorization", b"AWS4-HMAC-SHA256 " + authorization),
        (b"x-amz-date", date),
    )
    for head in (
        Head("GET", b"/b/k", fields),
        Head("GET", b"/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&" + query.replace(b" ", b""), fields[:1]),
    ):
        with pytest.raises(GatewayError):
            proof_of(head, NOW_S)


def test_the_same_verifier_verifies_again_from_memory() -> None:
    head, checker = signed_head(), verifier()
    target = resolve(head, "")
    assert checker.authenticate(head, target, NOW_S) == checker.authenticate(head, target, NOW_S)
