"""From bytes to an operation: targets, hosts, queries, and the order of checks."""

import pytest

from tests.real.wire import Answer, Query, Wire, head_bytes, path
from tests.wire.conftest import DOMAIN
from tests.wire.place import Place, text, texts
from tests.wire.sending import Draft, send_raw, send_unsigned

pytestmark = pytest.mark.slow


def at_host(place: Place, method: str, host: str, target: str, body: bytes | None = None) -> Answer:
    """A request to another host than the address it goes to."""
    headers = {"host": host} if body is None else {"host": host, "content-length": str(len(body))}
    return send_raw(place.wire, place.wire.head(method, target, headers) + (body or b""), method)


@pytest.mark.parametrize("form", ["/{}", "/{}/"])
def test_a_bucket_is_meant_with_and_without_a_slash(local: Place, form: str) -> None:
    local.put("k")
    answer = local.wire.request("GET", form.format(local.bucket))
    assert texts(answer, "Contents/Key") == ["k"]


@pytest.mark.parametrize("host", [f"{{}}.{DOMAIN}", f"{{}}.{DOMAIN.upper()}:9000"])
def test_a_virtual_host_names_the_bucket(local: Place, host: str) -> None:
    name = host.format(local.bucket)
    assert at_host(local, "PUT", name, "/a//b", b"one").status == 200
    assert at_host(local, "PUT", name, "//b", b"two").status == 200
    assert texts(at_host(local, "GET", name, "/"), "Contents/Key") == ["/b", "a//b"]
    assert local.wire.get(local.bucket, "a//b") == b"one"
    assert local.wire.get(local.bucket, "/b") == b"two"


def test_a_virtual_host_may_have_dots_in_its_bucket(wire: Wire) -> None:
    assert wire.request("PUT", "/dots.in.name").status == 200
    answer = at_host(Place(wire, "dots.in.name"), "GET", f"dots.in.name.{DOMAIN}", "/")
    assert text(answer, "Name") == "dots.in.name"


def test_the_domain_itself_is_path_style(local: Place) -> None:
    assert "ListAllMyBucketsResult" in at_host(local, "GET", DOMAIN, "/").body.decode()


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
def test_an_absolute_target_replaces_the_host(local: Place, scheme: str) -> None:
    local.put("a/./b", b"bytes")
    host = f"{local.bucket}.{DOMAIN}"
    signed = local.wire.signer.signed("GET", "/a/./b", {"host": host})
    for host_sent in (host, "elsewhere.example.org"):
        fields = {**signed, "host": host_sent}
        answer = send_raw(local.wire, head_bytes("GET", f"{scheme}://{host}/a/./b", fields))
        assert (answer.status, answer.body) == (200, b"bytes"), answer


@pytest.mark.parametrize("target", ["ftp://h/b/k", "http:///b/k", "http://user@h/b/k"])
def test_a_target_of_another_form_is_refused(local: Place, target: str) -> None:
    answer = send_unsigned(local.wire, "GET", target)
    assert (answer.status, answer.code) == (400, "InvalidURI"), answer


@pytest.mark.parametrize("key", ["a//b", "a/../b", "./a", "../a", "a/", "/", "//", "a/.", "..."])
def test_no_path_is_normalised_and_nothing_is_redirected(place: Place, key: str) -> None:
    place.put(key, b"")
    assert place.wire.get(place.bucket, key) == b""
    assert place.wire.keys(place.bucket) == [key]


def test_a_plus_in_a_query_is_a_space_and_an_escaped_one_a_plus(local: Place) -> None:
    local.put("a b")
    local.put("a+b")
    # The signer gets the query as the canonical request has it.
    spaced = Draft(local.wire, "GET", f"/{local.bucket}?prefix=a+b", signed_target=f"/{local.bucket}?prefix=a%20b")
    assert texts(spaced.send(), "Contents/Key") == ["a b"]
    assert texts(local.wire.request("GET", f"/{local.bucket}?prefix=a%2Bb"), "Contents/Key") == ["a+b"]


@pytest.mark.parametrize("query", ["uploads", "uploads=", "uploads&"])
def test_a_parameter_without_a_value_is_an_empty_one(local: Place, query: str) -> None:
    answer = Draft(local.wire, "GET", f"/{local.bucket}?{query}", signed_target=f"/{local.bucket}?uploads=").send()
    assert "ListMultipartUploadsResult" in answer.body.decode(), answer


