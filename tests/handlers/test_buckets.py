"""Buckets made, listed and deleted, and what is true of them without asking any store."""

from pathlib import Path

import pytest

from tests.handlers.node import CONFIG, Node

TAGS = b"<Tagging><TagSet><Tag><Key>team</Key><Value>blue</Value></Tag></TagSet></Tagging>"


def test_a_bucket_belongs_to_who_made_it(node: Node) -> None:
    reply = node.request("PUT", "/mine", user="alice")
    assert (reply.status, reply.fields["location"]) == (200, "/mine")
    assert node.request("PUT", "/mine/k", b"x", user="alice").status == 200
    assert node.request("GET", "/mine", user="alice").texts("Key") == ["k"]
    assert node.request("GET", "/mine", user="reader").code == "AccessDenied"
    owner = node.request("GET", "/mine?acl", user="alice")
    assert owner.text("DisplayName") == "alice"
    assert owner.texts("Permission") == ["FULL_CONTROL"]


def test_a_bucket_made_again_is_the_same_for_its_owner_and_taken_for_others(node: Node) -> None:
    node.request("PUT", "/mine", user="alice")
    node.request("PUT", "/mine/k", b"x", user="alice")
    assert node.request("PUT", "/mine", user="alice").status == 200
    assert node.request("GET", "/mine/k", user="alice").body == b"x"
    reply = node.request("PUT", "/mine", user="root")
    assert (reply.status, reply.code) == (409, "BucketAlreadyExists")
    assert node.request("PUT", "/demo", user="alice").code == "BucketAlreadyExists"


def test_in_another_region_a_bucket_made_again_is_a_conflict(tmp_path: Path) -> None:
    with Node(tmp_path, {**CONFIG, "s3": {"region": "eu-central-1"}}) as node:
        node.request("PUT", "/mine", user="alice")
        assert node.request("PUT", "/mine", user="alice").code == "BucketAlreadyOwnedByYou"
        assert node.request("GET", "/mine?location", user="alice").xml.text == "eu-central-1"


@pytest.mark.parametrize("name", ["ab", "Upper", "under_score", "192.168.1.1", "xn--a", "a..b", "a" * 64])
def test_a_name_that_is_no_bucket_name_is_refused(node: Node, name: str) -> None:
    reply = node.request("PUT", f"/{name}")
    assert (reply.status, reply.code) == (400, "InvalidBucketName")


def test_a_location_is_taken_if_it_is_well_formed(node: Node) -> None:
    document = b"<CreateBucketConfiguration><LocationConstraint>mars</LocationConstraint></CreateBucketConfiguration>"
    assert node.request("PUT", "/mine", document).status == 200
    assert node.request("PUT", "/yours", b"<CreateBucket").code == "MalformedXML"
    assert node.request("HEAD", "/yours").status == 404


def test_without_a_place_for_new_buckets_none_is_made(tmp_path: Path) -> None:
    config = {name: value for name, value in CONFIG.items() if name != "new_buckets"}
    with Node(tmp_path, config) as node:
        assert node.request("PUT", "/mine").code == "AccessDenied"


def test_a_bucket_is_deleted_only_when_it_is_empty(node: Node) -> None:
    node.request("PUT", "/mine", user="alice")
    node.request("PUT", "/mine/k", b"x", user="alice")
    reply = node.request("DELETE", "/mine", user="alice")
    assert (reply.status, reply.code) == (409, "BucketNotEmpty")
    assert node.request("GET", "/mine/k", user="alice").body == b"x"
    node.request("DELETE", "/mine/k", user="alice")
    node.request("POST", "/mine/k?uploads", user="alice")
    assert node.request("DELETE", "/mine", user="alice").status == 204
    assert node.request("HEAD", "/mine").status == 404


def test_a_bucket_of_the_configuration_file_is_not_deleted(node: Node) -> None:
    assert node.request("DELETE", "/demo").code == "AccessDenied"
    assert node.request("HEAD", "/demo").status == 200


def test_each_sees_the_buckets_it_owns_or_may_list(node: Node) -> None:
    node.request("PUT", "/mine", user="alice")
    everything = node.request("GET", "/")
    assert everything.texts("Name") == ["demo", "fixed", "mine", "other"]
    assert everything.text("DisplayName") == "root"
    assert node.request("GET", "/", user="alice").code == "AccessDenied"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("prefix=o", ["other"]),
        ("bucket-region=us-east-1", ["demo", "fixed", "other"]),
        ("bucket-region=eu-north-1", []),
        ("max-buckets=2", ["demo", "fixed"]),
    ],
)
def test_buckets_are_selected_by_the_query(node: Node, query: str, names: list[str]) -> None:
    assert node.request("GET", f"/?{query}").texts("Name") == names


