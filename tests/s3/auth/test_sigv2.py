"""Signature version 2: the URLs of boto3, the examples of AWS, and what it must not let through."""

import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import HmacV1Auth, HmacV1QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import (
    AccessRefused,
    ArgumentInvalid,
    AuthorizationMalformed,
    ClockSkewed,
    KeyIdUnknown,
    RequestInvalid,
    SignatureWrong,
)
from gateway.s3.auth import AuthRules
from gateway.s3.head import Head
from gateway.s3.proof import Mechanism
from tests.s3.auth.addresses import KEYS
from tests.s3.auth.requests import head_of, head_of_botocore, meaning_of, proof_of, sender_of, with_field
from tests.s3.auth.signer import ACCESS_KEY, NOW_S, SECRET

ALL = AuthRules(signature_v2="all", domain="s3.amazonaws.com")


class _Presigner(HmacV1QueryAuth):  # type: ignore[misc]  # botocore has no types
    """botocore's, on a day of ours."""

    def _get_date(self) -> str:
        return str(int(NOW_S) + int(self._expires))


@pytest.fixture(scope="module")
def client() -> Iterator[BaseClient]:
    client = boto3.client(
        "s3",
        endpoint_url="http://localhost:9000",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(signature_version="s3", s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


def presigned(
    url: str = "http://localhost/bucket/key", headers: dict[str, str] | None = None, expires_s: int = 600
) -> Head:
    """A GET that botocore presigned to expire so long after NOW_S."""
    request = AWSRequest("GET", url, headers=headers or {})
    _Presigner(Credentials(ACCESS_KEY, SECRET), expires_s).add_auth(request)
    return head_of("GET", request.url)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("get_object", {"Bucket": "b", "Key": "a b/c+d%2Fé"}),
        ("get_object", {"Bucket": "b", "Key": "k", "ResponseContentType": "text/plain; charset=utf-8"}),
        ("get_object", {"Bucket": "b", "Key": "k", "VersionId": "null"}),
        ("put_object", {"Bucket": "b", "Key": "k", "ContentType": "image/png", "Metadata": {"one": "two"}}),
        ("upload_part", {"Bucket": "b", "Key": "k", "UploadId": "u/+=", "PartNumber": 3}),
        ("create_multipart_upload", {"Bucket": "b", "Key": "k"}),
        ("delete_object", {"Bucket": "b", "Key": "k"}),
        ("head_bucket", {"Bucket": "b"}),
    ],
)
def test_the_urls_that_boto3_makes_verify(client: BaseClient, operation: str, parameters: dict[str, object]) -> None:
    url = client.generate_presigned_url(operation, Params=parameters, ExpiresIn=60)
    method = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).http["method"]
    assert "Signature=" in url
    proof = proof_of(head_of(method, url), time.time())
    assert (proof.mechanism, proof.key_id) == (Mechanism.V2_QUERY, ACCESS_KEY)


@settings(max_examples=200)
@given(KEYS)
def test_any_key_that_botocore_presigns_verifies(key: str) -> None:
    head = presigned("http://localhost/bucket/" + quote(key, safe="/~"))
    assert proof_of(head, NOW_S).mechanism is Mechanism.V2_QUERY


@settings(max_examples=200)
@given(st.data())
def test_one_changed_byte_of_a_presigned_url_proves_nothing(data: st.DataObject) -> None:
    head = presigned("http://localhost/bucket/key?versionId=null", {"x-amz-meta-a": "b", "Content-Type": "text/plain"})
    at = data.draw(st.integers(1, len(head.target) - 1))
    other = data.draw(st.integers(33, 126).filter(lambda byte: byte != head.target[at]))
    changed = head.target[:at] + bytes([other]) + head.target[at + 1 :]
    if meaning_of(head.target) == meaning_of(changed):
        return
    assert sender_of(replace(head, target=changed), NOW_S) is None


def test_a_plus_in_the_signature_may_stand_unescaped() -> None:
    for expires_s in range(600, 700):
        head = presigned(expires_s=expires_s)
        if b"%2B" in head.target:
            unescaped = replace(head, target=head.target.replace(b"%2B", b"+"))
            assert proof_of(unescaped, NOW_S).mechanism is Mechanism.V2_QUERY
            return
    pytest.fail("no signature had a plus")