@pytest.mark.parametrize("name", ["prefix", "max-keys", "marker", "delimiter", "encoding-type"])
def test_a_parameter_that_is_read_must_not_occur_twice(local: Place, name: str) -> None:
    answer = local.ask("GET", query=[(name, "1"), (name, "1")])
    assert (answer.status, answer.code, text(answer, "ArgumentName")) == (400, "InvalidArgument", name)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("prefix=%ff", "InvalidArgument"),
        ("prefix=%00", "InvalidArgument"),
        ("prefix=%zz", "InvalidURI"),
        ("prefix=%e", "InvalidURI"),
        ("%zz=1", "InvalidURI"),
    ],
)
def test_a_query_that_is_no_text_is_refused(local: Place, query: str, code: str) -> None:
    answer = send_unsigned(local.wire, "GET", f"/{local.bucket}?{query}")
    assert (answer.status, answer.code) == (400, code)


def test_names_that_begin_with_x_select_nothing_but_are_signed(local: Place) -> None:
    created = local.ask("POST", "k", [("uploads", ""), ("x-id", "CreateMultipartUpload")])
    upload = text(created, "UploadId") or ""
    part = [("partNumber", "1"), ("uploadId", upload), ("x-id", "UploadPart")]
    assert local.ask("PUT", "k", part, body=b"x").status == 200
    assert local.ask("GET", "k", [("x-id", "GetObject")]).code == "NoSuchKey"
    spoiled = Draft(local.wire, "GET", local.target("k", [("x-id", "A")]), signed_target=local.target("k"))
    assert spoiled.send().code == "SignatureDoesNotMatch"


UNSERVED: list[tuple[str, str, Query, str]] = [
    ("GET", "", [("versions", "")], "versions"),
    ("POST", "", [("batch", "")], "batch"),
    ("GET", "", [("session", "")], "session"),
    ("GET", "", [("abac", "")], "abac"),
    ("GET", "", [("analytics", ""), ("id", "1")], "analytics"),
    ("GET", "", [("inventory", ""), ("id", "1")], "inventory"),
    ("GET", "", [("metrics", "")], "metrics"),
    ("GET", "", [("intelligent-tiering", "")], "intelligent-tiering"),
    ("GET", "", [("metadataTable", "")], "metadataTable"),
    ("POST", "", [("metadataConfiguration", "")], "metadataConfiguration"),
    ("PUT", "", [("versioning", "")], "versioning"),
    ("PUT", "", [("lifecycle", "")], "lifecycle"),
    ("PUT", "", [("policy", "")], "policy"),
    ("PUT", "", [("cors", "")], "cors"),
    ("PUT", "", [("encryption", "")], "encryption"),
    ("PUT", "", [("website", "")], "website"),
    ("PUT", "", [("replication", "")], "replication"),
    ("PUT", "", [("object-lock", "")], "object-lock"),
    ("PUT", "", [("publicAccessBlock", "")], "publicAccessBlock"),
    ("PUT", "", [("logging", "")], "logging"),
    ("PUT", "", [("notification", "")], "notification"),
    ("PUT", "", [("accelerate", "")], "accelerate"),
    ("DELETE", "", [("ownershipControls", "")], "ownershipControls"),
    ("GET", "", [("nonsense", "")], "nonsense"),
    ("GET", "k", [("attributes", "")], "attributes"),
    ("GET", "k", [("member", "a")], "member"),
    ("GET", "k", [("member-index", "")], "member-index"),
    ("POST", "k", [("restore", "")], "restore"),
    ("POST", "k", [("select", ""), ("select-type", "2")], "select"),
    ("GET", "k", [("torrent", "")], "torrent"),
    ("PUT", "k", [("renameObject", "")], "renameObject"),
    ("PUT", "k", [("annotation", "")], "annotation"),
    ("GET", "k", [("encryption", "")], "encryption"),
    ("DELETE", "k", [("acl", "")], "acl"),
    ("DELETE", "k", [("nonsense", "1")], "nonsense"),
    ("PUT", "k", [("append", ""), ("position", "0")], "append"),
    ("GET", "k", [("Tagging", "")], "Tagging"),
    ("DELETE", "", [("uploads", "")], "uploads"),
]


