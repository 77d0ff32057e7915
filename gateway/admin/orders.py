"""Orders of people to the cache: to forget, to ask again, to hold on."""

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from gateway.admin.gate import WRITE, requires
from gateway.admin.service import AdminService
from gateway.admin.uris import object_of, prefix_of, text_of
from gateway.cache.pins import Pinned

PIN_MAX_S = 3650 * 86_400

log = logging.getLogger(__name__)


class Covered(BaseModel):
    """What an order is about: all keys of the bucket that begin with `prefix`."""

    uri: str
    bucket: str
    prefix: str


class PinAnswer(BaseModel):
    """Of the `blocks` of the object, how many are here and did as told.

    `blocks` is 0 if nothing is known of it. `until_s` is unix time, 0 for good; null if they are not pinned any more.
    """

    uri: str
    blocks: int
    done: int
    until_s: int | None


def routes(service: AdminService) -> APIRouter:
    """Operations that change what is kept; each is logged with who gave the order."""
    router = APIRouter(prefix="/api/v1", tags=["objects"])
    may_write = requires(service, WRITE)

    @router.post("/evict")
    async def evict(uri: str, by: Annotated[str, Depends(may_write)]) -> Covered:
        """Forgets all that is kept of `s3://bucket/prefix`: the next reads take it from the backend."""
        bucket, prefix = prefix_of(uri)
        await service.cache.evict(service.mounts.get(bucket), prefix)
        log.info("evicted", extra={"by": by, "bucket": bucket, "prefix": text_of(prefix)})
        return Covered(uri=uri, bucket=bucket, prefix=text_of(prefix))

    @router.post("/invalidate")
    async def invalidate(uri: str, by: Annotated[str, Depends(may_write)]) -> Covered:
        """Has the backend asked whether what is kept of `s3://bucket/prefix` has changed, before it is used again."""
        bucket, prefix = prefix_of(uri)
        await service.cache.invalidate(service.mounts.get(bucket), prefix)
        log.info("invalidated", extra={"by": by, "bucket": bucket, "prefix": text_of(prefix)})
        return Covered(uri=uri, bucket=bucket, prefix=text_of(prefix))

    @router.post("/pin")
    async def pin(
        uri: str,
        by: Annotated[str, Depends(may_write)],
        life_s: Annotated[int, Query(ge=0, le=PIN_MAX_S)] = 0,
    ) -> PinAnswer:
        """Holds on to what is here of the object `s3://bucket/key`, for `life_s` seconds or (0) for good.

        409 if more than `pin_max` of a disk would be pinned: then nothing is.
        """
        bucket, key = object_of(uri)
        until_s = int(service.clock.now_s()) + life_s if life_s else 0
        found = await service.cache.pin(service.mounts.get(bucket), key, until_s)
        log.info("pinned", extra={"by": by, "bucket": bucket, "key": text_of(key), "blocks": found.done})
        return _answer(uri, found, until_s)

    @router.post("/unpin")
    async def unpin(uri: str, by: Annotated[str, Depends(may_write)]) -> PinAnswer:
        """Lets go of the object `s3://bucket/key`: it stays as long as any other."""
        bucket, key = object_of(uri)
        found = await service.cache.unpin(service.mounts.get(bucket), key)
        log.info("unpinned", extra={"by": by, "bucket": bucket, "key": text_of(key), "blocks": found.done})
        return _answer(uri, found, None)

    return router


def _answer(uri: str, found: Pinned, until_s: int | None) -> PinAnswer:
    return PinAnswer(uri=uri, blocks=found.blocks, done=found.done, until_s=until_s)
