"""Starts a disk of the store after any end, and stops it."""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.clock import Clock
from gateway.kv import Kv, KvCorrupt, KvFailed, KvFull
from gateway.store import entries, hits, recovery, sealing
from gateway.store import site as sites
from gateway.store.absent import AbsentKv
from gateway.store.disk import Files
from gateway.store.entries import SegmentEntry, State
from gateway.store.extras import EntryDamaged
from gateway.store.health import FULL
from gateway.store.identity import Home, Super, fresh_uuid
from gateway.store.index import Index
from gateway.store.shard import Shard
from gateway.store.site import Geometry, Site
from gateway.store.table import Segment
from gateway.tasks import end

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Means:
    """What a store is built from; tests hand in other files and maps."""

    files: Files
    open_kv: Callable[[Path], Kv]
    clock: Clock
    geometry: Geometry
    min_free_percent: int
    pin_max_percent: int
    scrub_bytes_per_s: int
    read_threads: int


def shard_at(number: int, home: Home, own: Super, means: Means) -> Shard:
    """The shard of a disk with its index open; an empty one under a new name if the index is lost.

    Raises `OSError`, `KvFailed`: the disk takes no files. Blocks.
    """
    site = _site(home, own, means)
    try:
        index = _index_with_room(site, means, site.segments)
    except KvFull:
        raise
    except (KvFailed, EntryDamaged) as error:
        log.error("the index of a disk is lost: it starts empty", extra={"path": home.path, "error": str(error)})
        lost = site.segments
        site = _site(home, replace(own, shard=fresh_uuid()), means)
        index = _index_with_room(site, means, lost)
    return Shard(number, site, index, means.read_threads)


def absent(left: Shard, means: Means) -> Shard:
    """What stands in for a shard whose disk is given up: finds nothing, keeps nothing, does nothing."""
    kv = AbsentKv(stalls=False)
    shard = Shard(left.number, left.site, Index(kv, means.clock, lambda: kv), means.read_threads)
    shard.health.given_up.set()
    return shard


def _site(home: Home, own: Super, means: Means) -> Site:
    return Site(
        home.directory_of(own.shard),
        own.shard,
        means.files,
        means.clock,
        means.geometry,
        own.segment_size,
        means.min_free_percent,
        means.pin_max_percent,
        means.scrub_bytes_per_s,
    )


def _index_with_room(site: Site, means: Means, segments: Path) -> Index:
    """Where the disk is full, those `segments` make room, oldest first: what was in them is no longer found."""
    while True:
        try:
            return _index(site, means)
        except (KvFull, OSError) as error:
            if isinstance(error, OSError) and (error.errno not in FULL or not segments.is_dir()):
                raise
            names = sorted(name for name in site.files.names(segments) if sites.segment_of(name) is not None)
            if not names:
                raise
            log.warning("a segment is given up for the index", extra={"path": segments, "error": str(error)})
            site.files.unlink(segments / names[0])


def _index(site: Site, means: Means) -> Index:
    site.files.make_directory(site.segments)
    kv = means.open_kv(site.index)
    try:
        schema = kv.get(entries.SCHEMA_KEY)
        if schema is None and not site.files.names(site.segments):
            kv.write([(entries.SCHEMA_KEY, entries.SCHEMA)])
        elif schema != entries.SCHEMA:
            raise KvCorrupt("no schema" if schema is None else "another schema")
        return Index(kv, site.clock, functools.partial(means.open_kv, site.index))
    except (KvFailed, EntryDamaged, OSError):
        kv.close()
        raise


async def recover(shard: Shard, share_bytes: int, *, trusts_all: bool) -> None:
    """Makes the segments of a disk what they must be after any end, and its use fit its share.

    Unless it `trusts_all` that was written, what may not have reached the medium is verified later.
    Raises `OSError`, `KvFailed`, `EntryDamaged`.
    """
    await shard.ground.tending.call(_find, shard, trusts_all=trusts_all)
    await shard.upkeep.measure(share_bytes)
    await shard.upkeep.make_room()


def _find(shard: Shard, *, trusts_all: bool) -> None:
    site, index = shard.site, shard.index
    known = index.segments()
    names = {number: name for name in site.files.names(site.segments) if (number := sites.segment_of(name)) is not None}
    plan = recovery.plan(known, names, index.reserved_id())
    for number in plan.orphans:
        site.files.unlink(site.path_of(number))
    sealed = {number: entry for number in plan.seal if (entry := _sealed(site, number, known[number])) is not None}
    gone = [*plan.lost, *(number for number in plan.seal if number not in sealed)]
    entries_of = {**known, **sealed}
    # What an eviction left of a segment is found as before.
    entries_of |= {number: replace(known[number], state=State.SEALED) for number in plan.evict}
    if not trusts_all:
        entries_of |= {
            number: replace(entry, suspect=True) for number, entry in entries_of.items() if _is_unsynced(entry)
        }
    changed = [number for number in sorted({*plan.keep, *plan.evict, *sealed}) if entries_of[number] != known[number]]
    index.write(
        [
            *((entries.segment_key(number), entries.pack_segment(entries_of[number])) for number in changed),
            *((entries.segment_key(number), None) for number in gone),
        ]
    )
    counted = {row.segment: row for row in hits.parse(_hits(site), site.uuid)}
    for number in sorted({*plan.keep, *plan.evict, *sealed}):
        segment = Segment(number, site.path_of(number), entries_of[number])
        if number in counted:
            hits.apply(counted[number], segment)
        shard.table.add(segment)
        if segment.entry.state is State.SEALED:
            shard.upkeep.found(segment)
    shard.making.next_id = shard.making.reserved_id = plan.next_id
    shard.making.last_position = max((entry.log_position for entry in entries_of.values()), default=0)
    shard.writer.last_seq = max((entry.sums.last_seq for entry in entries_of.values()), default=0)
    shard.pins.load()
    if not shard.table.pinned_bytes:
        for segment in shard.table.all():
            segment.pinned_bytes = 0


def _is_unsynced(entry: SegmentEntry) -> bool:
    return entry.state is not State.SYNCED


def _hits(site: Site) -> bytes | None:
    try:
        return site.files.load(site.hits)
    except OSError:
        return None  # how often blocks were read is worth no start that fails


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
    tasks = [loop.create_task(part.run()) for part in (shard.writer, shard.upkeep, shard.scrub)]
    try:
        yield
    finally:
        try:
            await shard.stop()
        finally:
            await end(*tasks)
