"""Sub-resources whose answer is known by nature, and tags."""

import hashlib

import pytest

from tests.real.node import Node
from tests.real.wire import Wire
from tests.wire.place import Place, text, texts, tree

pytestmark = pytest.mark.slow

TESTER = hashlib.sha256(b"tester").hexdigest()

DOCUMENTS = [
    ("location", "LocationConstraint"),
    ("versioning", "VersioningConfiguration"),
    ("acl", "AccessControlPolicy"),
    ("ownershipControls", "OwnershipControls"),
    ("requestPayment", "RequestPaymentConfiguration"),
    ("policyStatus", "PolicyStatus"),
    ("logging", "BucketLoggingStatus"),
    ("notification", "NotificationConfiguration"),
    ("accelerate", "AccelerateConfiguration"),
]
MISSING = [
    ("policy", "NoSuchBucketPolicy"),
    ("cors", "NoSuchCORSConfiguration"),
    ("tagging", "NoSuchTagSet"),
    ("lifecycle", "NoSuchLifecycleConfiguration"),
    ("encryption", "ServerSideEncryptionConfigurationNotFoundError"),
    ("website", "NoSuchWebsiteConfiguration"),
    ("replication", "ReplicationConfigurationNotFoundError"),
    ("object-lock", "ObjectLockConfigurationNotFoundError"),
    ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
]


@pytest.mark.parametrize(("name", "root"), DOCUMENTS)
def test_a_bucket_says_what_is_so(local: Place, name: str, root: str) -> None:
    answer = local.ask("GET", query=[(name, "")])
    assert (answer.status, answer.headers["content-type"]) == (200, "application/xml")
    assert answer.body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>')
    assert f'<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'.encode() in answer.body


@pytest.mark.parametrize("name", ["versioning", "logging", "notification", "accelerate", "location"])
def test_what_was_never_used_is_an_empty_document(local: Place, name: str) -> None:
    document = tree(local.ask("GET", query=[(name, "")]))
    assert (len(document), document.text) == (0, None)


@pytest.mark.parametrize(("name", "code"), MISSING)
def test_what_was_never_set_is_missing(local: Place, name: str, code: str) -> None:
    answer = local.ask("GET", query=[(name, "")])
    assert (answer.status, answer.code) == (404, code)


@pytest.mark.parametrize("name", [name for name, _ in DOCUMENTS + MISSING])
def test_sub_resources_are_those_of_a_bucket_that_exists_and_may_be_seen(wire: Wire, guest: Wire, name: str) -> None:
    assert wire.request("GET", f"/missing-bucket?{name}=").code == "NoSuchBucket"
    assert guest.request("GET", f"/memory?{name}=").code == "AccessDenied"


@pytest.mark.parametrize(
    "name", ["policy", "cors", "tagging", "lifecycle", "encryption", "website", "replication", "publicAccessBlock"]
)
def test_deleting_what_is_not_there_is_good(local: Place, name: str) -> None:
    local.put("k", b"kept")
    with local.untouched():
        answer = local.ask("DELETE", query=[(name, "")])
    assert (answer.status, answer.body) == (204, b"")
    assert local.ask("HEAD").status == 200, "the bucket itself is still there"


OWNER = f"<Owner><ID>{TESTER}</ID></Owner>"
OWNERS_GRANT = f"<Grant><Grantee><ID>{TESTER}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>"
OTHER_GRANT = f"<Grant><Grantee><ID>{'0' * 64}</ID></Grantee><Permission>READ</Permission></Grant>"


def acl(grants: str) -> bytes:
    return f"<AccessControlPolicy>{OWNER}<AccessControlList>{grants}</AccessControlList></AccessControlPolicy>".encode()