def test_headers_that_stand_in_the_url_may_also_be_sent() -> None:
    head = presigned(headers={"Content-Type": "text/plain"})
    assert proof_of(with_field(head, b"content-type", b"text/plain"), NOW_S).mechanism is Mechanism.V2_QUERY
    with pytest.raises(SignatureWrong):
        proof_of(with_field(head, b"content-type", b"text/html"), NOW_S)


def test_a_content_md5_in_the_url_binds_the_body() -> None:
    digest = b64encode(bytes(16)).decode()
    assert proof_of(presigned(headers={"Content-MD5": digest}), NOW_S).content_md5 == digest


def test_unsigned_amazon_headers_change_the_signature() -> None:
    with pytest.raises(SignatureWrong):
        proof_of(with_field(presigned(), b"x-amz-copy-source", b"/b/k"), NOW_S)


@pytest.mark.parametrize(
    "more", ["prefix=a", "attributes", "list-type=2", "X-Amz-Copy-Source=b", "max-keys=1", "encoding-type=url"]
)
def test_parameters_that_the_signature_does_not_cover_are_refused(more: str) -> None:
    with pytest.raises(AccessRefused, match="not covered"):
        proof_of(presigned(f"http://localhost/bucket/key?{more}"), NOW_S)


@pytest.mark.parametrize("name", ["x-amz-meta-a", "content-type"])
def test_a_header_in_the_url_cannot_be_joined_by_another_value(name: str) -> None:
    head = presigned(headers={"x-amz-meta-a": "b", "content-type": "a/b"})
    assert proof_of(head, NOW_S).key_id == ACCESS_KEY
    before, after = head.target.split(b"?")
    said = f"{name}=other".encode()
    for query in (said + b"&" + after, after + b"&" + said):
        with pytest.raises(SignatureWrong):
            proof_of(replace(head, target=before + b"?" + query), NOW_S)


def test_parameters_that_select_nothing_pass() -> None:
    assert proof_of(presigned("http://localhost/bucket/key?x-id=GetObject"), NOW_S).key_id == ACCESS_KEY


@pytest.mark.parametrize("name", [b"AWSAccessKeyId", b"Signature", b"Expires"])
def test_a_presigned_url_needs_its_three_parameters_once_each(name: bytes) -> None:
    head = presigned()
    with pytest.raises(AccessRefused, match="requires the Signature"):
        proof_of(replace(head, target=head.target.replace(name, b"x-other")), NOW_S)
    with pytest.raises(ArgumentInvalid, match="twice"):
        proof_of(replace(head, target=head.target + b"&" + name + b"=1"), NOW_S)


@pytest.mark.parametrize(
    ("expires", "sentence"), [("-5", "Invalid date"), ("x", "Invalid date"), ("1" * 5000, "Invalid")]
)
def test_expires_must_be_a_number(expires: str, sentence: str) -> None:
    head = head_of("GET", f"http://localhost/b/k?AWSAccessKeyId={ACCESS_KEY}&Signature=x&Expires={expires}")
    with pytest.raises(AccessRefused, match=sentence):
        proof_of(head, NOW_S)


def test_a_url_ends_when_it_says() -> None:
    head = presigned(expires_s=60)
    with pytest.raises(AccessRefused, match="Request has expired"):
        proof_of(head, NOW_S + 61)


def test_a_url_that_lasts_longer_than_we_allow_is_refused() -> None:
    assert proof_of(presigned(expires_s=7 * 86400 - 5), NOW_S).key_id == ACCESS_KEY
    with pytest.raises(AccessRefused, match="at most 604800 seconds ahead"):
        proof_of(presigned(expires_s=7 * 86400 + 60), NOW_S)


def test_an_unknown_access_key_is_named() -> None:
    head = presigned()
    with pytest.raises(KeyIdUnknown):
        proof_of(replace(head, target=head.target.replace(ACCESS_KEY.encode(), b"AKIANOBODY")), NOW_S)


