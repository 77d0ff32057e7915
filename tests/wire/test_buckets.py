"""The service and its buckets."""

import hashlib
import re

import pytest

from tests.real.wire import Answer, Wire, path
from tests.wire.place import Place, text, texts, tree
from tests.wire.sending import send_unsigned

pytestmark = pytest.mark.slow

TESTER = hashlib.sha256(b"tester").hexdigest()


def listed(wire: Wire, *query: tuple[str, str]) -> Answer:
    """ListBuckets."""
    return wire.request("GET", "/?" + path("", query=query).partition("?")[2])


def test_a_caller_sees_the_buckets_it_owns_or_may_list_by_name(wire: Wire, guest: Wire) -> None:
    for name in ("zz-own", "aa-own"):
        assert guest.request("PUT", f"/{name}").status == 200
    everything = texts(listed(wire), "Buckets/Bucket/Name")
    assert everything == sorted(everything)
    assert {"aa-own", "zz-own", "memory", "read-only"} <= set(everything)
    assert texts(listed(guest), "Buckets/Bucket/Name") == ["aa-own", "zz-own"]
    assert text(listed(guest), "Owner/ID") == hashlib.sha256(b"guest").hexdigest()
    assert text(listed(wire), "Owner/DisplayName") == "tester"
    assert listed(wire).headers["content-type"] == "application/xml"
    assert b'<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' in listed(wire).body


def test_pages_of_buckets_join_to_the_whole(wire: Wire) -> None:
    for number in range(5):
        wire.request("PUT", f"/paged-{number}")
    found: list[str] = []
    query = [("prefix", "paged-"), ("max-buckets", "2")]
    while True:
        page = listed(wire, *query)
        found += texts(page, "Buckets/Bucket/Name")
        token = text(page, "ContinuationToken")
        if token is None:
            break
        query = [("prefix", "paged-"), ("max-buckets", "2"), ("continuation-token", token)]
    assert found == [f"paged-{number}" for number in range(5)]
    assert text(page, "Prefix") == "paged-"


@pytest.mark.parametrize(
    "query",
    [("max-buckets", "0"), ("max-buckets", "10001"), ("max-buckets", "x"), ("continuation-token", "nonsense")],
)
def test_parameters_of_a_listing_of_buckets_are_checked(wire: Wire, query: tuple[str, str]) -> None:
    answer = listed(wire, query)
    assert (answer.status, answer.code, text(answer, "ArgumentName")) == (400, "InvalidArgument", query[0])


def test_buckets_can_be_asked_by_region(wire: Wire) -> None:
    assert texts(listed(wire, ("bucket-region", "us-east-1")), "Buckets/Bucket/BucketRegion")
    assert texts(listed(wire, ("bucket-region", "eu-west-1")), "Buckets/Bucket/Name") == []


def test_who_is_unknown_sees_no_buckets(wire: Wire) -> None:
    answer = send_unsigned(wire, "GET", "/")
    assert (answer.status, answer.code) == (403, "AccessDenied")


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"",
        b'<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>",
    ],
    ids=["no body", "empty", "anywhere"],
)
def test_a_bucket_is_made_wherever_it_is_wanted(wire: Wire, body: bytes | None) -> None:
    name = f"made-{len(body or b'')}-{body is None}".lower()
    answer = wire.request("PUT", f"/{name}", body=body)
    assert (answer.status, answer.headers["location"], answer.body) == (200, f"/{name}", b"")
    again = wire.request("PUT", f"/{name}", body=body)
    assert again.status == 200, "in us-east-1 an own bucket can be made again"


@pytest.mark.parametrize("body", [b"<", b"<Other/>", b"<!DOCTYPE a><CreateBucketConfiguration/>", b"text"])
def test_a_bucket_is_not_made_by_a_body_that_is_none(wire: Wire, body: bytes) -> None:
    answer = wire.request("PUT", "/not-made", body=body)
    assert (answer.status, answer.code) == (400, "MalformedXML")
    assert wire.request("HEAD", "/not-made").status == 404


