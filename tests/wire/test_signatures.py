"""Who asks: signatures in the header, and requests that prove nothing."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.real.node import Node
from tests.real.wire import EMPTY_SHA256, Signer, Wire, head_bytes, path
from tests.wire.conftest import DOMAIN
from tests.wire.place import Place, text
from tests.wire.sending import Draft, send_raw, send_unsigned
from tests.wire.signing import authorized, signature_v2

pytestmark = pytest.mark.slow

V4 = "AWS4-HMAC-SHA256"


def edited(place: Place, old: str, new: str) -> tuple[int, str]:
    """Status and code of a GET in whose Authorization `old` is replaced."""
    draft = Draft(place.wire, "GET", place.target())
    fields = draft.fields()
    assert old in fields["authorization"]
    fields["authorization"] = fields["authorization"].replace(old, new)
    answer = send_raw(place.wire, head_bytes("GET", place.target(), fields))
    return answer.status, answer.code


MALFORMED = [
    ("Credential=", "Credentials="),
    ("Signature=", "Sign="),
    ("SignedHeaders=", "Headers="),
    ("/s3/aws4_request", "/s3"),
    ("/s3/", "/ec2/"),
    ("aws4_request", "aws5_request"),
    (f"/{datetime.now(UTC):%Y%m%d}/", "/20200101/"),
    (f"/{datetime.now(UTC):%Y%m%d}/", "/today/"),
    ("Signature=", "Signature=zz"),
    ("Signature=", "Signature=00,Signature="),
]


@pytest.mark.parametrize(("old", "new"), MALFORMED)
def test_an_authorization_that_is_malformed_is_told(local: Place, old: str, new: str) -> None:
    assert edited(local, old, new) == (400, "AuthorizationHeaderMalformed")


@pytest.mark.parametrize("separator", [",", ", ", " , "])
def test_the_components_may_come_in_any_order(local: Place, separator: str) -> None:
    fields = Draft(local.wire, "GET", local.target()).fields()
    scheme, _, rest = fields["authorization"].partition(" ")
    fields["authorization"] = f"{scheme} {separator.join(reversed(rest.split(',')))}"
    assert send_raw(local.wire, head_bytes("GET", local.target(), fields)).status == 200


@pytest.mark.parametrize("region", ["eu-central-1", "", "anything at all", "us-east-1"])
def test_any_region_is_good(node: Node, local: Place, region: str) -> None:
    signer = Signer(node.access_key, node.secret_key, region=region)
    assert Wire(node, signer).request("GET", local.target()).status == 200


def test_a_wrong_signature_is_told_with_what_should_have_been_signed(local: Place) -> None:
    answer = Draft(local.wire, "GET", local.target("k"), signed_target=local.target("other")).send()
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert (text(answer, "AWSAccessKeyId")) == local.wire.signer.access_key
    assert len(text(answer, "SignatureProvided") or "") == 64
    assert (text(answer, "StringToSign") or "").startswith("AWS4-HMAC-SHA256\n")
    assert (text(answer, "CanonicalRequest") or "").startswith(f"GET\n/{local.bucket}/k\n")
    assert local.wire.signer.secret_key.encode() not in answer.body


def test_a_wrong_secret_and_an_unknown_id_are_told_apart(node: Node, local: Place) -> None:
    wrong = Wire(node, Signer(node.access_key, "wrong-secret")).request("GET", local.target())
    assert (wrong.status, wrong.code) == (403, "SignatureDoesNotMatch")
    unknown = Wire(node, Signer("NOBODY", "wrong-secret")).request("GET", local.target())
    assert (unknown.status, unknown.code) == (403, "InvalidAccessKeyId")
    temporary = Wire(node, Signer("FBTSOMETHING", "wrong-secret")).request("GET", local.target())
    assert (temporary.status, temporary.code) == (403, "InvalidAccessKeyId")


def test_a_left_over_session_token_does_no_harm(local: Place) -> None:
    assert Draft(local.wire, "GET", local.target(), {"x-amz-security-token": "left over"}).send().status == 200


@pytest.mark.parametrize("off", [timedelta(minutes=-16), timedelta(minutes=16), timedelta(days=-1)])
def test_a_clock_that_is_off_is_told_with_ours(local: Place, off: timedelta) -> None:
    now = datetime.now(UTC) + off
    answer = send_raw(local.wire, local.wire.head("GET", local.target(), now=now))
    assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")
    assert text(answer, "MaxAllowedSkewMilliseconds") == "900000"
    assert text(answer, "RequestTime") == f"{now:%Y%m%dT%H%M%SZ}"
    assert text(answer, "ServerTime")
    assert answer.headers["date"], "SDKs correct their clock by it"


@pytest.mark.parametrize("off", [timedelta(minutes=-14), timedelta(minutes=14)])
def test_a_clock_may_be_a_little_off(local: Place, off: timedelta) -> None:
    now = datetime.now(UTC) + off
    assert send_raw(local.wire, local.wire.head("GET", local.target(), now=now)).status == 200


@pytest.mark.parametrize("stamp", [None, "nonsense", "20260101", "20261332T000000Z"])
def test_a_request_needs_a_date(local: Place, stamp: str | None) -> None:
    answer = Draft(local.wire, "GET", local.target()).send(x_amz_date=stamp)
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert text(answer, "Message") == "AWS authentication requires a valid Date or x-amz-date header"


def test_date_serves_where_x_amz_date_is_missing(local: Place) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    date = format_datetime(now, usegmt=True)
    fields = Draft(local.wire, "GET", local.target()).fields()
    del fields["x-amz-date"], fields["authorization"]
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    for sent, code in ((date, ""), ("Sun, 06 Nov 1994 08:49:37 GMT", "AuthorizationHeaderMalformed")):
        signed = authorized(local.wire.signer, "GET", local.target(), {**fields, "date": sent}, EMPTY_SHA256, stamp)
        answer = send_raw(local.wire, head_bytes("GET", local.target(), signed))
        assert answer.code == code, answer


@pytest.mark.parametrize("name", ["x-amz-meta-a", "x-amz-acl", "x-amz-copy-source", "content-md5"])
def test_a_header_that_counts_must_be_signed(local: Place, name: str) -> None:
    with local.untouched():
        answer = Draft(local.wire, "PUT", local.target("k"), body=b"x", extra={name: "1"}).send()
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert text(answer, "Message") == "There were headers present in the request which were not signed"
    assert text(answer, "HeadersNotSigned") == name


def test_host_must_be_signed(local: Place) -> None:
    status, code = edited(local, "SignedHeaders=host;", "SignedHeaders=")
    assert (status, code) == (403, "AccessDenied")


@pytest.mark.parametrize("name", ["range", "content-type", "cache-control", "user-agent", "if-match", "x-other"])
def test_other_headers_need_not_be_signed(local: Place, name: str) -> None:
    assert Draft(local.wire, "PUT", local.target("k"), body=b"x", extra={name: "*"}).send().status in (200, 404)


def test_a_header_that_is_listed_and_absent_counts_as_empty(local: Place) -> None:
    draft = Draft(local.wire, "GET", local.target(), {"x-amz-absent": "", "expect": "100-continue"})
    assert draft.send(x_amz_absent=None, expect=None).status == 200


@pytest.mark.parametrize("value", ["a  b", " a b ", "a\tb"])
def test_runs_of_blanks_in_a_header_count_as_one(local: Place, value: str) -> None:
    answer = Draft(local.wire, "PUT", local.target("k"), {"x-amz-meta-a": value, "content-length": "0"}).send()
    assert answer.status == 200
    assert local.ask("HEAD", "k").headers["x-amz-meta-a"] == value.strip()


def test_without_a_body_the_hash_of_the_body_may_be_missing(local: Place) -> None:
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    given = {"host": local.wire.host, "x-amz-date": stamp}
    for length in ({}, {"content-length": "0"}):
        fields = authorized(local.wire.signer, "GET", local.target(), given, EMPTY_SHA256, stamp) | length
        assert send_raw(local.wire, head_bytes("GET", local.target(), fields)).status == 200
    put = Draft(local.wire, "PUT", local.target("k"), body=b"x").send(x_amz_content_sha256=None)
    assert (put.status, put.code) == (400, "InvalidRequest")
    assert text(put, "Message") == "Missing required header for this request: x-amz-content-sha256"


@pytest.mark.parametrize("value", ["nonsense", "0" * 63, "g" * 64, "STREAMING", ""])
def test_a_hash_that_is_none_is_refused(local: Place, value: str) -> None:
    with local.untouched():
        answer = Draft(local.wire, "PUT", local.target("k"), body=b"x", payload=value).send()
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("port", ["", ":80"])
def test_the_default_port_of_the_host_may_be_signed_or_not(local: Place, port: str) -> None:
    fields = local.wire.signer.signed("GET", local.target(), {"host": f"s3.example.org{port}"})
    for sent in ("s3.example.org", "s3.example.org:80"):
        assert send_raw(local.wire, head_bytes("GET", local.target(), {**fields, "host": sent})).status == 200
    other = send_raw(local.wire, head_bytes("GET", local.target(), {**fields, "host": "s3.example.org:81"}))
    assert other.code == "SignatureDoesNotMatch"


def test_a_proxy_that_is_not_trusted_says_nothing(local: Place) -> None:
    fields = local.wire.signer.signed("GET", local.target(), {"host": "outside.example.org"})
    fields |= {"host": local.wire.host, "x-forwarded-host": "outside.example.org"}
    assert send_raw(local.wire, head_bytes("GET", local.target(), fields)).code == "SignatureDoesNotMatch"


# Mechanisms.


def test_two_mechanisms_are_one_too_many(local: Place) -> None:
    for query in ("X-Amz-Signature=1", "X-Amz-Credential=1", "AWSAccessKeyId=1", "Expires=1"):
        answer = Draft(local.wire, "GET", f"/{local.bucket}?{query}").send()
        assert (answer.status, answer.code) == (400, "InvalidArgument")
        assert text(answer, "Message") == "Only one auth mechanism allowed"
    both = send_unsigned(local.wire, "GET", f"/{local.bucket}?X-Amz-Signature=1&Signature=1")
    assert (both.status, both.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("scheme", ["Bearer x", "Basic eDp5", "AWS4-HMAC-SHA512 Credential=a"])
def test_another_scheme_is_refused(local: Place, scheme: str) -> None:
    answer = send_unsigned(local.wire, "GET", local.target(), {"authorization": scheme})
    assert (answer.status, answer.code) == (400, "InvalidArgument")
    assert text(answer, "Message") == "Unsupported Authorization Type"


def test_version_2_in_the_header_is_refused(local: Place) -> None:
    date = format_datetime(datetime.now(UTC), usegmt=True)
    signature = signature_v2(local.wire.signer, f"GET\n\n\n{date}\n/{local.bucket}")
    headers = {"date": date, "authorization": f"AWS {local.wire.signer.access_key}:{signature}"}
    answer = send_unsigned(local.wire, "GET", local.target(), headers)
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert "Please use AWS4-HMAC-SHA256." in (text(answer, "Message") or "")


def test_asymmetric_signatures_are_not_served(local: Place) -> None:
    header = send_unsigned(local.wire, "GET", local.target(), {"authorization": "AWS4-ECDSA-P256-SHA256 x"})
    assert (header.status, header.code, text(header, "Header")) == (501, "NotImplemented", "Authorization")
    url = send_unsigned(local.wire, "GET", local.target(query=[("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256")]))
    assert (url.status, url.code) == (501, "NotImplemented")
    for suffix in ("", "-TRAILER"):
        payload = f"STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD{suffix}"
        body = Draft(local.wire, "PUT", local.target("k"), body=b"x", payload=payload).send()
        assert (body.status, body.code) == (501, "NotImplemented")


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}])
@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/"), ("GET", "/{}"), ("GET", "/{}/k"), ("PUT", "/{}/k"), ("DELETE", "/missing/k")]
)
def test_who_proves_nothing_has_no_rights(local: Place, method: str, target: str, headers: dict[str, str]) -> None:
    local.put("k", b"kept")
    with local.untouched():
        body = b"x" if method == "PUT" else None
        answer = send_unsigned(local.wire, method, target.format(local.bucket), headers, body)
    assert (answer.status, answer.code) == (403, "AccessDenied")


def test_what_only_signed_requests_may_have_is_refused_without_a_signature(local: Place) -> None:
    override = send_unsigned(local.wire, "GET", local.target("k", [("response-content-type", "text/html")]))
    assert (override.status, override.code) == (400, "InvalidRequest")
    payload = {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
    chunked = send_unsigned(local.wire, "PUT", local.target("k"), payload, b"x")
    assert (chunked.status, chunked.code) == (400, "InvalidRequest")


def test_a_virtual_host_is_signed_without_its_bucket_in_the_path(local: Place) -> None:
    host = f"{local.bucket}.{DOMAIN}"
    fields = local.wire.signer.signed("GET", "/", {"host": host})
    assert send_raw(local.wire, head_bytes("GET", "/", fields)).status == 200
    fields = local.wire.signer.signed("GET", path(local.bucket), {"host": host})
    assert send_raw(local.wire, head_bytes("GET", "/", fields)).code == "SignatureDoesNotMatch"
