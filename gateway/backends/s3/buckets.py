"""Real buckets at an S3 store: made and removed for those that clients make here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.backends.base import ListQuery
from gateway.backends.s3 import documents
from gateway.backends.s3.listings import Listings
from gateway.backends.s3.wire import Ask, Wire
from gateway.clock import SystemClock
from gateway.config.places import S3Options
from gateway.errors import AccessRefused, BackendBroken, BucketTaken, Conflict, ObjectMissing, RootMissing

_REGION_UNNAMED = "us-east-1"
"""Its buckets are made without a word about the region ("Amazon S3 API Reference", CreateBucket)."""


async def make_bucket(uri: str, options: S3Options) -> None:
    """Makes the bucket in `uri`. An empty one of the same owner may be what a crash left behind, and is taken.

    Raises `BucketTaken` where any other bucket has the name.
    """
    async with _wire(uri, options) as wire:
        path = wire.place.list_path
        try:
            await wire.fetch(Ask("HEAD", path))
        except (ObjectMissing, RootMissing):
            named = options.region != _REGION_UNNAMED
            body = documents.new_bucket(options.region) if named else b""
            try:
                await wire.fetch(Ask("PUT", path, body=body))
            except Conflict as error:
                raise BucketTaken from error
            return
        except (AccessRefused, BackendBroken) as error:
            raise BucketTaken from error
        page = await Listings(wire).page(ListQuery(limit=1))
        if page.entries or page.prefixes:
            raise BucketTaken


async def remove_bucket(uri: str, options: S3Options) -> None:
    """Removes the bucket in `uri`; `BucketNotEmpty` if something is in it."""
    async with _wire(uri, options) as wire:
        try:
            await wire.fetch(Ask("DELETE", wire.place.list_path))
        except (ObjectMissing, RootMissing):
            return


@asynccontextmanager
async def _wire(uri: str, options: S3Options) -> AsyncIterator[Wire]:
    wire = Wire(uri, options, SystemClock())
    try:
        yield wire
    finally:
        await wire.close()