def test_signed_chunks_cannot_start_from_this_signature() -> None:
    head = presigned(headers={"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})
    with pytest.raises(RequestInvalid):
        proof_of(head, NOW_S)


@pytest.mark.parametrize(("setting", "good"), [("off", False), ("urls-and-forms", True), ("all", True)])
def test_presigned_urls_can_be_switched_off(setting: str, good: bool) -> None:
    rules = AuthRules(signature_v2=setting)  # type: ignore[arg-type]  # one of the three words
    if good:
        assert proof_of(presigned(), NOW_S, rules).mechanism is Mechanism.V2_QUERY
    else:
        with pytest.raises(RequestInvalid, match="AWS4-HMAC-SHA256"):
            proof_of(presigned(), NOW_S, rules)


# Headers. The examples and their key are those of "Signing and authenticating REST requests".


def example(method: str, host: str, target: str, headers: dict[str, str], signature: str) -> Head:
    return head_of(method, f"http://{host}{target}", {**headers, "authorization": f"AWS {ACCESS_KEY}:{signature}"})


EXAMPLES = [
    example(
        "GET",
        "awsexamplebucket1.us-west-1.s3.amazonaws.com",
        "/photos/puppy.jpg",
        {"date": "Tue, 27 Mar 2007 19:36:42 +0000"},
        "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=",
    ),
    example(
        "PUT",
        "awsexamplebucket1.s3.us-west-1.amazonaws.com",
        "/photos/puppy.jpg",
        {"content-type": "image/jpeg", "content-length": "94328", "date": "Tue, 27 Mar 2007 21:15:45 +0000"},
        "iqRzw+ileNPu1fhspnRs8nOjjIA=",
    ),
    example(
        "GET",
        "awsexamplebucket1.s3.us-west-1.amazonaws.com",
        "/?prefix=photos&max-keys=50&marker=puppy",
        {"user-agent": "Mozilla/5.0", "date": "Tue, 27 Mar 2007 19:42:41 +0000"},
        "m0WP8eCtspQl5Ahe6L1SozdX9YA=",
    ),
    example(
        "GET",
        "awsexamplebucket1.s3.us-west-1.amazonaws.com",
        "/?acl",
        {"date": "Tue, 27 Mar 2007 19:44:46 +0000"},
        "82ZHiFIjc+WbcwFKGUVEQspPn+0=",
    ),
]
TIMES = [1175024202.0, 1175030145.0, 1175024561.0, 1175024686.0]


@pytest.mark.parametrize(("head", "now_s"), list(zip(EXAMPLES, TIMES, strict=True)), ids=["get", "put", "list", "acl"])
def test_the_examples_of_aws_verify_where_headers_are_allowed(head: Head, now_s: float) -> None:
    host = (head.first(b"host") or b"").decode()
    rules = AuthRules(signature_v2="all", domain=host.partition(".")[2])
    assert proof_of(head, now_s, rules).mechanism is Mechanism.V2_HEADER
    with pytest.raises(ClockSkewed):
        proof_of(head, now_s + 901, rules)


def header_signed() -> tuple[Head, float]:
    request = AWSRequest("GET", "http://localhost/bucket/key?acl", headers={"x-amz-meta-a": "b"})
    HmacV1Auth(Credentials(ACCESS_KEY, SECRET)).add_auth(request)
    return head_of_botocore(request), time.time()


def test_headers_that_botocore_signs_verify_only_where_they_are_allowed() -> None:
    head, now_s = header_signed()
    assert proof_of(head, now_s, ALL).mechanism is Mechanism.V2_HEADER
    with pytest.raises(RequestInvalid, match="Please use AWS4-HMAC-SHA256"):
        proof_of(head, now_s)


@pytest.mark.parametrize("text", [b"AWS", b"AWS id", b"AWS :sig", b"AWS id:"])
def test_a_malformed_authorization_header_says_so(text: bytes) -> None:
    head, now_s = header_signed()
    with pytest.raises(AuthorizationMalformed):
        proof_of(with_field(head, b"authorization", text), now_s, ALL)


def test_a_signed_header_request_needs_a_date() -> None:
    head, now_s = header_signed()
    with pytest.raises(AccessRefused, match="valid Date"):
        proof_of(with_field(head, b"date", None), now_s, ALL)
