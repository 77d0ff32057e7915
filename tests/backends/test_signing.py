"""What the client-side signer signs, the server-side verifier accepts, and nothing else."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.backends.signing import Request, Signer, encoded_path, encoded_query, sign
from gateway.errors import SignatureWrong
from gateway.s3.auth import AuthRules, Verifier
from gateway.s3.head import Head
from gateway.s3.proof import Mechanism, Proof
from gateway.s3.target import resolve

NOW_S = 1_700_000_000.0
SIGNER = Signer("AKIDEXAMPLE", "a secret of forty characters or thereabouts", "eu-west-3")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
HEADER_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=12)
REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "PUT", "HEAD", "DELETE", "POST"]),
    path=TEXT.map(lambda key: "/bucket/" + encoded_path(key.encode())),
    query=st.lists(st.tuples(TEXT.map(lambda name: "q" + name), TEXT), max_size=4),
    headers=st.dictionaries(st.sampled_from(["X-Amz-Meta-A", "Range", "content-type"]), HEADER_VALUES).map(
        lambda headers: headers | {"Host": "store.example.org:9000"}
    ),
    payload=st.sampled_from(["UNSIGNED-PAYLOAD", hashlib.sha256(b"content").hexdigest()]),
)


def head_of(request: Request, signer: Signer) -> Head:
    headers = {**request.headers, **sign(request, signer, NOW_S)}
    query = encoded_query(request.query)
    fields = tuple((name.lower().encode(), value.strip(" \t").encode("latin-1")) for name, value in headers.items())
    return Head(request.method, f"{request.path}{'?' if query else ''}{query}".encode(), fields)


def proof_of(head: Head) -> Proof:
    verifier = Verifier(AuthRules(), {SIGNER.key_id: SIGNER.secret}.get)
    return verifier.authenticate(head, resolve(head, ""), NOW_S)


@given(request=REQUESTS)
@settings(max_examples=200)
def test_what_is_signed_verifies(request: Request) -> None:
    proof = proof_of(head_of(request, SIGNER))
    assert (proof.mechanism, proof.key_id) == (Mechanism.V4_HEADER, SIGNER.key_id)


@given(request=REQUESTS)
@settings(max_examples=50)
def test_what_is_signed_with_another_secret_does_not_verify(request: Request) -> None:
    with pytest.raises(SignatureWrong):
        proof_of(head_of(request, replace(SIGNER, secret="another secret")))


@given(request=REQUESTS)
@settings(max_examples=50)
def test_a_request_changed_after_signing_does_not_verify(request: Request) -> None:
    head = head_of(request, SIGNER)
    with pytest.raises(SignatureWrong):
        proof_of(replace(head, method="PATCH"))
    separator = b"&" if b"?" in head.target else b"?"
    with pytest.raises(SignatureWrong):
        proof_of(replace(head, target=head.target + separator + b"added="))


def test_a_session_token_is_sent_and_signed() -> None:
    request = Request("GET", "/bucket/key", (), {"host": "store.example.org"})
    added = sign(request, replace(SIGNER, session_token="a token"), NOW_S)
    assert added["x-amz-security-token"] == "a token"
    assert "x-amz-security-token" in added["authorization"]


def test_a_signer_never_shows_its_secrets() -> None:
    shown = repr(replace(SIGNER, session_token="a token"))
    assert SIGNER.secret not in shown
    assert "a token" not in shown