ACLS = [
    ({"x-amz-acl": "private"}, None, 200, ""),
    ({"x-amz-acl": "bucket-owner-full-control"}, None, 200, ""),
    ({}, acl(OWNERS_GRANT), 200, ""),
    ({"x-amz-acl": "public-read"}, None, 400, "AccessControlListNotSupported"),
    ({"x-amz-acl": "nonsense"}, None, 400, "InvalidArgument"),
    ({"x-amz-grant-read": "id=1"}, None, 400, "AccessControlListNotSupported"),
    ({}, acl(OWNERS_GRANT + OTHER_GRANT), 400, "AccessControlListNotSupported"),
    ({}, acl(""), 400, "AccessControlListNotSupported"),
    ({}, b"<AccessControlPolicy/>", 400, "MalformedXML"),
    ({}, b"nonsense", 400, "MalformedXML"),
    ({}, None, 400, "MalformedXML"),
]


@pytest.mark.parametrize("key", ["", "k"], ids=["bucket", "object"])
@pytest.mark.parametrize(("headers", "body", "status", "code"), ACLS)
def test_an_acl_can_be_set_to_what_it_is(
    local: Place, key: str, headers: dict[str, str], body: bytes | None, status: int, code: str
) -> None:
    local.put("k", b"x")
    with local.untouched():
        answer = local.ask("PUT", key, [("acl", "")], headers, body)
    assert (answer.status, answer.code) == (status, code), answer


@pytest.mark.parametrize("key", ["", "k"], ids=["bucket", "object"])
def test_the_acl_is_the_owners_alone(local: Place, key: str) -> None:
    local.put("k", b"x", {"x-amz-acl": "public-read"})
    answer = local.ask("GET", key, [("acl", "")])
    assert (text(answer, "Owner/ID"), text(answer, "Owner/DisplayName")) == (TESTER, "tester")
    assert texts(answer, "AccessControlList/Grant/Permission") == ["FULL_CONTROL"]
    assert texts(answer, "AccessControlList/Grant/Grantee/ID") == [TESTER]


def test_configured_buckets_belong_to_the_cluster(wire: Wire) -> None:
    answer = wire.request("GET", "/memory?acl=")
    assert text(answer, "Owner/DisplayName") == "forebay"


@pytest.mark.parametrize(
    ("name", "same", "other"),
    [
        (
            "ownershipControls",
            b"<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"
            b"</OwnershipControls>",
            b"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
        ),
        (
            "requestPayment",
            b"<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
            b"<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>",
        ),
    ],
)
def test_a_setting_can_be_put_to_what_it_is(local: Place, name: str, same: bytes, other: bytes) -> None:
    assert local.ask("PUT", query=[(name, "")], body=same).status == 200
    refused = local.ask("PUT", query=[(name, "")], body=other)
    assert (refused.status, refused.code) == (501, "NotImplemented")
    broken = local.ask("PUT", query=[(name, "")], body=b"<")
    assert (broken.status, broken.code) == (400, "MalformedXML")


def test_no_bucket_is_public_without_an_anonymous_policy(local: Place) -> None:
    assert text(local.ask("GET", query=[("policyStatus", "")]), "IsPublic") == "false"


@pytest.mark.parametrize("name", ["legal-hold", "retention"])
def test_no_bucket_has_object_lock(local: Place, name: str) -> None:
    local.put("k", b"x")
    for method, body in (("GET", None), ("PUT", b"<x/>")):
        answer = local.ask(method, "k", [(name, "")], body=body)
        assert (answer.status, answer.code) == (400, "InvalidRequest")
        assert text(answer, "Message") == "Bucket is missing Object Lock Configuration"
    assert local.ask("GET", "missing", [(name, "")]).code == "NoSuchKey"


# Tags.


def tagging(**tags: str) -> bytes:
    lines = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags.items())
    return f"<Tagging><TagSet>{lines}</TagSet></Tagging>".encode()


def tags_of(place: Place, key: str = "") -> dict[str, str]:
    answer = place.ask("GET", key, [("tagging", "")])
    assert answer.status == 200, answer
    return dict(zip(texts(answer, "TagSet/Tag/Key"), texts(answer, "TagSet/Tag/Value"), strict=True))


