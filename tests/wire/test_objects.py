"""Objects: put, get, head, copy and delete, and the headers that are stored with them."""

import hashlib
import re

import pytest

from tests.real.node import Node
from tests.real.wire import Answer, Wire
from tests.wire.place import Place, text
from tests.wire.sending import Draft

pytestmark = pytest.mark.slow

BODY = b"the bytes of an object"
MD5 = hashlib.md5(BODY).hexdigest()
FOREBAY = hashlib.sha256(b"forebay").hexdigest()
TESTER = hashlib.sha256(b"tester").hexdigest()


def copy(place: Place, source: str, key: str, headers: dict[str, str] | None = None) -> Answer:
    """CopyObject from the place's own bucket."""
    return place.ask("PUT", key, headers={"x-amz-copy-source": f"{place.bucket}/{source}", **(headers or {})})


def test_an_object_answers_with_all_that_was_stored(place: Place) -> None:
    stored = {
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "max-age=60",
        "content-disposition": 'attachment; filename="x y.txt"',
        "content-language": "de, en",
        "content-encoding": "gzip",
        "expires": "whenever it suits",
        "x-amz-meta-colour": "blue  and\tgreen",
        "x-amz-meta-empty": "",
    }
    etag = place.put("k", BODY, stored)
    assert etag == f'"{MD5}"'
    for method, body in (("GET", BODY), ("HEAD", b"")):
        answer = place.ask(method, "k")
        assert (answer.status, answer.body, answer.headers["etag"]) == (200, body, etag)
        assert answer.headers["content-length"] == str(len(BODY))
        assert answer.headers["accept-ranges"] == "bytes"
        assert stored.items() <= answer.headers.items()
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["last-modified"])
        assert answer.headers["x-cache"] == "bypass"
        assert answer.headers["age"] == "0"
        assert "x-amz-version-id" not in answer.headers


def test_an_object_without_a_type_is_binary(place: Place) -> None:
    place.put("k", BODY)
    assert place.ask("HEAD", "k").headers["content-type"] == "binary/octet-stream"


def test_a_write_replaces_all_of_what_was_there(place: Place) -> None:
    place.put("k", BODY, {"x-amz-meta-a": "1", "cache-control": "no-store"})
    place.put("k", b"new")
    answer = place.ask("GET", "k")
    assert answer.body == b"new"
    assert not {"x-amz-meta-a", "cache-control"} & answer.headers.keys()


def test_a_delete_is_good_whether_something_was_there_or_not(place: Place) -> None:
    place.put("k", BODY)
    for _ in range(2):
        answer = place.ask("DELETE", "k")
        assert (answer.status, answer.body) == (204, b"")
        assert "content-length" not in answer.headers
    assert place.wire.keys(place.bucket) == []


def test_a_missing_object_is_told_with_its_key(place: Place) -> None:
    answer = place.ask("GET", "a b/ü")
    assert (answer.status, answer.code, text(answer, "Key")) == (404, "NoSuchKey", "a b/ü")
    head = place.ask("HEAD", "a b/ü")
    assert (head.status, head.body) == (404, b"")


def test_the_version_null_is_the_object_and_any_other_is_missing(place: Place) -> None:
    place.put("k", BODY)
    for method, body in (("GET", BODY), ("HEAD", b"")):
        assert place.ask(method, "k", [("versionId", "null")]).body == body
        assert place.ask(method, "k", [("versionId", "other")]).status == 404
    assert place.ask("GET", "k", [("versionId", "other")]).code == "NoSuchVersion"
    assert place.ask("GET", "k", [("versionId", "")]).code == "InvalidArgument"
    with place.untouched():
        assert place.ask("DELETE", "k", [("versionId", "other")]).status == 204
    assert place.ask("DELETE", "k", [("versionId", "null")]).status == 204
    assert place.wire.keys(place.bucket) == []


# Copies.


@pytest.mark.parametrize("form", ["{}/{}", "/{}/{}", "{}/{}?versionId=null"])
def test_a_copy_has_the_bytes_and_headers_of_its_source(place: Place, form: str) -> None:
    place.put("a b+c", BODY, {"x-amz-meta-colour": "blue", "content-type": "text/plain"})
    source = form.format(place.bucket, "a%20b+c")
    answer = place.ask("PUT", "copy", headers={"x-amz-copy-source": source})
    assert (answer.status, text(answer, "ETag")) == (200, f'"{MD5}"'), answer
    assert b"<CopyObjectResult" in answer.body
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", text(answer, "LastModified") or "")
    made = place.ask("GET", "copy")
    assert (made.body, made.headers["etag"]) == (BODY, f'"{MD5}"')
    assert (made.headers["x-amz-meta-colour"], made.headers["content-type"]) == ("blue", "text/plain")


