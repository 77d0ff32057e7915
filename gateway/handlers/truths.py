"""Sub-resources of buckets and objects: what is true by nature, and the tags that clients keep."""

from typing import assert_never

from gateway.errors import Unsupported
from gateway.handlers.bodies import read_document
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.owners import owner_of
from gateway.handlers.permission import absence_hidden
from gateway.handlers.reads import check_version_id
from gateway.handlers.service import Service
from gateway.mounts import Mount
from gateway.s3 import tagging, truths
from gateway.s3.operations import BucketSetting, BucketTruth, ObjectAcl, ObjectLock, ObjectTagging, Verb
from gateway.s3.stored import object_lock_missing


async def bucket_setting(service: Service, call: Call, mount: Mount, operation: BucketSetting) -> Answer:
    """Answers GET; lets a PUT pass that changes nothing; keeps the bucket's tags."""
    match operation.verb:
        case Verb.GET:
            facts = truths.BucketFacts(
                service.region, owner_of(mount.owner), public=service.access.is_public(mount.bucket), tags=mount.tags
            )
            return _document(truths.bucket_document(operation.truth, facts))
        case Verb.PUT:
            await _put(service, call, mount, operation)
            return Answer(204 if operation.truth is BucketTruth.TAGGING else 200)
        case Verb.DELETE:
            if operation.truth is BucketTruth.TAGGING:
                await service.mounts.set_tags(mount.bucket, ())
            # Nothing else was ever set, so there is nothing to delete.
            return Answer(204)
        case _:
            assert_never(operation.verb)


async def object_acl(service: Service, call: Call, mount: Mount, operation: ObjectAcl) -> Answer:
    """The one ACL there is: all to the owner."""
    check_version_id(operation.version_id)
    with absence_hidden(service, call, mount.bucket):
        await mount.backend.stat(operation.key)
    owner = owner_of(mount.owner)
    if operation.verb is Verb.GET:
        return _document(truths.acl_document(owner))
    body, _ = await read_document(service, call)
    truths.check_acl(operation.canned_acl, body, owner)
    return Answer(200)


async def object_lock(service: Service, call: Call, mount: Mount, operation: ObjectLock) -> Answer:
    """No bucket has object lock."""
    with absence_hidden(service, call, mount.bucket):
        await mount.backend.stat(operation.key)
    raise object_lock_missing()


async def object_tagging(service: Service, call: Call, mount: Mount, operation: ObjectTagging) -> Answer:
    """Reads, replaces or deletes an object's tags, where the store keeps them."""
    backend = mount.backend
    check_version_id(operation.version_id)
    if operation.verb is not Verb.GET and not backend.capabilities.tags:
        raise Unsupported("The store behind this bucket keeps no tags.", Parameter="tagging")
    with absence_hidden(service, call, mount.bucket):
        match operation.verb:
            case Verb.GET:
                if backend.capabilities.tags:
                    return _document(tagging.document(await backend.tags(operation.key)))
                await backend.stat(operation.key)
                return _document(tagging.document(()))
            case Verb.PUT:
                body, _ = await read_document(service, call)
                tags = tagging.read_document(body, count_max=tagging.OBJECT_TAGS_MAX)
                await backend.set_tags(operation.key, tags)
                return Answer(200)
            case Verb.DELETE:
                await backend.set_tags(operation.key, ())
                return Answer(204)
            case _:
                assert_never(operation.verb)


async def _put(service: Service, call: Call, mount: Mount, operation: BucketSetting) -> None:
    body, _ = await read_document(service, call)
    if operation.truth is BucketTruth.TAGGING:
        tags = tagging.read_document(body, count_max=tagging.BUCKET_TAGS_MAX)
        await service.mounts.set_tags(mount.bucket, tags)
    elif operation.truth is BucketTruth.ACL:
        truths.check_acl(operation.canned_acl, body, owner_of(mount.owner))
    else:
        truths.check_unchanged(operation.truth, body)


def _document(body: bytes) -> Answer:
    return Answer(200, [XML_TYPE], body)
