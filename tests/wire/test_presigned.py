"""Presigned URLs of version 4 and version 2."""

import base64
import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.real.wire import Answer, Query
from tests.wire.place import Place, text
from tests.wire.sending import send_unsigned
from tests.wire.signing import Url, encoded, presigned_v2

pytestmark = pytest.mark.slow

BODY = b"the bytes of an object"


def use(
    place: Place, method: str, target: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """Uses a URL as it is."""
    return send_unsigned(place.wire, method, target, headers, body)


def v4(place: Place, method: str, key: str = "k", query: Query = (), changes: dict[str, str] | None = None) -> str:
    """A URL of version 4; `changes` replace signing parameters."""
    return Url(method, place.target(key), place.wire.host, query).signed(place.wire.signer, changes=changes)


def test_a_url_is_as_good_as_a_signature(place: Place) -> None:
    assert use(place, "PUT", v4(place, "PUT"), body=BODY).status == 200
    assert use(place, "GET", v4(place, "GET")).body == BODY
    assert use(place, "HEAD", v4(place, "HEAD")).status == 200
    assert use(place, "DELETE", v4(place, "DELETE")).status == 204
    assert place.wire.keys(place.bucket) == []


def test_a_url_is_good_for_its_own_request_only(local: Place) -> None:
    local.put("k", BODY)
    local.put("other", BODY)
    url = v4(local, "GET")
    with local.untouched():
        assert use(local, "HEAD", url).status == 403
        assert use(local, "DELETE", url).code == "SignatureDoesNotMatch"
        assert use(local, "GET", url.replace("/k?", "/other?")).code == "SignatureDoesNotMatch"
        assert use(local, "GET", f"{url}&versionId=null").code == "SignatureDoesNotMatch"
        assert use(local, "GET", url.replace("X-Amz-Expires=300", "X-Amz-Expires=301")).code == "SignatureDoesNotMatch"


NAMES = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature"]


@pytest.mark.parametrize("name", NAMES)
def test_every_signing_parameter_is_required_once(local: Place, name: str) -> None:
    path, _, query = v4(local, "GET").partition("?")
    parts = [part for part in query.split("&") if not part.startswith(f"{name}=")]
    missing = use(local, "GET", f"{path}?{'&'.join(parts)}")
    assert (missing.status, missing.code) == (400, "AuthorizationQueryParametersError")
    own = next(part for part in query.split("&") if part.startswith(f"{name}="))
    twice = use(local, "GET", f"{path}?{query}&{own}")
    assert (twice.status, twice.code) == (400, "AuthorizationQueryParametersError")


MALFORMED = [
    {"X-Amz-Algorithm": "AWS4-HMAC-SHA1"},
    {"X-Amz-Credential": "TESTKEY/20260101/us-east-1/s3"},
    {"X-Amz-Credential": "TESTKEY/20200101/us-east-1/s3/aws4_request"},
    {"X-Amz-Credential": "TESTKEY/today/us-east-1/s3/aws4_request"},
    {"X-Amz-Date": "2026-01-01T00:00:00Z"},
    {"X-Amz-Date": "20200101T000000Z"},
    {"X-Amz-Expires": "soon"},
    {"X-Amz-Expires": "-1"},
    {"X-Amz-Expires": "604801"},
    {"X-Amz-Expires": "9" * 30},
    {"X-Amz-Expires": "1.5"},
]


@pytest.mark.parametrize("changes", MALFORMED)
def test_a_parameter_that_is_malformed_is_told(local: Place, changes: dict[str, str]) -> None:
    answer = use(local, "GET", v4(local, "GET", changes=changes))
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError"), answer


def test_a_signature_that_is_no_signature_is_told(local: Place) -> None:
    answer = use(local, "GET", v4(local, "GET")[:-1])
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")


def test_a_url_is_good_for_a_week_and_not_after(local: Place) -> None:
    local.put("k", BODY)
    url = Url("GET", local.target("k"), local.wire.host, expires="604800")
    week = timedelta(days=7)
    moment = datetime.now(UTC)
    assert use(local, "GET", url.signed(local.wire.signer, moment - week + timedelta(minutes=1))).status == 200
    over = use(local, "GET", url.signed(local.wire.signer, moment - week - timedelta(seconds=1)))
    assert (over.status, over.code, text(over, "Message")) == (403, "AccessDenied", "Request has expired")
    assert (text(over, "X-Amz-Expires"), text(over, "Expires") is None) == ("604800", False)
    assert text(over, "ServerTime")
    early = use(local, "GET", url.signed(local.wire.signer, moment + timedelta(minutes=16)))
    assert (early.status, text(early, "Message")) == (403, "Request is not valid yet")
    assert use(local, "GET", url.signed(local.wire.signer, moment + timedelta(minutes=14))).status == 200


def test_a_url_that_lasts_no_time_is_over_at_once(local: Place) -> None:
    answer = use(local, "GET", v4(local, "GET", changes={"X-Amz-Expires": "0"}))
    assert (answer.status, text(answer, "Message")) == (403, "Request has expired")


def test_headers_that_count_must_be_in_the_signature(local: Place) -> None:
    for name in ("x-amz-meta-a", "content-md5"):
        with local.untouched():
            answer = use(local, "PUT", v4(local, "PUT"), {name: "1B2M2Y8AsgTpgAmY7PhCfg=="}, b"")
        assert (answer.status, answer.code, text(answer, "HeadersNotSigned")) == (403, "AccessDenied", name)
    assert use(local, "PUT", v4(local, "PUT"), {"content-type": "text/plain"}, BODY).status == 200
    assert local.ask("HEAD", "k").headers["content-type"] == "text/plain"


def test_a_signed_header_must_come_with_the_request(local: Place) -> None:
    url = Url("PUT", local.target("k"), local.wire.host, headers={"x-amz-meta-a": "1"}).signed(local.wire.signer)
    assert use(local, "PUT", url, body=BODY).code == "SignatureDoesNotMatch"
    assert use(local, "PUT", url, {"x-amz-meta-a": "1"}, BODY).status == 200


def test_headers_in_the_query_count_unless_the_header_is_there(local: Place) -> None:
    query = [("x-amz-meta-colour", "blue"), ("X-Amz-Acl", "private")]
    assert use(local, "PUT", v4(local, "PUT", query=query), body=BODY).status == 200
    assert local.ask("HEAD", "k").headers["x-amz-meta-colour"] == "blue"
    with local.untouched():
        refused = use(local, "PUT", v4(local, "PUT", query=[("x-amz-server-side-encryption", "AES256")]), body=b"x")
        assert (refused.status, refused.code) == (501, "NotImplemented")
        acl = use(local, "PUT", v4(local, "PUT", query=[("x-amz-acl", "nonsense")]), body=b"x")
        assert (acl.status, acl.code) == (400, "InvalidArgument")
    local.put("source", b"from elsewhere")
    copied = use(local, "PUT", v4(local, "PUT", query=[("x-amz-copy-source", f"{local.bucket}/source")]))
    assert copied.status == 200
    assert local.wire.get(local.bucket, "k") == b"from elsewhere"


def test_checksums_in_the_query_are_those_of_no_body(local: Place) -> None:
    query = [("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-sdk-checksum-algorithm", "CRC32")]
    assert use(local, "PUT", v4(local, "PUT", query=query), body=BODY).status == 200
    assert local.wire.get(local.bucket, "k") == BODY


def test_a_url_may_bind_the_body(local: Place) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    url = Url("PUT", local.target("k"), local.wire.host, [("X-Amz-Content-Sha256", digest)], payload=digest)
    with local.untouched():
        other = use(local, "PUT", url.signed(local.wire.signer), body=b"x" * len(BODY))
    assert (other.status, other.code) == (400, "XAmzContentSHA256Mismatch")
    assert use(local, "PUT", url.signed(local.wire.signer), body=BODY).status == 200


def test_a_left_over_session_token_does_no_harm(local: Place) -> None:
    local.put("k", BODY)
    assert use(local, "GET", v4(local, "GET", query=[("X-Amz-Security-Token", "left over")])).body == BODY


def test_overrides_are_part_of_the_signature(local: Place) -> None:
    local.put("k", BODY)
    url = v4(local, "GET", query=[("response-content-type", "text/html")])
    assert use(local, "GET", url).headers["content-type"] == "text/html"
    assert use(local, "GET", url.replace("html", "css")).code == "SignatureDoesNotMatch"


def test_names_of_parameters_ignore_case(local: Place) -> None:
    local.put("k", BODY)
    url = Url("GET", local.target("k"), local.wire.host, lower_case=True).signed(local.wire.signer)
    assert "X-Amz-" not in url.rpartition("&")[0]
    assert use(local, "GET", url).body == BODY


# Version 2.


def v2(
    place: Place, method: str, key: str = "k", query: str = "", *, expires: int = 300, signed: str | None = None
) -> str:
    """A URL of version 2; `signed` is the query as the resource has it."""
    target = place.target(key)
    resource = target + (f"?{signed}" if signed else "")
    proof = presigned_v2(place.wire.signer, method, resource, expires=str(int(time.time()) + expires))
    return f"{target}?{query}&{proof}" if query else f"{target}?{proof}"


def test_version_2_urls_are_good(place: Place) -> None:
    assert use(place, "PUT", v2(place, "PUT"), body=BODY).status == 200
    assert use(place, "GET", v2(place, "GET")).body == BODY
    assert use(place, "HEAD", v2(place, "HEAD")).status == 200
    assert use(place, "DELETE", v2(place, "DELETE")).status == 204


def test_version_2_covers_content_headers_and_amazons_own(local: Place) -> None:
    expires = str(int(time.time()) + 60)
    digest = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    headers = {"content-md5": digest, "content-type": "text/plain", "x-amz-meta-a": "1"}
    proof = presigned_v2(
        local.wire.signer,
        "PUT",
        local.target("k"),
        expires=expires,
        headers=(digest, "text/plain"),
        amz="x-amz-meta-a:1\n",
    )
    url = f"{local.target('k')}?{proof}"
    with local.untouched():
        assert use(local, "PUT", url, body=BODY).code == "SignatureDoesNotMatch"
        assert use(local, "PUT", url, {**headers, "x-amz-meta-a": "2"}, BODY).code == "SignatureDoesNotMatch"
        assert use(local, "PUT", url, headers, b"x" * len(BODY)).code == "BadDigest"
    moved = f"{url}&{encoded(list(headers.items()))}"
    for one, sent in ((url, headers), (moved, {})):
        assert use(local, "PUT", one, sent, BODY).status == 200
        stored = local.ask("HEAD", "k").headers
        assert (stored["content-type"], stored["x-amz-meta-a"]) == ("text/plain", "1")
    with local.untouched():
        assert use(local, "PUT", moved, body=b"x" * len(BODY)).code == "BadDigest"


def test_version_2_signs_sub_resources_decoded(local: Place) -> None:
    local.put("k", BODY)
    override = "response-content-type=text/html; charset=utf-8"
    url = v2(local, "GET", query="response-content-type=text%2Fhtml%3B%20charset%3Dutf-8", signed=override)
    assert use(local, "GET", url).headers["content-type"] == "text/html; charset=utf-8"
    assert use(local, "GET", v2(local, "GET", query="versionId=null", signed="versionId=null")).body == BODY
    assert use(local, "GET", v2(local, "GET", query="versionId=null")).code == "SignatureDoesNotMatch"
    upload = text(use(local, "POST", v2(local, "POST", query="uploads", signed="uploads")), "UploadId") or ""
    part = f"partNumber=1&uploadId={upload}"
    assert use(local, "PUT", v2(local, "PUT", query=part, signed=part), body=BODY).status == 200


@pytest.mark.parametrize(
    "added",
    ["attributes", "prefix=a", "list-type=2", "max-parts=1", "encoding-type=url", "renameObject", "X-Amz-Acl=private"],
)
def test_a_version_2_url_never_becomes_something_else(local: Place, added: str) -> None:
    local.put("k", BODY)
    with local.untouched():
        for method in ("GET", "PUT"):
            answer = use(local, method, f"{v2(local, method)}&{added}", body=b"x" if method == "PUT" else None)
            assert (answer.status, answer.code) == (403, "AccessDenied"), answer


def test_a_version_2_listing_cannot_have_parameters(local: Place) -> None:
    assert use(local, "GET", v2(local, "GET", "")).status == 200
    answer = use(local, "GET", v2(local, "GET", "", query="prefix=a"))
    assert (answer.status, answer.code) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Expires": "soon"}, "AccessDenied"),
        ({"Expires": ""}, "AccessDenied"),
        ({"Expires": None}, "AccessDenied"),
        ({"Signature": None}, "AccessDenied"),
        ({"Signature": "AAAA"}, "SignatureDoesNotMatch"),
        ({"AWSAccessKeyId": "NOBODY"}, "InvalidAccessKeyId"),
    ],
)
def test_faults_of_version_2_urls(local: Place, changes: dict[str, str | None], code: str) -> None:
    local.put("k", BODY)
    path, _, query = v2(local, "GET").partition("?")
    parts = dict(part.split("=", 1) for part in query.split("&")) | changes
    target = f"{path}?" + "&".join(f"{name}={value}" for name, value in parts.items() if value is not None)
    answer = use(local, "GET", target)
    assert (answer.status, answer.code) == (403, code), answer


