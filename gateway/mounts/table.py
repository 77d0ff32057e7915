"""The table of mounts: from a bucket's name to the backend its objects lie in."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from gateway.backends.base import Backend, ListQuery, UploadQuery
from gateway.clock import Clock
from gateway.config import Config, MountConfig, PlaceConfig
from gateway.errors import (
    AccessRefused,
    BucketMissing,
    BucketNotEmpty,
    BucketOwnedAlready,
    BucketTaken,
    ConfigInvalid,
    GatewayError,
    UploadMissing,
)
from gateway.model import Bucket, Tags
from gateway.mounts import places, rows
from gateway.mounts.mount import NEW_BUCKETS, CachePolicy, Mount, Origin
from gateway.mounts.rows import BucketRow
from gateway.settings import Settings
from gateway.store.values import Admission, Terms

FILE_OWNER = "forebay"
"""The user that buckets of the configuration file belong to."""

Opening = Callable[[PlaceConfig, str], Backend]
"""Opens a place for the mount that metrics call so; called in a thread."""

log = logging.getLogger(__name__)


class Mounts:
    """All buckets of this node. Changes are made one at a time and are in the settings before they are answered."""

    def __init__(self, config: Config, settings: Settings, clock: Clock, opening: Opening) -> None:
        self._declared = config.mount
        self._new_buckets = config.new_buckets
        self._home = config.node.data_dir
        self._settings = settings
        self._clock = clock
        self._opening = opening
        self._changing = asyncio.Lock()
        self._mounts: dict[Bucket, Mount] = {}

    async def open(self) -> None:
        """Opens every backend. Raises ConfigInvalid naming each that cannot be opened."""
        problems: list[str] = []
        for declared in self._declared:
            try:
                await self._open_declared(declared)
            except GatewayError as error:
                problems.append(f"mount {declared.bucket}: {declared.uri}: {error}")
        if problems:
            await self.close()
            raise ConfigInvalid(problems)
        for name, value in self._settings.rows(rows.MADE).items():
            await self._open_made(Bucket(name), rows.row_of(value, self._home))

    async def close(self) -> None:
        """Closes every backend."""
        while self._mounts:
            _, mount = self._mounts.popitem()
            await mount.backend.close()

    def find(self, bucket: Bucket) -> Mount | None:
        return self._mounts.get(bucket)

    def get(self, bucket: Bucket) -> Mount:
        """Raises BucketMissing."""
        mount = self._mounts.get(bucket)
        if mount is None:
            raise BucketMissing(BucketName=bucket)
        return mount

    def all(self) -> Sequence[Mount]:
        """Every mount, by bucket name."""
        return [self._mounts[bucket] for bucket in sorted(self._mounts)]

    async def create(self, bucket: Bucket, user: str) -> Mount:
        """Makes a bucket that belongs to `user`.

        Raises AccessRefused where no place for new buckets is configured, BucketOwnedAlready and
        BucketTaken where the name is in use.
        """
        if self._new_buckets is None:
            raise AccessRefused("Buckets cannot be made here.")
        async with self._changing:
            there = self._mounts.get(bucket)
            if there is not None:
                owned = there.origin is Origin.MADE and there.owner == user
                raise BucketOwnedAlready(BucketName=bucket) if owned else BucketTaken(BucketName=bucket)
            place = places.place_for(self._new_buckets, bucket)
            row = BucketRow(user, int(self._clock.now_s()), place)
            await places.create(place)
            mount = await self._mount_made(bucket, row, place)
            try:
                await self._settings.put(rows.MADE, bucket, row.to_value(self._home))
            except BaseException:
                await mount.backend.close()
                raise
            self._mounts[bucket] = mount
            return mount

    async def delete(self, bucket: Bucket, forget: Callable[[Mount], Awaitable[None]]) -> None:
        """Deletes an empty bucket; its open uploads are aborted.

        `forget` drops what else is known of it, after nobody finds it any more and before its name is free.
        Raises BucketNotEmpty, and AccessRefused for a bucket of the configuration file.
        """
        async with self._changing:
            mount = self.get(bucket)
            if mount.origin is Origin.FILE:
                raise AccessRefused("This bucket is part of the gateway's configuration.", BucketName=bucket)
            # New requests find no bucket while it is being emptied, so that nothing comes in behind our back.
            del self._mounts[bucket]
            try:
                await _require_empty(mount)
                await _abort_uploads(mount)
                await places.remove(mount.place)
                await forget(mount)
                await self._settings.remove(rows.MADE, bucket)
            except BaseException:
                self._mounts[bucket] = mount
                raise
            await mount.backend.close()

    async def set_tags(self, bucket: Bucket, tags: Tags) -> None:
        """Replaces the tags of a bucket."""
        async with self._changing:
            mount = self.get(bucket)
            made = mount.origin is Origin.MADE
            row = BucketRow(mount.owner, mount.created_s, mount.place if made else None, tags)
            await self._settings.put(rows.MADE if made else rows.DECLARED, bucket, row.to_value(self._home))
            self._mounts[bucket] = replace(mount, tags=tags)

    async def _open_declared(self, declared: MountConfig) -> None:
        bucket = Bucket(declared.bucket)
        await places.make(declared)
        kept = self._settings.get(rows.DECLARED, bucket)
        if kept is None:
            # The first start that sees a mount is its creation date for ever after.
            row = BucketRow(FILE_OWNER, int(self._clock.now_s()))
            await self._settings.put(rows.DECLARED, bucket, row.to_value(self._home))
        else:
            row = rows.row_of(kept, self._home)
        self._mounts[bucket] = Mount(
            bucket=bucket,
            place=declared,
            backend=await self._opened(declared, bucket),
            owner=FILE_OWNER,
            created_s=row.created_s,
            writable=declared.writes == "through",
            origin=Origin.FILE,
            tags=row.tags,
            policy=_policy(declared),
        )

    async def _open_made(self, bucket: Bucket, row: BucketRow) -> None:
        if bucket in self._mounts:
            log.warning("a bucket of the configuration file hides one that a client made", extra={"bucket": bucket})
            return
        assert row.place is not None
        try:
            await places.require_parent(row.place)
            place = places.reachable(row.place, self._new_buckets)
            self._mounts[bucket] = await self._mount_made(bucket, row, place)
        except GatewayError as error:
            # The other buckets are as good as ever; this one is missing until its place is back.
            log.error("cannot open bucket", extra={"bucket": bucket, "uri": row.place.uri, "error": str(error)})

    async def _mount_made(self, bucket: Bucket, row: BucketRow, place: PlaceConfig) -> Mount:
        await places.make(place)
        return Mount(
            bucket=bucket,
            place=place,
            backend=await self._opened(place, NEW_BUCKETS),
            owner=row.owner,
            created_s=row.created_s,
            writable=True,
            origin=Origin.MADE,
            tags=row.tags,
        )

    async def _opened(self, place: PlaceConfig, name: str) -> Backend:
        return await asyncio.to_thread(self._opening, place, name)


def _policy(declared: MountConfig) -> CachePolicy:
    return CachePolicy(
        is_cached=declared.admission != "bypass",
        freshness_s=float(declared.freshness),
        stale_if_error_s=float(declared.stale_if_error),
        keeps_writes=declared.cache_writes,
        reads_ahead=declared.readahead == "auto",
        terms=_terms(declared),
    )


def _terms(declared: MountConfig) -> Terms:
    admission = Admission.AUTO if declared.admission == "bypass" else Admission(declared.admission)
    return Terms(admission, life_s=int(declared.ttl or 0))


async def _require_empty(mount: Mount) -> None:
    page = await mount.backend.list(ListQuery(limit=1))
    if page.entries or page.prefixes:
        raise BucketNotEmpty(BucketName=mount.bucket)


async def _abort_uploads(mount: Mount) -> None:
    while True:
        page = await mount.backend.list_uploads(UploadQuery())
        for upload in page.uploads:
            try:
                await mount.backend.abort_upload(upload)
            except UploadMissing:
                # Somebody else has ended it; it is gone all the same.
                continue
        if not page.truncated:
            return
