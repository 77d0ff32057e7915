"""From an operation to its answer: the checks that all share, in their order, then the one handler."""

from typing import assert_never

from gateway.access.policies import may_allow_within
from gateway.errors import AccessRefused, BucketMissing, GatewayError, ObjectMissing, UploadMissing, VersionMissing
from gateway.handlers import buckets, completions, copies, forms, lists, reads, truths, uploads, writes
from gateway.handlers.call import Answer, Call
from gateway.handlers.permission import LIST_ACTION, Wish, check_writable, facts_of, require, served_mount
from gateway.handlers.service import Service
from gateway.mounts import Mount
from gateway.s3 import operations as op
from gateway.s3.names import check_key

BucketOperation = (
    op.HeadBucket | op.DeleteBucket | op.ListObjects | op.ListMultipartUploads | op.DeleteObjects | op.BucketSetting
)
ObjectOperation = (
    op.GetObject
    | op.HeadObject
    | op.PutObject
    | op.CopyObject
    | op.DeleteObject
    | op.ObjectAcl
    | op.ObjectTagging
    | op.ObjectLock
    | op.CreateMultipartUpload
    | op.UploadPart
    | op.UploadPartCopy
    | op.CompleteMultipartUpload
    | op.AbortMultipartUpload
    | op.ListParts
)
WRITES = (
    op.DeleteObjects,
    op.PutObject,
    op.CopyObject,
    op.DeleteObject,
    op.CreateMultipartUpload,
    op.UploadPart,
    op.UploadPartCopy,
    op.CompleteMultipartUpload,
    op.AbortMultipartUpload,
)
"""What a read-only bucket refuses; beside these, all that changes tags."""


async def handle(service: Service, call: Call, operation: op.Operation) -> Answer:
    """The answer to an authenticated request; raises GatewayError for an expected failure.

    Checked in this order: access, bucket, key, read-only; then by the handler: object and conditions,
    body, commit. Nothing is changed before all of it holds.
    """
    try:
        return await _answer(service, call, operation)
    except GatewayError as error:
        _locate(error, operation)
        raise


async def _answer(service: Service, call: Call, operation: op.Operation) -> Answer:
    if isinstance(operation, op.PostObject):
        # Who asks, and for which key, stands in the form.
        return await forms.post_object(service, call, operation)
    if isinstance(operation, op.ListBuckets):
        require(service, call, Wish(operation.action))
        return await buckets.list_all(service, call, operation)
    if isinstance(operation, op.CreateBucket):
        require(service, call, Wish(operation.action, operation.bucket, facts=facts_of(call, operation)))
        return await buckets.create(service, call, operation)
    if isinstance(operation, BucketOperation):
        return await _answer_of_bucket(service, call, _entered_bucket(service, call, operation), operation)
    return await _answer_of_object(service, call, _entered_object(service, call, operation), operation)


def _entered_bucket(service: Service, call: Call, operation: BucketOperation) -> Mount:
    if not isinstance(operation, op.DeleteObjects):
        require(service, call, Wish(operation.action, operation.bucket, facts=facts_of(call, operation)))
    elif service.mounts.find(operation.bucket) is None:
        # Each key is judged on its own; of a bucket that is missing only who could list it may know.
        require(service, call, Wish(LIST_ACTION, operation.bucket))
    elif call.caller.user is None and not may_allow_within(call.caller.policies, operation.action, operation.bucket):
        # The keys come in a body that takes memory, which no stranger is lent for nothing.
        raise AccessRefused
    mount = served_mount(service, call, operation.bucket)
    if isinstance(operation, WRITES):
        check_writable(mount)
    return mount


def _entered_object(service: Service, call: Call, operation: ObjectOperation) -> Mount:
    require(service, call, Wish(operation.action, operation.bucket, operation.key, facts_of(call, operation)))
    mount = served_mount(service, call, operation.bucket)
    check_key(operation.key)
    if isinstance(operation, WRITES) or (isinstance(operation, op.ObjectTagging) and operation.verb is not op.Verb.GET):
        check_writable(mount)
    return mount


async def _answer_of_bucket(service: Service, call: Call, mount: Mount, operation: BucketOperation) -> Answer:
    match operation:
        case op.HeadBucket():
            return await buckets.head(service)
        case op.DeleteBucket():
            return await buckets.delete(service, mount)
        case op.ListObjects():
            return await lists.list_objects(service, mount, operation)
        case op.ListMultipartUploads():
            return await lists.list_uploads(service, mount, operation)
        case op.DeleteObjects():
            return await writes.delete_objects(service, call, mount)
        case op.BucketSetting():
            return await truths.bucket_setting(service, call, mount, operation)
        case _:
            assert_never(operation)


async def _answer_of_object(service: Service, call: Call, mount: Mount, operation: ObjectOperation) -> Answer:
    match operation:
        case op.GetObject():
            return await reads.get_object(service, call, mount, operation)
        case op.HeadObject():
            return await reads.head_object(service, call, mount, operation)
        case op.PutObject():
            return await writes.put_object(service, call, mount, operation)
        case op.CopyObject():
            return await copies.copy_object(service, call, mount, operation)
        case op.DeleteObject():
            return await writes.delete_object(service, call, mount, operation)
        case op.ObjectAcl():
            return await truths.object_acl(service, call, mount, operation)
        case op.ObjectTagging():
            return await truths.object_tagging(service, call, mount, operation)
        case op.ObjectLock():
            return await truths.object_lock(service, call, mount, operation)
        case op.CreateMultipartUpload():
            return await uploads.create(service, mount, operation)
        case op.UploadPart():
            return await uploads.upload_part(service, call, mount, operation)
        case op.UploadPartCopy():
            return await uploads.upload_part_copy(service, call, mount, operation)
        case op.CompleteMultipartUpload():
            return await completions.complete(service, call, mount, operation)
        case op.AbortMultipartUpload():
            return await uploads.abort(service, mount, operation)
        case op.ListParts():
            return await uploads.list_parts(service, mount, operation)
        case _:
            assert_never(operation)


def _locate(error: GatewayError, operation: op.Operation) -> None:
    """Adds to the error's details what the request named, where S3's documents have it."""
    details = error.details
    if isinstance(error, ObjectMissing | VersionMissing) and isinstance(operation, ObjectOperation):
        details.setdefault("Key", operation.key.decode("utf-8", "replace"))
    if isinstance(error, BucketMissing) and not isinstance(operation, op.ListBuckets):
        details.setdefault("BucketName", operation.bucket)
    if isinstance(error, UploadMissing) and isinstance(
        operation,
        op.UploadPart | op.UploadPartCopy | op.CompleteMultipartUpload | op.AbortMultipartUpload | op.ListParts,
    ):
        details.setdefault("UploadId", operation.upload_id)