def test_tags_of_an_object_are_kept_beside_it(place: Place) -> None:
    etag = place.put("k", b"x", {"x-amz-tagging": "a=1&b=%C3%BC+x&c="})
    assert tags_of(place, "k") == {"a": "1", "b": "ü x", "c": ""}
    assert place.ask("PUT", "k", [("tagging", "")], body=tagging(d="2")).status == 200
    assert tags_of(place, "k") == {"d": "2"}
    assert place.ask("HEAD", "k").headers["etag"] == etag
    assert place.ask("DELETE", "k", [("tagging", "")]).status == 204
    assert tags_of(place, "k") == {}
    assert place.wire.get(place.bucket, "k") == b"x", "deleting tags deletes nothing else"


def test_a_copy_takes_the_tags_of_its_source_unless_told_otherwise(place: Place) -> None:
    place.put("k", b"x", {"x-amz-tagging": "a=1"})
    source = {"x-amz-copy-source": f"{place.bucket}/k", "x-amz-tagging": "b=2"}
    assert place.ask("PUT", "same", headers=source).status == 200
    assert place.ask("PUT", "new", headers={**source, "x-amz-tagging-directive": "REPLACE"}).status == 200
    assert (tags_of(place, "same"), tags_of(place, "new")) == ({"a": "1"}, {"b": "2"})


def test_an_upload_in_parts_keeps_its_tags(place: Place) -> None:
    upload = text(place.ask("POST", "k", [("uploads", "")], {"x-amz-tagging": "a=1"}), "UploadId") or ""
    part = place.ask("PUT", "k", [("partNumber", "1"), ("uploadId", upload)], body=b"x")
    line = f"<Part><PartNumber>1</PartNumber><ETag>{part.headers['etag']}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{line}</CompleteMultipartUpload>".encode()
    assert place.ask("POST", "k", [("uploadId", upload)], body=body).status == 200
    assert tags_of(place, "k") == {"a": "1"}


BAD_TAGS = [
    (tagging(**{f"t{number}": "1" for number in range(11)}), "InvalidTag"),
    (b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>a</Key><Value>2</Value></Tag></TagSet>"
     b"</Tagging>", "InvalidTag"),
    (tagging(**{"k" * 129: "1"}), "InvalidTag"),
    (tagging(a="v" * 257), "InvalidTag"),
    (tagging(**{"aws:x": "1"}), "InvalidTag"),
    (tagging(a="?"), "InvalidTag"),
    (b"<Tagging/>", "MalformedXML"),
    (b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", "MalformedXML"),
    (b"nonsense", "MalformedXML"),
    (b"", "MalformedXML"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "code"), BAD_TAGS)
def test_tags_that_break_the_rules_change_nothing(place: Place, body: bytes, code: str) -> None:
    place.put("k", b"x", {"x-amz-tagging": "a=1"})
    with place.untouched():
        answer = place.ask("PUT", "k", [("tagging", "")], body=body)
    assert (answer.status, answer.code) == (400, code)
    assert tags_of(place, "k") == {"a": "1"}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_missing_object_has_no_tags(place: Place, method: str) -> None:
    with place.untouched():
        answer = place.ask(method, "missing", [("tagging", "")], body=tagging(a="1") if method == "PUT" else None)
    assert (answer.status, answer.code) == (404, "NoSuchKey")


def test_tags_of_a_bucket_outlive_the_node(node: Node, local: Place) -> None:
    assert local.ask("PUT", query=[("tagging", "")], body=tagging(team="ü", x="")).status == 204
    node.restart()
    assert tags_of(local) == {"team": "ü", "x": ""}
    assert local.ask("DELETE", query=[("tagging", "")]).status == 204
    assert local.ask("GET", query=[("tagging", "")]).code == "NoSuchTagSet"


def test_a_bucket_may_have_fifty_tags(local: Place) -> None:
    fifty = {f"t{number}": "1" for number in range(50)}
    assert local.ask("PUT", query=[("tagging", "")], body=tagging(**fifty)).status == 204
    answer = local.ask("PUT", query=[("tagging", "")], body=tagging(**fifty, more="1"))
    assert (answer.status, answer.code) == (400, "InvalidTag")
    assert tags_of(local) == fifty
