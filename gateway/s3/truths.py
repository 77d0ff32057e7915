"""Sub-resources of buckets and objects whose answer is known without asking any store.

Questions about features that are not here get the answer AWS gives for a bucket that never used them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import (
    AclUnsupported,
    BucketPolicyMissing,
    CorsMissing,
    EncryptionMissing,
    GatewayError,
    LifecycleMissing,
    ObjectLockMissing,
    PublicAccessBlockMissing,
    ReplicationMissing,
    TagSetMissing,
    Unsupported,
    WebsiteMissing,
    XmlMalformed,
)
from gateway.model import Tags
from gateway.s3 import tagging, xml
from gateway.s3.documents import Owner
from gateway.s3.operations import BucketTruth
from gateway.s3.stored import OWNER_ONLY_ACLS

REGION_UNNAMED = "us-east-1"
"""The region whose LocationConstraint is empty (Amazon S3 API Reference, GetBucketLocation)."""

_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What the answers about a bucket depend on. `public`: the anonymous policy reaches it."""

    region: str
    owner: Owner
    public: bool = False
    tags: Tags = ()


_MISSING: Mapping[BucketTruth, type[GatewayError]] = {
    BucketTruth.POLICY: BucketPolicyMissing,
    BucketTruth.CORS: CorsMissing,
    BucketTruth.LIFECYCLE: LifecycleMissing,
    BucketTruth.ENCRYPTION: EncryptionMissing,
    BucketTruth.WEBSITE: WebsiteMissing,
    BucketTruth.REPLICATION: ReplicationMissing,
    BucketTruth.OBJECT_LOCK: ObjectLockMissing,
    BucketTruth.PUBLIC_ACCESS_BLOCK: PublicAccessBlockMissing,
}

_EMPTY: Mapping[BucketTruth, str] = {
    BucketTruth.VERSIONING: "VersioningConfiguration",
    BucketTruth.LOGGING: "BucketLoggingStatus",
    BucketTruth.NOTIFICATION: "NotificationConfiguration",
    BucketTruth.ACCELERATE: "AccelerateConfiguration",
}


def bucket_document(truth: BucketTruth, facts: BucketFacts) -> bytes:
    """The answer to GET; raises what AWS says where nothing was ever configured."""
    if truth in _MISSING:
        raise _MISSING[truth]
    if truth in _EMPTY:
        return xml.document(_EMPTY[truth])
    match truth:
        case BucketTruth.LOCATION:
            return _location(facts.region)
        case BucketTruth.ACL:
            return acl_document(facts.owner)
        case BucketTruth.OWNERSHIP_CONTROLS:
            return xml.document("OwnershipControls", _OWNERSHIP)
        case BucketTruth.REQUEST_PAYMENT:
            return xml.document("RequestPaymentConfiguration", _PAYER)
        case BucketTruth.POLICY_STATUS:
            return xml.document("PolicyStatus", xml.flag("IsPublic", value=facts.public))
        case BucketTruth.TAGGING:
            if not facts.tags:
                raise TagSetMissing
            return tagging.document(facts.tags)
    raise AssertionError(f"no answer for {truth}")


def check_unchanged(truth: BucketTruth, body: bytes) -> None:
    """Let a PUT of ownershipControls or requestPayment pass if it asks for what is so already.

    Raises `Unsupported` if it asks for anything else.
    """
    match truth:
        case BucketTruth.OWNERSHIP_CONTROLS:
            rules = list(xml.read(body, "OwnershipControls").all("Rule"))
            said = [rule.value("ObjectOwnership") for rule in rules]
            holds = said == ["BucketOwnerEnforced"]
        case BucketTruth.REQUEST_PAYMENT:
            holds = xml.read(body, "RequestPaymentConfiguration").value("Payer") == "BucketOwner"
        case _:
            raise AssertionError(f"{truth} has no value that a PUT could repeat")
    if not holds:
        raise Unsupported(f"Changing {truth.value} is not implemented.", Parameter=truth.value)


def acl_document(owner: Owner) -> bytes:
    """The ACL of every bucket and object: the owner has FULL_CONTROL, nobody else has anything."""
    person = xml.leaf("ID", owner.id) + xml.leaf("DisplayName", owner.name)
    grantee = f'<Grantee {_XSI} xsi:type="CanonicalUser">{person}</Grantee>'
    grant = xml.element("Grant", grantee, xml.leaf("Permission", "FULL_CONTROL"))
    return xml.document("AccessControlPolicy", xml.element("Owner", person), xml.element("AccessControlList", grant))


def check_acl(canned: str | None, body: bytes, owner: Owner) -> None:
    """Let a PUT ?acl pass if it asks for the ACL that is so already; `AclUnsupported` otherwise.

    s3cmd (seen in 2.4) does this after every upload.
    """
    if canned is not None:
        if canned not in OWNER_ONLY_ACLS:
            raise AclUnsupported
        return
    if not body.strip():
        raise XmlMalformed
    grants = xml.read(body, "AccessControlPolicy").child("AccessControlList")
    if grants is None:
        raise XmlMalformed
    if not grants.children or not all(_is_the_owners(grant, owner) for grant in grants.children):
        raise AclUnsupported


def _is_the_owners(grant: xml.Element, owner: Owner) -> bool:
    grantee = grant.child("Grantee")
    return grantee is not None and grantee.value("ID") == owner.id and grant.value("Permission") == "FULL_CONTROL"


def _location(region: str) -> bytes:
    return xml.document("LocationConstraint", "" if region == REGION_UNNAMED else xml.escape(region))


_OWNERSHIP = xml.element("Rule", xml.leaf("ObjectOwnership", "BucketOwnerEnforced"))
_PAYER = xml.leaf("Payer", "BucketOwner")
