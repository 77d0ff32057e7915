"""Answers that are known without asking any store."""

from dataclasses import replace

import pytest

from gateway.errors import AclUnsupported, GatewayError, TagSetMissing, Unsupported, XmlMalformed
from gateway.s3 import xml
from gateway.s3.documents import Owner
from gateway.s3.errors import row_of
from gateway.s3.operations import BucketTruth
from gateway.s3.truths import BucketFacts, acl_document, bucket_document, check_acl, check_unchanged

OWNER = Owner("id-of-owner", "owner")
FACTS = BucketFacts("us-east-1", OWNER)

MISSING = {
    BucketTruth.POLICY: "NoSuchBucketPolicy",
    BucketTruth.CORS: "NoSuchCORSConfiguration",
    BucketTruth.TAGGING: "NoSuchTagSet",
    BucketTruth.LIFECYCLE: "NoSuchLifecycleConfiguration",
    BucketTruth.ENCRYPTION: "ServerSideEncryptionConfigurationNotFoundError",
    BucketTruth.WEBSITE: "NoSuchWebsiteConfiguration",
    BucketTruth.REPLICATION: "ReplicationConfigurationNotFoundError",
    BucketTruth.OBJECT_LOCK: "ObjectLockConfigurationNotFoundError",
    BucketTruth.PUBLIC_ACCESS_BLOCK: "NoSuchPublicAccessBlockConfiguration",
}
ROOTS = {
    BucketTruth.LOCATION: "LocationConstraint",
    BucketTruth.VERSIONING: "VersioningConfiguration",
    BucketTruth.ACL: "AccessControlPolicy",
    BucketTruth.OWNERSHIP_CONTROLS: "OwnershipControls",
    BucketTruth.REQUEST_PAYMENT: "RequestPaymentConfiguration",
    BucketTruth.POLICY_STATUS: "PolicyStatus",
    BucketTruth.LOGGING: "BucketLoggingStatus",
    BucketTruth.NOTIFICATION: "NotificationConfiguration",
    BucketTruth.ACCELERATE: "AccelerateConfiguration",
}


@pytest.mark.parametrize("truth", BucketTruth)
def test_every_sub_resource_has_the_answer_of_a_bucket_that_never_used_it(truth: BucketTruth) -> None:
    if truth in ROOTS:
        xml.read(bucket_document(truth, FACTS), ROOTS[truth])
        return
    with pytest.raises(GatewayError) as caught:
        bucket_document(truth, FACTS)
    assert (row_of(caught.value).code, row_of(caught.value).status) == (MISSING[truth], 404)


@pytest.mark.parametrize(("region", "said"), [("us-east-1", ""), ("eu-west-9", "eu-west-9")])
def test_the_location_of_the_first_region_is_empty(region: str, said: str) -> None:
    body = bucket_document(BucketTruth.LOCATION, replace(FACTS, region=region))
    assert xml.read(body, "LocationConstraint").text == said


@pytest.mark.parametrize("public", [True, False])
def test_a_bucket_is_public_if_anonymous_callers_reach_it(public: bool) -> None:
    body = bucket_document(BucketTruth.POLICY_STATUS, replace(FACTS, public=public))
    assert xml.read(body, "PolicyStatus").value("IsPublic") == str(public).lower()


def test_a_bucket_answers_the_tags_it_was_given() -> None:
    tree = xml.read(bucket_document(BucketTruth.TAGGING, replace(FACTS, tags=(("a", "1"),))), "Tagging")
    assert [[leaf.text for leaf in tag.children] for tag in tree.children[0].children] == [["a", "1"]]
    with pytest.raises(TagSetMissing):
        bucket_document(BucketTruth.TAGGING, FACTS)


@pytest.mark.parametrize("truth", [BucketTruth.OWNERSHIP_CONTROLS, BucketTruth.REQUEST_PAYMENT])
def test_what_is_so_already_may_be_put_and_nothing_else(truth: BucketTruth) -> None:
    body = bucket_document(truth, FACTS)
    check_unchanged(truth, body)
    with pytest.raises(Unsupported):
        check_unchanged(truth, body.replace(b"BucketOwner", b"Requester"))
    with pytest.raises(XmlMalformed):
        check_unchanged(truth, b"")


def test_the_acl_that_is_so_already_may_be_put_as_xml_or_by_its_name() -> None:
    check_acl(None, acl_document(OWNER), OWNER)
    check_acl("private", b"", OWNER)
    check_acl("bucket-owner-full-control", b"", OWNER)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"FULL_CONTROL", b"READ"),
        (b"id-of-owner", b"somebody"),
        (b"<ID>id-of-owner</ID><DisplayName>owner</DisplayName></Grantee>", b"<URI>AllUsers</URI></Grantee>"),
        (b"</Grant>", b"</Grant><Grant><Permission>READ</Permission></Grant>"),
    ],
)
def test_no_other_grant_is_pretended(old: bytes, new: bytes) -> None:
    changed = acl_document(OWNER).replace(old, new)
    assert changed != acl_document(OWNER)
    with pytest.raises(AclUnsupported):
        check_acl(None, changed, OWNER)


def test_an_acl_without_grants_or_of_another_name_is_refused() -> None:
    with pytest.raises(AclUnsupported):
        check_acl("public-read", b"", OWNER)
    with pytest.raises(AclUnsupported):
        check_acl(None, b"<AccessControlPolicy><AccessControlList/></AccessControlPolicy>", OWNER)
    with pytest.raises(XmlMalformed):
        check_acl(None, b"<AccessControlPolicy/>", OWNER)
    with pytest.raises(XmlMalformed):
        check_acl(None, b"", OWNER)