@pytest.mark.parametrize("name", ["memory", "read-only", "demo"])
def test_a_configured_bucket_is_taken(wire: Wire, name: str) -> None:
    answer = wire.request("PUT", f"/{name}")
    assert (answer.status, answer.code) == (409, "BucketAlreadyExists")


def test_the_bucket_of_another_user_is_taken(local: Place, guest: Wire) -> None:
    answer = guest.request("PUT", f"/{local.bucket}")
    assert (answer.status, answer.code) == (409, "BucketAlreadyExists")


def test_a_bucket_is_found_by_head_and_errors_have_no_body(local: Place, guest: Wire) -> None:
    answer = local.ask("HEAD")
    assert (answer.status, answer.headers["x-amz-bucket-region"], answer.body) == (200, "us-east-1", b"")
    missing = local.wire.request("HEAD", "/missing-bucket")
    assert (missing.status, missing.body) == (404, b"")
    refused = guest.request("HEAD", f"/{local.bucket}")
    assert (refused.status, refused.body) == (403, b"")


def test_only_an_empty_bucket_can_be_deleted_and_its_uploads_end(local: Place) -> None:
    local.put("k")
    local.ask("POST", "open", [("uploads", "")])
    full = local.ask("DELETE")
    assert (full.status, full.code) == (409, "BucketNotEmpty")
    assert local.wire.keys(local.bucket) == ["k"]
    assert len(local.uploads()) == 1
    local.ask("DELETE", "k")
    gone = local.ask("DELETE")
    assert (gone.status, gone.body) == (204, b"")
    assert local.ask("HEAD").status == 404
    assert local.directory is not None
    assert not local.directory.exists()


@pytest.mark.parametrize("name", ["memory", "read-only"])
def test_a_configured_bucket_cannot_be_deleted(wire: Wire, name: str) -> None:
    answer = wire.request("DELETE", f"/{name}")
    assert (answer.status, answer.code) == (403, "AccessDenied")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_missing_bucket_is_told_by_name(wire: Wire, method: str) -> None:
    answer = wire.request(method, "/missing-bucket")
    assert (answer.status, answer.code, text(answer, "BucketName")) == (404, "NoSuchBucket", "missing-bucket")