def test_a_copy_goes_between_buckets_of_different_stores(local: Place) -> None:
    local.put("k", BODY, {"x-amz-meta-colour": "blue"})
    memory = Place(local.wire, "memory")
    there = memory.ask("PUT", "k", headers={"x-amz-copy-source": f"{local.bucket}/k"})
    assert text(there, "ETag") == f'"{MD5}"'
    back = local.ask("PUT", "back", headers={"x-amz-copy-source": "memory/k"})
    assert text(back, "ETag") == f'"{MD5}"'
    assert local.ask("GET", "back").headers["x-amz-meta-colour"] == "blue"
    memory.clear()


def test_a_copy_replaces_metadata_only_if_told_so(place: Place) -> None:
    place.put("k", BODY, {"x-amz-meta-colour": "blue"})
    new = {"x-amz-meta-colour": "red", "content-type": "text/css"}
    assert copy(place, "k", "kept", {**new, "x-amz-metadata-directive": "COPY"}).status == 200
    assert copy(place, "k", "new", {**new, "x-amz-metadata-directive": "REPLACE"}).status == 200
    assert place.ask("HEAD", "kept").headers["x-amz-meta-colour"] == "blue"
    made = place.ask("HEAD", "new").headers
    assert (made["x-amz-meta-colour"], made["content-type"]) == ("red", "text/css")