@pytest.mark.parametrize(("method", "key", "query", "named"), UNSERVED)
def test_what_is_not_served_is_named_and_changes_nothing(
    local: Place, method: str, key: str, query: Query, named: str
) -> None:
    local.put("k", b"kept")
    with local.untouched():
        answer = local.ask(method, key, query, body=b"<x/>" if method in ("PUT", "POST") else None)
    assert (answer.status, answer.code) == (501, "NotImplemented"), answer
    assert named in (text(answer, "Message") or "")
    assert text(answer, "Parameter") == named


@pytest.mark.parametrize(
    ("method", "key", "allowed"),
    [
        ("PATCH", "", "DELETE, GET, HEAD, POST, PUT"),
        ("PATCH", "k", "DELETE, GET, HEAD, PUT"),
        ("POST", "k", "DELETE, GET, HEAD, PUT"),
        ("TRACE", "k", "DELETE, GET, HEAD, PUT"),
    ],
)
def test_a_method_nobody_has_there_is_told_what_is_allowed(local: Place, method: str, key: str, allowed: str) -> None:
    local.put("k", b"kept")
    with local.untouched():
        answer = local.ask(method, key)
    assert (answer.status, answer.code) == (405, "MethodNotAllowed"), answer
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("DELETE", 405), ("POST", 405), ("PATCH", 405)])
def test_the_service_has_one_method(wire: Wire, method: str, status: int) -> None:
    answer = wire.request(method, "/")
    assert (answer.status, answer.headers["allow"]) == (status, "GET"), answer


def test_options_and_connect_are_not_served(local: Place) -> None:
    preflight = {"origin": "http://a.example", "access-control-request-method": "PUT"}
    assert send_unsigned(local.wire, "OPTIONS", local.target("k"), preflight).code == "NotImplemented"
    assert send_unsigned(local.wire, "OPTIONS", "*").status == 501
    answer = send_unsigned(local.wire, "GET", "*")
    assert (answer.status, answer.code) == (400, "InvalidURI")


LONG = "k" * 1025


def test_the_first_check_that_fails_answers(local: Place, guest: Wire) -> None:
    """Authentication, operation, access, bucket, key, read-only, object, body: each row spoils all that follows."""
    wrong_body = {"content-md5": "x"}
    broken = Draft(local.wire, "PUT", path("nowhere", LONG, [("nonsense", "")]), wrong_body, b"x")
    assert broken.send(authorization="Bearer x").code == "InvalidArgument"
    unknown = guest.request("PUT", path("nowhere", LONG, [("nonsense", "")]), headers=wrong_body, body=b"x")
    assert unknown.code == "NotImplemented"
    refused = guest.request("PUT", path("nowhere", LONG), headers=wrong_body, body=b"x")
    assert refused.code == "AccessDenied"
    nowhere = local.wire.request("PUT", path("nowhere", LONG), headers=wrong_body, body=b"x")
    assert nowhere.code == "NoSuchBucket"
    long = local.wire.request("PUT", path("read-only", LONG), headers=wrong_body, body=b"x")
    assert long.code == "KeyTooLongError"
    read_only = local.wire.request("PUT", path("read-only", "k"), headers={**wrong_body, "if-match": '"x"'}, body=b"x")
    assert (read_only.status, read_only.code) == (403, "AccessDenied")
    condition = local.ask("PUT", "k", headers={**wrong_body, "if-match": '"x"'}, body=b"x")
    assert condition.code == "NoSuchKey"
    assert local.ask("PUT", "k", headers=wrong_body, body=b"x").code == "InvalidDigest"


def test_a_missing_key_is_told_only_to_who_may_list(local: Place, guest: Wire) -> None:
    assert local.ask("GET", "missing").code == "NoSuchKey"
    hidden = guest.request("GET", local.target("missing"))
    assert (hidden.status, hidden.code) == (403, "AccessDenied")
    head = guest.request("HEAD", local.target("missing"))
    assert (head.status, head.body) == (403, b"")


def test_readiness_needs_no_signature(wire: Wire) -> None:
    assert send_unsigned(wire, "GET", "/-/ready").status == 200
