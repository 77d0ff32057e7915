"""ListBuckets, CreateBucket, HeadBucket and DeleteBucket."""

from gateway.errors import AccessRefused, BucketOwnedAlready
from gateway.handlers.bodies import read_document
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.owners import owner_of
from gateway.handlers.permission import LIST_ACTION, Wish, may
from gateway.handlers.service import Service
from gateway.mounts import Mount
from gateway.s3.documents import (
    BucketPage,
    BucketRow,
    check_location,
    list_buckets,
    open_bucket_token,
    seal_bucket_token,
)
from gateway.s3.names import check_bucket
from gateway.s3.operations import CreateBucket, ListBuckets
from gateway.s3.truths import REGION_UNNAMED


async def list_all(service: Service, call: Call, operation: ListBuckets) -> Answer:
    """The buckets that the caller owns or may list, by name."""
    if call.caller.user is None:
        raise AccessRefused
    after = open_bucket_token(operation, service.token_sealer)
    mounts = [] if operation.region not in (None, service.region) else service.mounts.all()
    rows = [
        BucketRow(mount.bucket, mount.created_s)
        for mount in mounts
        if mount.bucket.startswith(operation.prefix) and mount.bucket > after and _is_shown(service, call, mount)
    ]
    token = None
    if len(rows) > operation.buckets_max:
        rows = rows[: operation.buckets_max]
        token = seal_bucket_token(service.token_sealer, rows[-1].name)
    body = list_buckets(operation, BucketPage(rows, token), owner_of(call.caller.user), service.region)
    return Answer(200, [XML_TYPE], body)


async def create(service: Service, call: Call, operation: CreateBucket) -> Answer:
    """Makes a bucket that belongs to the caller; made again by its owner, it depends on the region ("CreateBucket")."""
    check_bucket(operation.bucket)
    if call.caller.user is None:
        raise AccessRefused("Buckets belong to users, so an unsigned request cannot make one.")
    body, _ = await read_document(service, call)
    check_location(body)
    try:
        await service.mounts.create(operation.bucket, call.caller.user)
    except BucketOwnedAlready:
        if service.region != REGION_UNNAMED:
            raise
    return Answer(200, [("location", f"/{operation.bucket}")])


async def head(service: Service) -> Answer:
    """Says that the bucket is there. That it may be seen is decided before."""
    return Answer(200, [("x-amz-bucket-region", service.region), XML_TYPE], size=0)


async def delete(service: Service, mount: Mount) -> Answer:
    """Deletes the bucket if it is empty."""
    await service.mounts.delete(mount.bucket, service.cache.forget_bucket)
    return Answer(204)


def _is_shown(service: Service, call: Call, mount: Mount) -> bool:
    return call.caller.owns(mount.owner) or may(service, call, Wish(LIST_ACTION, mount.bucket))
