"""Every operation, parameter and header that botocore knows is either acted on or has a place in a table."""

import pytest

from gateway.errors import AclUnsupported, ArgumentInvalid, GatewayError, RequestInvalid, Unsupported
from gateway.model import Bucket, Key
from gateway.s3.choice import REFUSED, choose
from gateway.s3.head import Head
from gateway.s3.operations import BucketSetting, ListObjects, ListStyle, ObjectAcl, ObjectLock, ObjectTagging, Operation
from gateway.s3.rules import Level
from gateway.s3.target import resolve
from tests.s3.wire import sdk
from tests.s3.wire.heads import DOMAIN

NOT_YET = {"GetObjectAttributes", "ListObjectVersions"}
# Sent to a host of its own; a gateway of buckets never meets it.
OF_OTHER_HOSTS = {"WriteGetObjectResponse"}
# The same request, which AWS answers by the host.
SAME_REQUEST = {"ListDirectoryBuckets": "ListBuckets"}
# PUT and DELETE of what AWS can switch on and this gateway cannot.
SWITCHES = {
    "PutBucketAccelerateConfiguration",
    "PutBucketCors",
    "PutBucketEncryption",
    "PutBucketLifecycle",
    "PutBucketLifecycleConfiguration",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketNotificationConfiguration",
    "PutBucketPolicy",
    "PutBucketReplication",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutObjectLockConfiguration",
    "PutPublicAccessBlock",
    "DeleteBucketOwnershipControls",
}
SETTINGS = (BucketSetting, ObjectAcl, ObjectTagging, ObjectLock)

# Headers that mean something to others than the choice of the operation.
OF_THE_BODY = {
    "content-length",
    "content-md5",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-sha512",
    "x-amz-checksum-md5",
    "x-amz-checksum-xxhash64",
    "x-amz-checksum-xxhash3",
    "x-amz-checksum-xxhash128",
}
OF_ACCESS = {"x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"}
# Listed in the tables as ignored: no answer of ours depends on them.
IGNORED = {
    "x-amz-request-payer",
    "x-amz-mfa",
    "x-amz-bypass-governance-retention",
    "x-amz-optional-object-attributes",
    "x-amz-object-annotation-directive",
}
# Checked to be a canned ACL, but kept by PUT ?acl alone: rights come from policies.
CHECKED = {"x-amz-acl"}
NOT_OF_THE_CHOICE = OF_THE_BODY | OF_ACCESS | IGNORED | CHECKED


OPERATIONS = [name for name in sdk.operation_names() if name not in OF_OTHER_HOSTS]


def decide(head: Head) -> Operation | GatewayError:
    try:
        return choose(head, resolve(head, DOMAIN))
    except GatewayError as error:
        return error


def expected_refusal(name: str) -> bool:
    path, _, query = sdk.operation(name).http["requestUri"].partition("?")
    level = Level.OBJECT if "{Key+}" in path else Level.BUCKET
    named = {piece.partition("=")[0] for piece in query.split("&")}
    return bool(named & REFUSED[level]) or name in SWITCHES


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_of_the_sdk_is_recognised_or_refused_by_name(name: str) -> None:
    outcome = decide(sdk.recorder().head(name, sdk.minimal(name)))
    if expected_refusal(name) or name in NOT_YET:
        assert isinstance(outcome, Unsupported), outcome
        assert outcome.details["Parameter"] in str(outcome)
        return
    assert not isinstance(outcome, GatewayError), outcome
    if isinstance(outcome, SETTINGS):
        assert name.lower().startswith(outcome.verb.value.lower())
        return
    actual = type(outcome).__name__
    if isinstance(outcome, ListObjects):
        actual = "ListObjects" if outcome.style is ListStyle.V1 else "ListObjectsV2"
    assert actual == SAME_REQUEST.get(name, name)


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_bucket_and_key_are_those_of_the_call_in_both_styles(style: str) -> None:
    head = sdk.Recorder(style).head("GetObject", {"Bucket": sdk.BUCKET, "Key": sdk.OBJECT_KEY})
    target = resolve(head, DOMAIN)
    assert (target.bucket, target.key) == (Bucket(sdk.BUCKET), Key(sdk.OBJECT_KEY.encode()))


@pytest.mark.parametrize("name", [name for name in OPERATIONS if not expected_refusal(name)])
def test_no_optional_parameter_or_header_of_the_sdk_is_dropped_unknown(name: str) -> None:
    plain = sdk.recorder().head(name, sdk.minimal(name))
    without = decide(plain)
    for member in sdk.optional_members(name):
        if member.wire_name.lower() in NOT_OF_THE_CHOICE or sdk.says(plain, member):
            continue
        outcome = decide(sdk.recorder().head(name, sdk.minimal(name) | {member.name: member.value()}))
        if isinstance(outcome, GatewayError):
            assert isinstance(outcome, Unsupported | AclUnsupported | RequestInvalid | ArgumentInvalid), outcome
        else:
            assert outcome != without, f"{name} drops {member.wire_name}"