@pytest.mark.parametrize(("expires", "status"), [(-10, 403), (6 * 86400, 200), (8 * 86400, 403)])
def test_a_version_2_url_ends_and_ends_within_a_week(local: Place, expires: int, status: int) -> None:
    local.put("k", BODY)
    answer = use(local, "GET", v2(local, "GET", expires=expires))
    assert answer.status == status
    if expires < 0:
        assert text(answer, "Message") == "Request has expired"


def test_a_version_2_url_cannot_have_signed_chunks(local: Place) -> None:
    with local.untouched():
        headers = {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
        expires = str(int(time.time()) + 60)
        amz = f"x-amz-content-sha256:{headers['x-amz-content-sha256']}\n"
        proof = presigned_v2(local.wire.signer, "PUT", local.target("k"), expires=expires, amz=amz)
        answer = use(local, "PUT", f"{local.target('k')}?{proof}", headers, b"x")
    assert (answer.status, answer.code) == (400, "InvalidRequest")


def test_a_blank_in_a_version_2_signature_is_a_plus(local: Place) -> None:
    local.put("k", BODY)
    expires = int(time.time()) + 60
    while "%2B" not in (url := f"{local.target('k')}?" + presigned_v2(
        local.wire.signer, "GET", local.target("k"), expires=str(expires))):  # fmt: skip
        expires += 1
    assert use(local, "GET", url.replace("%2B", "+")).body == BODY
