"""Browser-based uploads: forms of version 4 and version 2, their policies and their answers."""

import base64
import hashlib
import json
from datetime import timedelta

import pytest

from tests.real.wire import Answer, Signer
from tests.wire.conftest import DOMAIN
from tests.wire.place import Place, text
from tests.wire.sending import Draft, send_unsigned
from tests.wire.signing import form_fields_v4, form_signature_v4, multipart_form, policy, signature_v2

pytestmark = pytest.mark.slow

MIB = 1024 * 1024
BODY = b"the file"
KIND = {"content-type": "multipart/form-data; boundary=edge"}
ANYTHING = [["starts-with", "$key", ""]]
"""The condition that every form of these tests needs, besides that on the bucket."""


def signed_fields(
    place: Place, fields: dict[str, str], conditions: list[object] | None = None, *, version: int = 4
) -> dict[str, str]:
    """The fields of a form that is signed; without `conditions` its policy allows exactly these fields."""
    signer = place.wire.signer
    proof = form_fields_v4(signer) if version == 4 else {"AWSAccessKeyId": signer.access_key}
    if conditions is None:
        conditions = [{"bucket": place.bucket}, *({name: value} for name, value in fields.items())]
    signing = [{name: value} for name, value in proof.items() if version == 4]
    encoded = policy([*conditions, *signing])
    return sign({**fields, **proof, "policy": encoded}, signer)


def sign(fields: dict[str, str], signer: Signer) -> dict[str, str]:
    """The fields with the signature over their policy."""
    if "x-amz-date" in fields:
        signature = form_signature_v4(signer, fields["policy"], fields["x-amz-date"])
        return {**fields, "x-amz-signature": signature}
    return {**fields, "signature": signature_v2(signer, fields["policy"])}


def post(
    place: Place, fields: dict[str, str], file: bytes | None = BODY, *, headers: dict[str, str] | None = None
) -> Answer:
    """Sends a form to the bucket."""
    body = multipart_form(fields.items(), file)
    return send_unsigned(place.wire, "POST", place.target(), {**KIND, **(headers or {})}, body)


@pytest.mark.parametrize("version", [4, 2])
def test_a_signed_form_stores_its_file(place: Place, version: int) -> None:
    answer = post(place, signed_fields(place, {"key": "a b/ü"}, version=version))
    assert (answer.status, answer.body) == (204, b""), answer
    assert answer.headers["etag"] == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert answer.headers["location"] == f"http://{place.wire.host}/{place.bucket}/a%20b/%C3%BC"
    assert place.wire.get(place.bucket, "a b/ü") == BODY


def test_a_form_may_go_to_a_virtual_host(local: Place) -> None:
    body = multipart_form(signed_fields(local, {"key": "k"}).items(), BODY)
    answer = send_unsigned(local.wire, "POST", "/", {**KIND, "host": f"{local.bucket}.{DOMAIN}"}, body)
    assert (answer.status, answer.headers["location"]) == (204, f"http://{local.bucket}.{DOMAIN}/k")


def test_fields_act_as_headers(place: Place) -> None:
    fields = {
        "key": "k",
        "Content-Type": "text/css",
        "Cache-Control": "no-store",
        "x-amz-meta-colour": "blü",
        "acl": "public-read",
        "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
    }
    answer = post(place, signed_fields(place, fields))
    assert answer.status == 204, answer
    stored = place.ask("HEAD", "k").headers
    assert (stored["content-type"], stored["cache-control"]) == ("text/css", "no-store")
    assert stored["x-amz-meta-colour"].encode("latin-1").decode() == "blü"
    assert answer.headers["x-amz-checksum-sha256"] == fields["x-amz-checksum-sha256"]


