"""Starts a disk of the store after any end, and stops it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.clock import Clock
from gateway.kv import Kv, KvCorrupt, KvFailed
from gateway.store import entries, recovery, sealing
from gateway.store import site as sites
from gateway.store.disk import Files
from gateway.store.entries import State
from gateway.store.extras import EntryDamaged
from gateway.store.identity import Home, Super, fresh_uuid
from gateway.store.index import Index
from gateway.store.shard import Shard
from gateway.store.site import Geometry, Site
from gateway.store.table import Segment

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What a store is built from; tests hand in other files and maps."""

    files: Files
    open_kv: Callable[[Path], Kv]
    clock: Clock
    geometry: Geometry
    min_free_percent: int
    readers: Executor


def shard_at(number: int, home: Home, own: Super, means: Means) -> Shard:
    """The shard of a disk with its index open; an empty one under a new name if the index is lost.

    Raises `OSError`, `KvFailed`: the disk takes no files. Blocks.
    """
    site = _site(home, own, means)
    try:
        index = _index(site, means)
    except (KvFailed, EntryDamaged) as error:
        log.error("the index of a disk is lost: it starts empty", extra={"path": home.path, "error": str(error)})
        site = _site(home, replace(own, shard=fresh_uuid()), means)
        index = _index(site, means)
    return Shard(number, site, index, means.readers)


def _site(home: Home, own: Super, means: Means) -> Site:
    return Site(
        home.directory_of(own.shard),
        own.shard,
        means.files,
        means.clock,
        means.geometry,
        own.segment_size,
        means.min_free_percent,
    )


def _index(site: Site, means: Means) -> Index:
    site.files.make_directory(site.segments)
    kv = means.open_kv(site.index)
    try:
        schema = kv.get(entries.SCHEMA_KEY)
        if schema is None and not site.files.names(site.segments):
            kv.write([(entries.SCHEMA_KEY, entries.SCHEMA)])
        elif schema != entries.SCHEMA:
            raise KvCorrupt("no schema" if schema is None else "another schema")
        return Index(kv, site.clock)
    except (KvFailed, EntryDamaged, OSError):
        kv.close()
        raise


async def recover(shard: Shard, share_bytes: int) -> None:
    """Makes the segments of a disk what they must be after any end, and its use fit its share.

    Raises `OSError`, `KvFailed`, `EntryDamaged`.
    """
    await asyncio.to_thread(_find, shard)
    await shard.upkeep.measure(share_bytes)
    for segment in shard.table.all():
        if segment.entry.state is State.EVICTING:
            await shard.eviction.evict(segment)
    await shard.upkeep.make_room()


def _find(shard: Shard) -> None:
    site, index = shard.site, shard.index
    known = index.segments()
    names = {number: name for name in site.files.names(site.segments) if (number := sites.segment_of(name)) is not None}
    plan = recovery.plan(known, names, index.reserved_id())
    for number in plan.orphans:
        site.files.unlink(site.path_of(number))
    sealed = {number: entry for number in plan.seal if (entry := _sealed(site, number, known[number])) is not None}
    gone = [*plan.lost, *(number for number in plan.seal if number not in sealed)]
    index.write(
        [
            *((entries.segment_key(number), entries.pack_segment(entry)) for number, entry in sealed.items()),
            *((entries.segment_key(number), None) for number in gone),
        ]
    )
    entries_of = {**known, **sealed}
    for number in sorted({*plan.keep, *plan.evict, *sealed}):
        segment = Segment(number, site.path_of(number), entries_of[number])
        shard.table.add(segment)
        if segment.entry.state is State.SEALED:
            shard.upkeep.found(segment)
    shard.making.next_id = shard.making.reserved_id = plan.next_id
    shard.writer.last_seq = max((entry.sums.last_seq for entry in entries_of.values()), default=0)


def _sealed(site: Site, number: int, entry: entries.SegmentEntry) -> entries.SegmentEntry | None:
    path = site.path_of(number)
    fd = site.files.open(path)
    try:
        sums = sealing.seal_found(site, number, fd)
    finally:
        site.files.close(fd)
    if sums is None:
        site.files.unlink(path)
        return None
    return replace(entry, state=State.SEALED, sums=sums)


@asynccontextmanager
async def running(shard: Shard) -> AsyncIterator[None]:
    """Lets the tasks of a shard run within, then stops it."""
    loop = asyncio.get_running_loop()
    # This block owns the tasks. A TaskGroup would wrap what is raised within into a group of its own.
    tasks = [loop.create_task(shard.writer.run()), loop.create_task(shard.upkeep.run())]
    try:
        yield
    finally:
        try:
            await shard.stop()
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with suppress(asyncio.CancelledError):
                    await task
