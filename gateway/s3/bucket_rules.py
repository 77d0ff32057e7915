"""The operations of the service and of buckets: what selects them, what they read."""

from collections.abc import Iterator

from gateway.s3.operations import (
    BucketSetting,
    BucketTruth,
    CreateBucket,
    DeleteBucket,
    DeleteObjects,
    HeadBucket,
    ListBuckets,
    ListMultipartUploads,
    ListObjects,
    ListStyle,
    PostObject,
    Verb,
)
from gateway.s3.parameters import invalid
from gateway.s3.rules import Request, Rule, words
from gateway.s3.stored import canned_acl

BUCKETS_MAX = 10_000
"""Buckets of a page of ListBuckets (Amazon S3 API Reference, ListBuckets)."""


def _list_buckets(request: Request) -> ListBuckets:
    parameters = request.parameters
    return ListBuckets(
        prefix=parameters.text("prefix") or "",
        buckets_max=parameters.integer("max-buckets", low=1, high=BUCKETS_MAX) or BUCKETS_MAX,
        token=parameters.text("continuation-token") or None,
        region=parameters.text("bucket-region") or None,
    )


def _create_bucket(request: Request) -> CreateBucket:
    canned_acl(request.sent)
    return CreateBucket(request.bucket)


def _list_objects(request: Request) -> ListObjects:
    parameters = request.parameters
    return ListObjects(
        request.bucket,
        _list_style(parameters.text("list-type")),
        prefix=parameters.raw("prefix") or b"",
        delimiter=parameters.raw("delimiter") or b"",
        keys_max=parameters.limit("max-keys"),
        url_encoded=parameters.url_encoded(),
        marker=parameters.raw("marker") or b"",
        start_after=parameters.raw("start-after"),
        token=parameters.text("continuation-token"),
        fetch_owner=(parameters.text("fetch-owner") or "").lower() == "true",
    )


def _list_style(list_type: str | None) -> ListStyle:
    if list_type is None:
        return ListStyle.V1
    if list_type != "2":
        raise invalid("list-type", list_type, "The argument list-type must be 2.")
    return ListStyle.V2


def _list_uploads(request: Request) -> ListMultipartUploads:
    parameters = request.parameters
    return ListMultipartUploads(
        request.bucket,
        prefix=parameters.raw("prefix") or b"",
        delimiter=parameters.raw("delimiter") or b"",
        uploads_max=parameters.limit("max-uploads"),
        url_encoded=parameters.url_encoded(),
        key_marker=parameters.raw("key-marker") or b"",
        upload_id_marker=parameters.text("upload-id-marker") or None,
    )


SERVICE = (Rule("GET", _list_buckets, parameters=words("prefix max-buckets continuation-token bucket-region")),)

RULES = (
    Rule("PUT", _create_bucket),
    Rule("HEAD", lambda request: HeadBucket(request.bucket)),
    Rule("DELETE", lambda request: DeleteBucket(request.bucket)),
    Rule(
        "GET",
        _list_objects,
        # Those that only another of the listings reads are ignored.
        parameters=words(
            "prefix delimiter max-keys encoding-type marker list-type start-after continuation-token fetch-owner "
            "key-marker version-id-marker"
        ),
    ),
    Rule(
        "GET",
        _list_uploads,
        words("uploads"),
        words("prefix delimiter max-uploads encoding-type key-marker upload-id-marker"),
    ),
    Rule("POST", lambda request: DeleteObjects(request.bucket), words("delete")),
    Rule("POST", lambda request: PostObject(request.bucket)),
)

# The policy action of each sub-resource's GET, PUT and DELETE; None where the answer is 501.
_ACTIONS: dict[BucketTruth, tuple[str, str | None, str | None]] = {
    BucketTruth.LOCATION: ("s3:GetBucketLocation", None, None),
    BucketTruth.VERSIONING: ("s3:GetBucketVersioning", None, None),
    BucketTruth.ACL: ("s3:GetBucketAcl", "s3:PutBucketAcl", None),
    BucketTruth.OWNERSHIP_CONTROLS: ("s3:GetBucketOwnershipControls", "s3:PutBucketOwnershipControls", None),
    BucketTruth.REQUEST_PAYMENT: ("s3:GetBucketRequestPayment", "s3:PutBucketRequestPayment", None),
    BucketTruth.POLICY: ("s3:GetBucketPolicy", None, "s3:DeleteBucketPolicy"),
    BucketTruth.POLICY_STATUS: ("s3:GetBucketPolicyStatus", None, None),
    BucketTruth.CORS: ("s3:GetBucketCORS", None, "s3:PutBucketCORS"),
    BucketTruth.TAGGING: ("s3:GetBucketTagging", "s3:PutBucketTagging", "s3:PutBucketTagging"),
    BucketTruth.LIFECYCLE: ("s3:GetLifecycleConfiguration", None, "s3:PutLifecycleConfiguration"),
    BucketTruth.ENCRYPTION: ("s3:GetEncryptionConfiguration", None, "s3:PutEncryptionConfiguration"),
    BucketTruth.WEBSITE: ("s3:GetBucketWebsite", None, "s3:DeleteBucketWebsite"),
    BucketTruth.REPLICATION: ("s3:GetReplicationConfiguration", None, "s3:PutReplicationConfiguration"),
    BucketTruth.OBJECT_LOCK: ("s3:GetBucketObjectLockConfiguration", None, None),
    BucketTruth.PUBLIC_ACCESS_BLOCK: ("s3:GetBucketPublicAccessBlock", None, "s3:PutBucketPublicAccessBlock"),
    BucketTruth.LOGGING: ("s3:GetBucketLogging", None, None),
    BucketTruth.NOTIFICATION: ("s3:GetBucketNotification", None, None),
    BucketTruth.ACCELERATE: ("s3:GetAccelerateConfiguration", None, None),
}


def _truth_rule(truth: BucketTruth, verb: Verb, action: str) -> Rule:
    def setting(request: Request) -> BucketSetting:
        acl = canned_acl(request.sent) if truth is BucketTruth.ACL else None
        return BucketSetting(request.bucket, truth, verb, action, acl)

    return Rule(verb.value, setting, frozenset((truth.value,)))


def _truth_rules() -> Iterator[Rule]:
    for truth, actions in _ACTIONS.items():
        for verb, action in zip(Verb, actions, strict=True):
            if action is not None:
                yield _truth_rule(truth, verb, action)


TRUTHS = tuple(_truth_rules())