def test_the_name_of_the_file_may_be_in_the_key(local: Place) -> None:
    fields = signed_fields(local, {"key": "in/${filename}"}, [{"bucket": local.bucket}, ["starts-with", "$key", "in/"]])
    body = multipart_form(fields.items(), BODY, filename="C:\\some path\\ü x.txt")
    assert send_unsigned(local.wire, "POST", local.target(), KIND, body).status == 204
    assert local.wire.keys(local.bucket) == ["in/ü x.txt"]


@pytest.mark.parametrize("size", [0, 1, 8 * MIB, 8 * MIB + 1, 20 * MIB])
def test_files_of_any_size_are_stored(place: Place, size: int) -> None:
    file = bytes(range(256)) * (size // 256) + bytes(size % 256)
    answer = post(place, signed_fields(place, {"key": "k"}), file)
    assert answer.status == 204, answer
    assert place.wire.get(place.bucket, "k") == file
    assert place.ask("HEAD", "k").headers["etag"] == answer.headers["etag"]
    assert place.uploads() == []


# Answers.


@pytest.mark.parametrize(("wanted", "status"), [("200", 200), ("201", 201), ("204", 204), ("404", 204), ("", 204)])
def test_a_form_chooses_the_status_of_its_success(local: Place, wanted: str, status: int) -> None:
    answer = post(local, signed_fields(local, {"key": "a b", "success_action_status": wanted}))
    assert answer.status == status
    assert {"etag", "location"} <= answer.headers.keys()
    if status == 201:
        assert text(answer, "Bucket") == local.bucket
        assert text(answer, "Key") == "a b"
        assert text(answer, "ETag") == answer.headers["etag"]
        assert text(answer, "Location") == answer.headers["location"]
    else:
        assert answer.body == b""


def test_a_form_may_send_the_browser_on(local: Place) -> None:
    fields = {"key": "a b", "success_action_redirect": "https://a.example/done?x=1#top"}
    answer = post(local, signed_fields(local, fields))
    etag = hashlib.md5(BODY).hexdigest()
    assert answer.status == 303
    assert answer.headers["location"] == (
        f"https://a.example/done?x=1&bucket={local.bucket}&key=a+b&etag=%22{etag}%22#top"
    )


@pytest.mark.parametrize("where", ["javascript:alert(1)", "//a.example/", "/", "https://a.example/\u2028", "ftp://a"])
def test_a_form_sends_nobody_to_where_it_must_not(local: Place, where: str) -> None:
    answer = post(local, signed_fields(local, {"key": "k", "success_action_redirect": where}))
    assert answer.status == 204


# Faults of the form.

NO_FORM = [
    ("application/x-www-form-urlencoded", "RequestIsNotMultiPartContent"),
    ("multipart/mixed; boundary=edge", "RequestIsNotMultiPartContent"),
    ("", "RequestIsNotMultiPartContent"),
    ("multipart/form-data", "MalformedPOSTRequest"),
    ("multipart/form-data; boundary=", "MalformedPOSTRequest"),
    ("multipart/form-data; boundary=" + "x" * 71, "MalformedPOSTRequest"),
]


@pytest.mark.parametrize(("kind", "code"), NO_FORM)
def test_what_is_no_form_is_refused(local: Place, kind: str, code: str) -> None:
    with local.untouched():
        answer = post(local, signed_fields(local, {"key": "k"}), headers={"content-type": kind})
    assert (answer.status, answer.code) == (400, code)


MALFORMED = [
    ("no name", b"--edge\r\nContent-Disposition: form-data\r\n\r\nx\r\n--edge--\r\n", "MalformedPOSTRequest"),
    ("no disposition", b"--edge\r\nX: y\r\n\r\nx\r\n--edge--\r\n", "MalformedPOSTRequest"),
    ("not UTF-8", b'--edge\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\r\n--edge--\r\n',
     "MalformedPOSTRequest"),
    ("empty", b"", "InvalidArgument"),
    ("closed at once", b"--edge--\r\n", "InvalidArgument"),
    ("other boundary", b"--other\r\n\r\n", "InvalidArgument"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_a_form_that_is_malformed_is_refused(local: Place, body: bytes, code: str) -> None:
    with local.untouched():
        answer = send_unsigned(local.wire, "POST", local.target(), KIND, body)
    assert (answer.status, answer.code) == (400, code)


def test_a_form_without_a_file_or_key_is_refused(local: Place) -> None:
    with local.untouched():
        no_file = post(local, signed_fields(local, {"key": "k"}), None)
        no_key = post(local, signed_fields(local, {"acl": "private"}))
    assert (no_file.status, no_file.code) == (400, "InvalidArgument")
    assert text(no_file, "Message") == "POST requires exactly one file upload per request."
    assert (no_key.status, no_key.code, text(no_key, "ArgumentName")) == (400, "InvalidArgument", "key")


def test_a_form_that_ends_within_its_file_leaves_nothing(local: Place) -> None:
    for size in (10, 9 * MIB):
        body = multipart_form(signed_fields(local, {"key": "k"}).items(), bytes(size))
        with local.untouched():
            answer = send_unsigned(local.wire, "POST", local.target(), KIND, body[: -len(b"\r\n--edge--\r\n")])
        assert (answer.status, answer.code) == (400, "MalformedPOSTRequest")


def test_what_stands_before_the_file_has_a_limit(local: Place) -> None:
    with local.untouched():
        fields = {"key": "k", "x-ignore-much": "x" * 20 * 1024}
        answer = post(local, signed_fields(local, fields, [{"bucket": local.bucket}, *ANYTHING]))
    assert (answer.status, answer.code) == (400, "MaxPostPreDataLengthExceededError")


def test_what_follows_the_file_is_not_read(local: Place) -> None:
    body = multipart_form(signed_fields(local, {"key": "k"}).items(), BODY).removesuffix(b"--\r\n")
    body += b'\r\nContent-Disposition: form-data; name="key"\r\n\r\nother\r\n--edge--\r\n'
    assert send_unsigned(local.wire, "POST", local.target(), KIND, body).status == 204
    assert local.wire.keys(local.bucket) == ["k"]


# Proofs.


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (4, "policy"),
        (4, "x-amz-algorithm"),
        (4, "x-amz-credential"),
        (4, "x-amz-date"),
        (4, "x-amz-signature"),
        (2, "policy"),
        (2, "AWSAccessKeyId"),
        (2, "signature"),
    ],
)
def test_a_form_has_all_signing_fields_or_none(local: Place, version: int, name: str) -> None:
    fields = signed_fields(local, {"key": "k"}, version=version)
    del fields[name]
    with local.untouched():
        answer = post(local, fields)
    assert (answer.status, answer.code) == (400, "InvalidArgument"), answer


@pytest.mark.parametrize(
    ("version", "changes", "code"),
    [
        (4, {"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"),
        (4, {"x-amz-credential": "NOBODY/20260101/us-east-1/s3/aws4_request"}, "InvalidArgument"),
        (4, {"x-amz-algorithm": "AWS4-HMAC-SHA1"}, "InvalidArgument"),
        (4, {"x-amz-algorithm": "AWS4-ECDSA-P256-SHA256"}, "NotImplemented"),
        (4, {"x-amz-date": "today"}, "InvalidArgument"),
        (2, {"signature": "AAAA"}, "SignatureDoesNotMatch"),
        (2, {"AWSAccessKeyId": "NOBODY"}, "InvalidAccessKeyId"),
    ],
)
def test_a_form_whose_proof_is_wrong_leaves_nothing(
    local: Place, version: int, changes: dict[str, str], code: str
) -> None:
    with local.untouched():
        answer = post(local, signed_fields(local, {"key": "k"}, version=version) | changes)
    assert answer.code == code, answer


def test_an_unsigned_form_has_no_rights(local: Place) -> None:
    with local.untouched():
        answer = post(local, {"key": "k"})
        missing = post(Place(local.wire, "missing-bucket"), {"key": "k"})
    assert (answer.status, answer.code) == (missing.status, missing.code) == (403, "AccessDenied")


def test_a_form_may_be_signed_in_its_head_instead(local: Place) -> None:
    body = multipart_form([("key", "k")], BODY)
    assert Draft(local.wire, "POST", local.target(), KIND, body).send().status == 204
    assert local.wire.get(local.bucket, "k") == BODY


def test_a_form_of_somebody_without_rights_is_refused(local: Place, guest_signer: Signer) -> None:
    fields = {"key": "k", **form_fields_v4(guest_signer)}
    conditions: list[object] = [{"bucket": local.bucket}, *({name: value} for name, value in fields.items())]
    with local.untouched():
        answer = post(local, sign({**fields, "policy": policy(conditions)}, guest_signer))
    assert (answer.status, answer.code) == (403, "AccessDenied")


# Policies.


def with_policy(place: Place, text_: str) -> Answer:
    """A form whose policy is this text, correctly signed."""
    fields = {"key": "k", **form_fields_v4(place.wire.signer), "policy": text_}
    return post(place, sign(fields, place.wire.signer))


def encoded(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


FUTURE = "2099-01-01T00:00:00Z"
INVALID = [
    ("no base64", "%%%"),
    ("no JSON", base64.b64encode(b"{").decode()),
    ("no object", encoded([])),
    ("no expiration", encoded({"conditions": []})),
    ("no conditions", encoded({"expiration": FUTURE})),
    ("case", encoded({"Expiration": FUTURE, "conditions": []})),
    ("case too", encoded({"expiration": FUTURE, "Conditions": []})),
    ("no date", encoded({"expiration": "soon", "conditions": []})),
    ("conditions no list", encoded({"expiration": FUTURE, "conditions": {}})),
    ("empty condition", encoded({"expiration": FUTURE, "conditions": [{}]})),
    ("empty list", encoded({"expiration": FUTURE, "conditions": [[]]})),
    ("two in one", encoded({"expiration": FUTURE, "conditions": [{"a": "1", "b": "2"}]})),
    ("no such operator", encoded({"expiration": FUTURE, "conditions": [["ends-with", "$key", "a"]]})),
    ("no dollar", encoded({"expiration": FUTURE, "conditions": [["eq", "key", "a"]]})),
    ("bad range", encoded({"expiration": FUTURE, "conditions": [["content-length-range", 2, 1]]})),
    ("bad range too", encoded({"expiration": FUTURE, "conditions": [["content-length-range", "a", 1]]})),
    ("short range", encoded({"expiration": FUTURE, "conditions": [["content-length-range", 1]]})),
    ("deep", base64.b64encode(b'{"expiration":' + b"[" * 5000 + b"]" * 5000 + b"}").decode()),
]


@pytest.mark.parametrize("document", [row[1] for row in INVALID], ids=[row[0] for row in INVALID])
def test_a_policy_that_is_none_is_refused(local: Place, document: str) -> None:
    with local.untouched():
        answer = with_policy(local, document)
    assert (answer.status, answer.code) == (400, "InvalidPolicyDocument"), answer


def test_a_policy_ends(local: Place) -> None:
    with local.untouched():
        answer = with_policy(local, policy([], expires_in=timedelta(seconds=-5)))
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert text(answer, "Message") == "Invalid according to Policy: Policy expired."


HELD = [
    [{"key": "k"}],
    [["eq", "$key", "k"]],
    [["eq", "$KEY", "k"]],
    [["starts-with", "$key", ""]],
    [{"key": "k"}, ["content-length-range", len(BODY), len(BODY)]],
    [{"key": "k"}, ["content-length-range", "0", "100"]],
]
BROKEN: list[tuple[list[object], int, str]] = [
    ([{"key": "other"}], 403, "AccessDenied"),
    ([["eq", "$key", "K"]], 403, "AccessDenied"),
    ([["starts-with", "$key", "in/"]], 403, "AccessDenied"),
    ([{"key": "k"}, {"acl": "private"}], 403, "AccessDenied"),
    ([{"key": "k"}, {"bucket": "other"}], 403, "AccessDenied"),
    ([], 403, "AccessDenied"),
    ([{"key": "k"}, ["content-length-range", 0, len(BODY) - 1]], 400, "EntityTooLarge"),
    ([{"key": "k"}, ["content-length-range", len(BODY) + 1, 100]], 400, "EntityTooSmall"),
]


@pytest.mark.parametrize("conditions", HELD)
def test_a_form_that_its_policy_allows_is_taken(local: Place, conditions: list[object]) -> None:
    assert post(local, signed_fields(local, {"key": "k"}, [{"bucket": local.bucket}, *conditions])).status == 204


@pytest.mark.parametrize(("conditions", "status", "code"), BROKEN)
@pytest.mark.parametrize("version", [4, 2])
def test_a_form_that_its_policy_does_not_allow_leaves_nothing(
    local: Place, conditions: list[object], status: int, code: str, version: int
) -> None:
    with local.untouched():
        fields = signed_fields(local, {"key": "k"}, [{"bucket": local.bucket}, *conditions], version=version)
        answer = post(local, fields)
    assert (answer.status, answer.code) == (status, code), answer


def test_a_field_without_a_condition_is_refused(local: Place) -> None:
    conditions: list[object] = [{"bucket": local.bucket}, {"key": "k"}]
    with local.untouched():
        answer = post(local, signed_fields(local, {"key": "k", "x-amz-meta-a": "1"}, conditions))
    assert (answer.status, answer.code) == (403, "AccessDenied")
    assert post(local, signed_fields(local, {"key": "k", "x-ignore-a": "1"}, conditions)).status == 204


def test_a_file_that_is_too_large_is_refused_before_it_is_all_in(local: Place) -> None:
    conditions: list[object] = [{"bucket": local.bucket}, {"key": "k"}, ["content-length-range", 0, MIB]]
    with local.untouched():
        answer = post(local, signed_fields(local, {"key": "k"}, conditions), bytes(12 * MIB))
    assert (answer.status, answer.code) == (400, "EntityTooLarge")


FIELD_FAULTS = [
    ({"key": "k", "tagging": "<x/>"}, 501, "NotImplemented"),
    ({"key": "k", "acl": "nonsense"}, 400, "InvalidArgument"),
    ({"key": "k", "x-amz-server-side-encryption": "AES256"}, 501, "NotImplemented"),
    ({"key": "k", "x-amz-storage-class": "GLACIER"}, 501, "NotImplemented"),
    ({"key": "k", "x-amz-checksum-crc32": "AAAAAA=="}, 400, "BadDigest"),
    ({"key": "k", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, 400, "BadDigest"),
    ({"key": "k" * 1025}, 400, "KeyTooLongError"),
    ({"key": "a\x00b"}, 400, "InvalidArgument"),
    ({"key": ".forebay/x"}, 400, "InvalidArgument"),
    ({"key": ""}, 400, "InvalidArgument"),
    ({"key": "k", "x-amz-meta-a": "v" * 2048}, 400, "MetadataTooLarge"),
    ({"key": "k", "x-amz-meta-a": "a\r\nset-cookie: x"}, 400, "InvalidArgument"),
]


@pytest.mark.parametrize(("fields", "status", "code"), FIELD_FAULTS)
@pytest.mark.parametrize("size", [8, 9 * MIB])
def test_a_form_that_asks_for_what_cannot_be_leaves_nothing(
    local: Place, fields: dict[str, str], status: int, code: str, size: int
) -> None:
    with local.untouched():
        answer = post(local, signed_fields(local, fields), bytes(size))
    assert (answer.status, answer.code) == (status, code), answer