def test_a_copy_onto_itself_must_change_something(place: Place) -> None:
    place.put("k", BODY)
    with place.untouched():
        answer = copy(place, "k", "k")
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert copy(place, "k", "k", {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-mode": "644"}).status == 200
    made = place.ask("GET", "k")
    assert (made.body, made.headers["x-amz-meta-mode"]) == (BODY, "644")


COPY_FAULTS = [
    ("{}/missing", {}, 404, "NoSuchKey"),
    ("missing-bucket/k", {}, 404, "NoSuchBucket"),
    ("{}/k?versionId=other", {}, 404, "NoSuchVersion"),
    ("{}", {}, 400, "InvalidArgument"),
    ("{}/", {}, 400, "InvalidArgument"),
    ("/", {}, 400, "InvalidArgument"),
    ("{}/%zz", {}, 400, "InvalidArgument"),
    ("{}/%ff", {}, 400, "InvalidArgument"),
    ("{}/%00", {}, 400, "InvalidArgument"),
    ("{}/" + "k" * 1025, {}, 400, "KeyTooLongError"),
    ("arn:aws:s3:us-east-1:1:accesspoint/a/object/k", {}, 501, "NotImplemented"),
    ("{}/k", {"x-amz-metadata-directive": "MERGE"}, 400, "InvalidArgument"),
    ("{}/k", {"x-amz-tagging-directive": "MERGE"}, 400, "InvalidArgument"),
    ("{}/k", {"x-amz-copy-source-if-match": '"other"'}, 412, "PreconditionFailed"),
    ("{}/k", {"x-amz-copy-source-server-side-encryption-customer-algorithm": "AES256"}, 501, "NotImplemented"),
    ("{}/k", {"x-amz-source-expected-bucket-owner": "0" * 64}, 403, "AccessDenied"),
]


@pytest.mark.parametrize(("source", "headers", "status", "code"), COPY_FAULTS)
def test_a_copy_that_cannot_be_leaves_nothing(
    place: Place, source: str, headers: dict[str, str], status: int, code: str
) -> None:
    place.put("k", BODY)
    with place.untouched():
        headers = {"x-amz-copy-source": source.format(place.bucket), **headers}
        answer = place.ask("PUT", "copy", headers=headers)
    assert (answer.status, answer.code) == (status, code), answer


def test_a_copy_source_is_decoded_once(place: Place) -> None:
    place.put("x%y", BODY)
    place.put("p+q", b"plus")
    place.put("?versionId=v", b"odd")
    assert copy(place, "x%25y", "1").status == 200
    assert copy(place, "p%2Bq", "2").status == 200
    assert copy(place, "%3FversionId=v", "3").status == 200
    assert [place.wire.get(place.bucket, key) for key in "123"] == [BODY, b"plus", b"odd"]


def test_both_sides_of_a_copy_need_their_right(local: Place, guest: Wire) -> None:
    local.put("secret", BODY)
    guest.request("PUT", "/guest-copies")
    theirs = Place(guest, "guest-copies")
    taken = theirs.ask("PUT", "taken", headers={"x-amz-copy-source": f"{local.bucket}/secret"})
    assert (taken.status, taken.code) == (403, "AccessDenied")
    theirs.put("gift", b"x")
    with local.untouched():
        given = guest.request("PUT", local.target("gift"), headers={"x-amz-copy-source": "guest-copies/gift"})
    assert (given.status, given.code) == (403, "AccessDenied")
    assert guest.keys("guest-copies") == ["gift"]


def test_more_than_5_gib_cannot_be_copied_at_once(node: Node, wire: Wire) -> None:
    demo = Place(wire, "demo", None)
    with (node.directory / "demo" / "large").open("wb") as sparse:
        sparse.truncate(5 * 1024**3 + 1)
    assert demo.ask("HEAD", "large").headers["content-length"] == str(5 * 1024**3 + 1)
    upload = text(demo.ask("POST", "copy", [("uploads", "")]), "UploadId") or ""
    with demo.untouched():
        for query in ([], [("partNumber", "1"), ("uploadId", upload)]):
            answer = demo.ask("PUT", "copy", query, {"x-amz-copy-source": "demo/large"})
            assert (answer.status, answer.code) == (400, "InvalidRequest"), answer


# Headers that modify a write.


def test_metadata_names_are_lower_case_and_values_keep_their_bytes(place: Place) -> None:
    draft = Draft(place.wire, "PUT", place.target("k"), {"X-Amz-Meta-Case": "Value", "x-amz-meta-latin": "\xe4\xff"})
    draft.headers = {name.lower(): value for name, value in draft.headers.items()}
    assert draft.send(content_length="0").status == 200
    answer = place.ask("HEAD", "k")
    assert (answer.headers["x-amz-meta-case"], answer.headers["x-amz-meta-latin"]) == ("Value", "\xe4\xff")


def test_several_values_of_one_name_are_joined(place: Place) -> None:
    draft = Draft(place.wire, "PUT", place.target("k"), {"x-amz-meta-a": "1,2", "content-length": "0"})
    fields = draft.fields()
    lines = [f"{name}: {value}" for name, value in fields.items() if name != "x-amz-meta-a"]
    lines += ["x-amz-meta-a: 1", "X-AMZ-META-A: 2"]
    raw = "\r\n".join([f"PUT {draft.target} HTTP/1.1", *lines, "", ""]).encode("latin-1")
    with place.wire.connect() as sock:
        sock.sendall(raw)
        assert sock.recv(1024).startswith(b"HTTP/1.1 200 ")
    assert place.ask("HEAD", "k").headers["x-amz-meta-a"] == "1,2"


def test_metadata_has_a_limit(place: Place) -> None:
    name = "x-amz-meta-abc"
    place.put("k", b"", {name: "v" * 2045})
    with place.untouched():
        answer = place.ask("PUT", "k", headers={name: "v" * 2046}, body=b"x")
    assert (answer.status, answer.code) == (400, "MetadataTooLarge")


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("aws-chunked", None),
        ("AWS-Chunked", None),
        ("gzip, aws-chunked", "gzip"),
        ("aws-chunked,gzip", "gzip"),
        ("zstd,aws-chunked , gzip", "zstd, gzip"),
        ("gzip", "gzip"),
    ],
)
def test_a_framing_is_no_content_encoding(place: Place, sent: str, stored: str | None) -> None:
    place.put("k", b"x", {"content-encoding": sent})
    assert place.ask("HEAD", "k").headers.get("content-encoding") == stored


ACCEPTED = [
    {"x-amz-acl": "public-read"},
    {"x-amz-acl": "private"},
    {"x-amz-storage-class": "STANDARD"},
    {"x-amz-object-ownership": "BucketOwnerEnforced"},
    {"x-amz-expected-bucket-owner": TESTER},
    {"x-amz-request-payer": "requester"},
    {"x-amz-mfa": "1 2"},
    {"x-amz-bypass-governance-retention": "true"},
    {"x-amz-api-version": "2006-03-01"},
    {"x-amz-optional-object-attributes": "RestoreStatus"},
    {"x-amz-user-agent": "sdk"},
    {"amz-sdk-request": "attempt=1"},
]


@pytest.mark.parametrize("headers", ACCEPTED, ids=lambda headers: next(iter(headers)))
def test_a_header_that_changes_nothing_is_accepted(local: Place, headers: dict[str, str]) -> None:
    local.put("k", BODY, headers)
    kept = local.ask("HEAD", "k").headers
    assert not headers.keys() & kept.keys()


