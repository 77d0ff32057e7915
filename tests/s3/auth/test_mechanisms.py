"""Which mechanism a request is judged by, and what proxies may say about it."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from gateway.errors import ArgumentInvalid, GatewayError, RequestInvalid, SignatureWrong, Unsupported
from gateway.s3.auth import AuthRules, client_address, scheme_of
from gateway.s3.head import Head
from gateway.s3.proof import ANONYMOUS, Mechanism
from tests.s3.auth import signer
from tests.s3.auth.requests import head_of, proof_of, with_field
from tests.s3.auth.signer import ACCESS_KEY, NOW_S, STAMP

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
PROXIED = AuthRules(trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("fd00::/8")))


def get(url: str = "http://localhost/b/k", authorization: str = "") -> Head:
    return head_of("GET", url, {"authorization": authorization} if authorization else {})


def signed(host: str) -> Head:
    """A GET whose signer saw this host."""
    headers = {"x-amz-date": STAMP, "x-amz-content-sha256": EMPTY}
    signature = signer.sign("GET", "/b/k", {}, {**headers, "host": host}, EMPTY)
    authorization = signer.authorization(signature, ["host", *headers])
    return head_of("GET", "http://localhost/b/k", {**headers, "authorization": authorization})


@pytest.mark.parametrize("head", [get(), with_field(get(), b"authorization", b"")])
def test_a_request_without_proof_is_anonymous(head: Head) -> None:
    assert proof_of(head, NOW_S) == ANONYMOUS


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        (get("http://h/b/k?Signature=x", "AWS4-HMAC-SHA256 x"), ArgumentInvalid, "Only one auth mechanism allowed"),
        (get("http://h/b/k?Signature=x&X-Amz-Signature=y"), ArgumentInvalid, "Only one auth mechanism allowed"),
        (get("http://h/b/k?x-amz-credential=x", "AWS a:b"), ArgumentInvalid, "Only one auth mechanism allowed"),
        (get(authorization="Basic eDp5"), ArgumentInvalid, "Unsupported Authorization Type"),
        (get(authorization="AWS a:b"), RequestInvalid, "Please use AWS4-HMAC-SHA256"),
        (get(authorization="AWS4-ECDSA-P256-SHA256 Credential=x"), Unsupported, "not implemented"),
        (get("http://h/b/k?X-Amz-Algorithm=AWS4-ECDSA-P256-SHA256"), Unsupported, "not implemented"),
    ],
)
def test_mechanisms_that_we_do_not_take_are_refused(head: Head, error: type[GatewayError], message: str) -> None:
    with pytest.raises(error, match=message):
        proof_of(head, NOW_S)


@pytest.mark.parametrize(
    ("method", "path", "mechanism"),
    [
        ("POST", "/b", Mechanism.FORM),
        ("POST", "/b/?x-id=PostObject", Mechanism.FORM),
        ("POST", "/b?delete", Mechanism.ANONYMOUS),
        ("POST", "/b/k", Mechanism.ANONYMOUS),
        ("POST", "/", Mechanism.ANONYMOUS),
        ("PUT", "/b", Mechanism.ANONYMOUS),
    ],
)
def test_an_unsigned_post_to_a_bucket_is_a_form(method: str, path: str, mechanism: Mechanism) -> None:
    assert proof_of(head_of(method, "http://localhost" + path), NOW_S).mechanism is mechanism


def test_strangers_can_neither_sign_chunks_nor_change_the_answer() -> None:
    with pytest.raises(RequestInvalid):
        proof_of(with_field(get(), b"x-amz-content-sha256", b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), NOW_S)
    with pytest.raises(RequestInvalid):
        proof_of(get("http://localhost/b/k?response-content-type=text/html"), NOW_S)


@pytest.mark.parametrize("mode", ["STREAMING-UNSIGNED-PAYLOAD-TRAILER", EMPTY])
def test_strangers_say_how_their_body_is_framed(mode: str) -> None:
    assert proof_of(with_field(get(), b"x-amz-content-sha256", mode.encode()), NOW_S).payload == mode


# Hosts and proxies.


@pytest.mark.parametrize(
    ("received", "signed_for"),
    [("gateway", "gateway"), ("gateway", "gateway:80"), ("gateway:80", "gateway"), ("gateway:9000", "gateway:9000")],
)
def test_the_default_port_may_be_in_the_host_or_not(received: str, signed_for: str) -> None:
    assert proof_of(with_field(signed(signed_for), b"host", received.encode()), NOW_S).key_id == ACCESS_KEY


def test_the_default_port_is_that_of_the_scheme() -> None:
    head = replace(with_field(signed("gateway:443"), b"host", b"gateway"), scheme="https")
    assert proof_of(head, NOW_S).key_id == ACCESS_KEY
    with pytest.raises(SignatureWrong):
        proof_of(replace(head, scheme="http"), NOW_S)


@pytest.mark.parametrize(
    ("signed_for", "host", "known"),
    [
        ("mine.s3.test", "mine.s3.test:9000", True),
        ("mine.s3.test", "yours.s3.test", False),
        ("mine.s3.test", "s3.test", False),
        ("s3.test", "yours.s3.test", False),
        ("s3.test", "inner", True),
    ],
)
def test_what_was_signed_for_the_host_of_one_bucket_opens_no_other(signed_for: str, host: str, *, known: bool) -> None:
    # Proxies that set Host often pass on an X-Forwarded-Host that the client made up.
    rules = replace(PROXIED, domain="s3.test")
    head = replace(signed(signed_for), peer="10.1.2.3")
    fields = tuple((name, host.encode() if name == b"host" else value) for name, value in head.fields)
    head = with_field(replace(head, fields=fields), b"x-forwarded-host", signed_for.encode())
    if known:
        assert proof_of(head, NOW_S, rules).key_id == ACCESS_KEY
    else:
        with pytest.raises(SignatureWrong):
            proof_of(head, NOW_S, rules)


def test_the_host_of_an_absolute_target_replaces_the_header() -> None:
    head = replace(signed("gateway:9000"), target=b"http://gateway:9000/b/k")
    assert proof_of(head, NOW_S).key_id == ACCESS_KEY


@pytest.mark.parametrize(
    ("signed_for", "forwarded"),
    [
        ("s3.example.com", {b"x-forwarded-host": b"s3.example.com, inner"}),
        ("s3.example.com:8443", {b"x-forwarded-host": b"s3.example.com", b"x-forwarded-port": b"8443"}),
    ],
)
def test_a_host_that_a_proxy_replaced_is_taken_from_trusted_proxies_only(
    signed_for: str, forwarded: dict[bytes, bytes]
) -> None:
    head = replace(signed(signed_for), peer="10.1.2.3")
    for name, value in forwarded.items():
        head = with_field(head, name, value)
    assert proof_of(head, NOW_S, PROXIED).key_id == ACCESS_KEY
    for stranger in ("192.0.2.1", ""):
        with pytest.raises(SignatureWrong):
            proof_of(replace(head, peer=stranger), NOW_S, PROXIED)


@pytest.mark.parametrize(
    ("peer", "header", "address"),
    [
        ("192.0.2.1", "203.0.113.9", "192.0.2.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "203.0.113.9", "203.0.113.9"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_trusted_proxy(peer: str, header: str, address: str) -> None:
    head = replace(get(), peer=peer)
    if header:
        head = with_field(head, b"x-forwarded-for", header.encode())
    assert client_address(head, PROXIED) == address


@pytest.mark.parametrize(
    ("peer", "said", "scheme"),
    [
        ("10.0.0.1", b"https", "https"),
        ("10.0.0.1", b"HTTPS, http", "https"),
        ("10.0.0.1", b"gopher", "http"),
        ("192.0.2.1", b"https", "http"),
    ],
)
def test_the_scheme_is_what_a_trusted_proxy_says(peer: str, said: bytes, scheme: str) -> None:
    assert scheme_of(with_field(replace(get(), peer=peer), b"x-forwarded-proto", said), PROXIED) == scheme