def test_buckets_come_in_pages(node: Node) -> None:
    first = node.request("GET", "/?max-buckets=2")
    rest = node.request("GET", f"/?max-buckets=2&continuation-token={first.text('ContinuationToken')}")
    assert rest.texts("Name") == ["other"]
    assert rest.texts("ContinuationToken") == []
    assert node.request("GET", "/?continuation-token=foreign").code == "InvalidArgument"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("policy", "NoSuchBucketPolicy"),
        ("cors", "NoSuchCORSConfiguration"),
        ("tagging", "NoSuchTagSet"),
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ],
)
def test_what_was_never_configured_is_missing(node: Node, query: str, code: str) -> None:
    reply = node.request("GET", f"/demo?{query}")
    assert (reply.status, reply.code) == (404, code)
    assert node.request("PUT", f"/demo?{query}", b"<X/>").code in ("NotImplemented", "MalformedXML")


@pytest.mark.parametrize("query", ["location", "versioning", "logging", "notification", "accelerate"])
def test_what_is_off_is_an_empty_document(node: Node, query: str) -> None:
    assert len(node.request("GET", f"/demo?{query}").xml) == 0


def test_ownership_and_payer_may_be_put_as_they_are(node: Node) -> None:
    for query in ("ownershipControls", "requestPayment"):
        document = node.request("GET", f"/demo?{query}").body
        assert node.request("PUT", f"/demo?{query}", document).status == 200
    other = b"<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>"
    assert node.request("PUT", "/demo?requestPayment", other).code == "NotImplemented"


@pytest.mark.parametrize("target", ["/demo?acl", "/demo/k?acl"])
def test_an_acl_may_be_put_as_it_is(node: Node, target: str) -> None:
    node.request("PUT", "/demo/k", b"x")
    document = node.request("GET", target).body
    assert node.request("PUT", target, document).status == 200
    assert node.request("PUT", target, headers={"x-amz-acl": "private"}).status == 200
    assert node.request("PUT", target, headers={"x-amz-acl": "public-read"}).code == "AccessControlListNotSupported"
    assert node.request("PUT", target, headers={"x-amz-acl": "everybody"}).code == "InvalidArgument"


def test_a_missing_object_has_neither_acl_nor_tags_nor_lock(node: Node) -> None:
    for query in ("acl", "tagging", "legal-hold", "retention"):
        assert node.request("GET", f"/demo/none?{query}").code == "NoSuchKey"
    node.request("PUT", "/demo/k", b"x")
    assert node.request("GET", "/demo/k?retention").code == "InvalidRequest"


@pytest.mark.parametrize(("resource", "public"), [("other/*", "true"), ("elsewhere/*", "false")])
def test_a_bucket_says_whether_the_anonymous_policy_reaches_it(tmp_path: Path, resource: str, public: str) -> None:
    statement = {"effect": "Allow", "action": "s3:GetObject", "resource": resource}
    policies = CONFIG["policy"]
    assert isinstance(policies, dict)
    config = {**CONFIG, "policy": {**policies, "anonymous": {"statement": [statement]}}}
    with Node(tmp_path, config) as node:
        assert node.request("GET", "/other?policyStatus").text("IsPublic") == public
        node.request("PUT", "/other/k", b"open")
        assert (node.request("GET", "/other/k", user=None).status == 200) == (public == "true")


@pytest.mark.parametrize("bucket", ["demo", "mine"])
def test_the_tags_of_a_bucket_outlive_the_node(tmp_path: Path, bucket: str) -> None:
    with Node(tmp_path) as node:
        node.request("PUT", "/mine")
        assert node.request("PUT", f"/{bucket}?tagging", TAGS).status == 204
        created = node.request("GET", "/").texts("CreationDate")
        node.clock.advance(1000)
    with Node(tmp_path) as node:
        assert node.request("GET", f"/{bucket}?tagging").texts("Value") == ["blue"]
        assert node.request("GET", "/").texts("CreationDate") == created
        assert node.request("DELETE", f"/{bucket}?tagging").status == 204
        assert node.request("GET", f"/{bucket}?tagging").code == "NoSuchTagSet"