REFUSED = [
    ({"x-amz-acl": "nonsense"}, 400, "InvalidArgument"),
    ({"x-amz-grant-full-control": "id=1"}, 400, "AccessControlListNotSupported"),
    ({"x-amz-storage-class": "GLACIER"}, 501, "NotImplemented"),
    ({"x-amz-storage-class": "nonsense"}, 400, "InvalidStorageClass"),
    ({"x-amz-server-side-encryption": "AES256"}, 501, "NotImplemented"),
    ({"x-amz-server-side-encryption-customer-key": "a"}, 501, "NotImplemented"),
    ({"x-amz-website-redirect-location": "/"}, 501, "NotImplemented"),
    ({"x-amz-write-offset-bytes": "0"}, 501, "NotImplemented"),
    ({"x-amz-object-ownership": "ObjectWriter"}, 501, "NotImplemented"),
    ({"x-amz-object-lock-mode": "GOVERNANCE"}, 400, "InvalidRequest"),
    ({"x-amz-object-lock-legal-hold": "ON"}, 400, "InvalidRequest"),
    ({"x-amz-bucket-object-lock-enabled": "true"}, 501, "NotImplemented"),
    ({"x-amz-expected-bucket-owner": FOREBAY}, 403, "AccessDenied"),
    ({"x-amz-tagging": "a=1&a=2"}, 400, "InvalidTag"),
    ({"x-amz-tagging": "&".join(f"t{number}=1" for number in range(11))}, 400, "InvalidTag"),
    ({"x-amz-tagging": "%zz"}, 400, "InvalidArgument"),
]


@pytest.mark.parametrize(("headers", "status", "code"), REFUSED)
def test_a_header_that_would_change_what_is_stored_is_never_ignored(
    local: Place, headers: dict[str, str], status: int, code: str
) -> None:
    local.put("k", BODY)
    with local.untouched():
        answers = [
            local.ask("PUT", "k", headers=headers, body=b"new"),
            local.ask("PUT", "new", headers=headers, body=b"new"),
            local.ask("POST", "k", [("uploads", "")], headers=headers),
        ]
        if not any(name in ("x-amz-acl", "x-amz-expected-bucket-owner") for name in headers):
            answers.append(copy(local, "k", "copy", {**headers, "x-amz-tagging-directive": "REPLACE"}))
    assert [(answer.status, answer.code) for answer in answers] == [(status, code)] * len(answers)
    if status == 501:
        assert text(answers[0], "Header") == next(iter(headers))


def test_no_stored_text_can_begin_a_header_of_its_own(place: Place) -> None:
    with place.untouched():
        draft = Draft(place.wire, "PUT", place.target("k"), body=b"x")
        answer = draft.send(x_amz_meta_a="1\r injected: 2")
        assert (answer.status, answer.code) == (400, "BadRequest")
        answer = draft.send(x_amz_meta_a="1\x00")
        assert (answer.status, answer.code) == (400, "BadRequest")


# Response overrides.

OVERRIDES = {
    "response-content-type": "text/html",
    "response-content-language": "fr",
    "response-expires": "never",
    "response-cache-control": "no-store",
    "response-content-disposition": 'attachment; filename="ü.txt"',
    "response-content-encoding": "br",
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("range_", [None, "bytes=0-3"])
def test_overrides_replace_what_is_stored(place: Place, method: str, range_: str | None) -> None:
    place.put("k", BODY, {"content-type": "text/plain", "cache-control": "public"})
    answer = place.ask(method, "k", list(OVERRIDES.items()), {"range": range_} if range_ else {})
    assert answer.status == (206 if range_ else 200)
    for name, value in OVERRIDES.items():
        assert answer.headers[name.removeprefix("response-")] == value
    assert place.ask("HEAD", "k").headers["content-type"] == "text/plain"


@pytest.mark.parametrize("name", list(OVERRIDES))
@pytest.mark.parametrize("value", ["a\r\nset-cookie: x", "a\nb", "a\x00", "a\x7f", "a\x85b", "a\u20ac"])
def test_an_override_cannot_begin_a_header_of_its_own(local: Place, name: str, value: str) -> None:
    local.put("k", BODY)
    answer = local.ask("GET", "k", [(name, value)])
    assert (answer.status, answer.code, text(answer, "ArgumentName")) == (400, "InvalidArgument", name), answer
    assert "set-cookie" not in answer.headers