BAD_NAMES = [
    "ab",
    "a" * 64,
    "Upper",
    "under_score",
    "-dash",
    "dash-",
    ".dot",
    "dot.",
    "two..dots",
    "dot.-dash",
    "dash-.dot",
    "192.168.5.4",
    "xn--name",
    "sthree-name",
    "amzn-s3-demo-name",
    "name-s3alias",
    "name--ol-s3",
    "name.mrap",
    "name--x-s3",
    "name--table-s3",
    "sch%C3%B6n",
    "a%20b",
    "..",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_no_bucket_may_have_is_refused_at_creation_and_unknown_elsewhere(wire: Wire, name: str) -> None:
    answer = wire.request("PUT", f"/{name}")
    assert (answer.status, answer.code) == (400, "InvalidBucketName"), answer
    assert wire.request("GET", f"/{name}").code == "NoSuchBucket"


def test_a_canned_acl_is_taken_and_any_other_word_refused(wire: Wire, local: Place) -> None:
    assert local.ask("PUT", headers={"x-amz-acl": "public-read"}).status == 200
    assert local.ask("PUT", headers={"x-amz-acl": "nonsense"}).code == "InvalidArgument"
    assert local.ask("PUT", headers={"x-amz-grant-read": "id=1"}).code == "AccessControlListNotSupported"
    assert send_unsigned(wire, "GET", local.target()).status == 403, "no ACL gives rights"


def test_creation_dates_are_those_of_the_creation(local: Place) -> None:
    buckets = {found.findtext("Name"): found for found in tree(listed(local.wire)).findall("Buckets/Bucket")}
    date = buckets[local.bucket].findtext("CreationDate") or ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", date)


def delete_many(place: Place, inner: str, headers: dict[str, str] | None = None) -> Answer:
    """DeleteObjects."""
    return place.ask("POST", query=[("delete", "")], headers=headers, body=f"<Delete>{inner}</Delete>".encode())


def objects(*keys: str) -> str:
    return "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)


def test_many_keys_are_deleted_at_once_whether_they_are_there_or_not(place: Place) -> None:
    for key in ("a", "b//c", "kept"):
        place.put(key, b"x")
    answer = delete_many(place, objects("a", "b//c", "missing"))
    assert (answer.status, texts(answer, "Deleted/Key"), texts(answer, "Error")) == (200, ["a", "b//c", "missing"], [])
    assert place.wire.keys(place.bucket) == ["kept"]


def test_a_quiet_delete_answers_errors_only(place: Place) -> None:
    place.put("a", b"x")
    long = "k" * 1025
    answer = delete_many(place, f"<Quiet>true</Quiet>{objects('a', long)}")
    assert texts(answer, "Deleted/Key") == []
    assert texts(answer, "Error/Code") == ["KeyTooLongError"]
    assert place.wire.keys(place.bucket) == []


@pytest.mark.parametrize(
    "inner",
    ["", "<Object/>", "<Object><Key>a</Key>", objects(*map(str, range(1001))), "<Object><Key>&nbsp;</Key></Object>"],
    ids=["nothing", "no key", "broken", "1001", "entity"],
)
def test_a_delete_of_no_keys_or_too_many_is_malformed(place: Place, inner: str) -> None:
    place.put("a", b"x")
    with place.untouched():
        answer = delete_many(place, inner)
    assert (answer.status, answer.code) == (400, "MalformedXML")


def test_a_thousand_keys_are_not_too_many(place: Place) -> None:
    answer = delete_many(place, objects(*map(str, range(1000))))
    assert len(texts(answer, "Deleted/Key")) == 1000


def test_each_key_of_a_delete_is_judged_on_its_own(local: Place, guest: Wire) -> None:
    local.put("a", b"x")
    with local.untouched():
        answer = delete_many(Place(guest, local.bucket), objects("a", "b"))
    assert (answer.status, texts(answer, "Error/Code")) == (200, ["AccessDenied", "AccessDenied"])
    assert texts(answer, "Error/Key") == ["a", "b"]


def test_keys_of_a_delete_may_have_conditions(place: Place) -> None:
    etags = {key: place.put(key, b"xyz") for key in ("tag", "not-tag", "size", "not-size")}
    modified = place.ask("HEAD", "tag").headers["last-modified"]
    answer = delete_many(
        place,
        f"<Object><Key>tag</Key><ETag>{etags['tag']}</ETag><LastModifiedTime>{modified}</LastModifiedTime></Object>"
        "<Object><Key>not-tag</Key><ETag>other</ETag></Object>"
        "<Object><Key>size</Key><Size>3</Size></Object>"
        "<Object><Key>not-size</Key><Size>4</Size></Object>"
        "<Object><Key>missing</Key><ETag>other</ETag></Object>"
        "<Object><Key>missing-too</Key><Size>4</Size></Object>",
    )
    assert texts(answer, "Deleted/Key") == ["tag", "size", "missing-too"]
    errors = list(zip(texts(answer, "Error/Key"), texts(answer, "Error/Code"), strict=True))
    assert errors == [
        ("not-tag", "PreconditionFailed"),
        ("not-size", "PreconditionFailed"),
        ("missing", "NoSuchKey"),
    ]
    assert place.wire.keys(place.bucket) == ["not-size", "not-tag"]


def test_a_version_that_does_not_exist_deletes_nothing(place: Place) -> None:
    place.put("a", b"x")
    place.put("b", b"x")
    answer = delete_many(
        place,
        "<Object><Key>a</Key><VersionId>other</VersionId></Object>"
        "<Object><Key>b</Key><VersionId>null</VersionId></Object>",
    )
    assert texts(answer, "Deleted/VersionId") == ["other", "null"]
    assert place.wire.keys(place.bucket) == ["a"]
