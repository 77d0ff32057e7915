"""Presigned URLs of version 4: what botocore and an independent signer presign, and every fault."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import AccessRefused, PresignedMalformed, SignatureWrong
from gateway.s3.head import Head
from gateway.s3.proof import Mechanism
from tests.s3.auth import signer
from tests.s3.auth.addresses import ENDPOINTS, KEYS, QUERIES, RULES, botocore_head, url_of
from tests.s3.auth.requests import head_of, meaning_of, proof_of, sender_of, time_of, with_field
from tests.s3.auth.signer import ACCESS_KEY, NOW_S, STAMP


def presigned_time(head: Head) -> float:
    stamp = head.target.partition(b"X-Amz-Date=")[2].partition(b"&")[0]
    return time_of(replace(head, fields=((b"x-amz-date", stamp),)))


@settings(max_examples=200)
@given(ENDPOINTS, KEYS, QUERIES)
def test_what_botocore_presigns_verifies(endpoint: str, key: str, query: dict[str, str]) -> None:
    head = botocore_head(url_of(endpoint, key, query), {}, presigned=True)
    proof = proof_of(head, presigned_time(head), RULES)
    assert (proof.mechanism, proof.payload) == (Mechanism.V4_QUERY, "UNSIGNED-PAYLOAD")


def presigned(expires: str = "3600", drop: str = "", **parameters: str) -> Head:
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{ACCESS_KEY}/{signer.scope()}",
        "X-Amz-Date": STAMP,
        "X-Amz-Expires": expires,
        "X-Amz-SignedHeaders": "host",
        **parameters,
    }
    signature = signer.sign("GET", "/bucket/key", query, {"host": "localhost"}, "UNSIGNED-PAYLOAD")
    query["X-Amz-Signature"] = signature
    query.pop(drop, None)
    return head_of("GET", url_of("http://localhost", "/bucket/key", query))


@settings(max_examples=200)
@given(st.data())
def test_one_changed_byte_of_a_presigned_url_proves_nothing(data: st.DataObject) -> None:
    head = presigned(**{"response-content-type": "text/plain; charset=utf-8"})
    at = data.draw(st.integers(1, len(head.target) - 1))
    other = data.draw(st.integers(33, 126).filter(lambda byte: byte != head.target[at]))
    changed = head.target[:at] + bytes([other]) + head.target[at + 1 :]
    # The name of the signature itself is not signed, and ignores case.
    renamed = re.sub(b"x-amz-signature=", b"X-Amz-Signature=", changed, flags=re.IGNORECASE)
    if meaning_of(head.target) == meaning_of(renamed):
        return
    assert sender_of(replace(head, target=changed), NOW_S) is None


@pytest.mark.parametrize("name", ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"])
def test_a_presigned_url_needs_all_its_parameters(name: str) -> None:
    with pytest.raises(PresignedMalformed):
        proof_of(presigned(drop=f"X-Amz-{name}"), NOW_S)


@pytest.mark.parametrize("expires", ["-1", "604801", "1.5", "", "abc", "9" * 5000])
def test_the_life_of_a_presigned_url_is_a_number_of_at_most_a_week(expires: str) -> None:
    with pytest.raises(PresignedMalformed):
        proof_of(presigned(expires), NOW_S)


@pytest.mark.parametrize(("expires", "offset_s"), [("60", 60), ("0", 0), ("0", -10), ("604800", 604800)])
def test_an_expired_url_says_when_it_ended(expires: str, offset_s: int) -> None:
    with pytest.raises(AccessRefused, match="Request has expired") as caught:
        proof_of(presigned(expires), NOW_S + offset_s)
    assert caught.value.details.keys() == {"X-Amz-Expires", "Expires", "ServerTime"}


def test_a_url_lives_until_the_second_it_ends() -> None:
    assert proof_of(presigned("60"), NOW_S + 59.9).mechanism is Mechanism.V4_QUERY


def test_a_url_signed_in_the_future_is_not_valid_yet() -> None:
    with pytest.raises(AccessRefused, match="not valid yet"):
        proof_of(presigned(), NOW_S - 901)


def test_parameter_names_of_a_presigned_url_ignore_case() -> None:
    head = presigned()
    lower = replace(head, target=head.target.replace(b"X-Amz-Signature", b"x-amz-signature"))
    assert proof_of(lower, NOW_S).mechanism is Mechanism.V4_QUERY


def test_a_parameter_of_a_presigned_url_must_not_occur_twice() -> None:
    head = presigned()
    with pytest.raises(PresignedMalformed, match="twice"):
        proof_of(replace(head, target=head.target + b"&x-amz-expires=5"), NOW_S)


def test_a_url_signed_for_get_does_not_serve_head() -> None:
    with pytest.raises(SignatureWrong):
        proof_of(replace(presigned(), method="HEAD"), NOW_S)


def test_the_sender_of_a_presigned_url_cannot_add_headers_that_matter() -> None:
    with pytest.raises(AccessRefused, match="were not signed"):
        proof_of(with_field(presigned(), b"x-amz-meta-extra", b"1"), NOW_S)


def test_the_sender_says_how_a_body_is_framed_that_the_url_leaves_open() -> None:
    mode = b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert proof_of(with_field(presigned(), b"x-amz-content-sha256", mode), NOW_S).payload == mode.decode()


def test_a_hash_of_the_body_in_the_url_cannot_be_overruled_by_a_header() -> None:
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Content-Sha256": "0" * 64,
        "X-Amz-Credential": f"{ACCESS_KEY}/{signer.scope()}",
        "X-Amz-Date": STAMP,
        "X-Amz-Expires": "60",
        "X-Amz-SignedHeaders": "host",
    }
    query["X-Amz-Signature"] = signer.sign("GET", "/bucket/key", query, {"host": "localhost"}, "0" * 64)
    head = head_of(
        "GET", url_of("http://localhost", "/bucket/key", query), {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    )
    assert proof_of(head, NOW_S).payload == "0" * 64
