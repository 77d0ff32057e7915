"""Listings on their way through: each page confirms or drops what is known of up to 1,000 objects."""

import asyncio

from gateway.backends.base import Entry, ListPage, ListQuery
from gateway.cache.fence import BucketQuestion
from gateway.cache.infos import Infos
from gateway.cache.misses import MissReason
from gateway.clock import Clock
from gateway.model import Info, Key
from gateway.mounts import Mount
from gateway.store.store import BlockStore

SLICE = 64
"""Entries that are looked up in one stretch of the event loop."""


async def observed(store: BlockStore, infos: Infos, clock: Clock, mount: Mount, query: ListQuery) -> ListPage:
    """The backend's page. Infos that match it are as fresh as the page; those that differ are dropped, and absences."""
    question = infos.fence.ask_bucket(mount.bucket)
    try:
        asked_s = int(clock.now_s())
        page = await mount.backend.list(query)
        for at in range(0, len(page.entries), SLICE):
            await _observe(store, infos, mount, page.entries[at : at + SLICE], question, asked_s)
            await asyncio.sleep(0)
        return page
    finally:
        infos.fence.close(question)


async def _observe(
    store: BlockStore,
    infos: Infos,
    mount: Mount,
    entries: tuple[Entry, ...],
    question: BucketQuestion,
    asked_s: int,
) -> None:
    confirmed: list[Info] = []
    keys: list[Key] = []
    changed: list[Key] = []
    for entry in entries:
        infos.absences.drop(mount.bucket, entry.key)
        known = store.known(mount.bucket, entry.key)
        if known is None or question.spoiled(entry.key):
            continue
        # A rewrite of the headers alone keeps the version and shows in the time.
        if (known.info.version, known.info.modified_s) == (entry.version, entry.modified_s):
            confirmed.append(known.info)
            keys.append(entry.key)
        else:
            changed.append(entry.key)
    if confirmed:
        store.refresh([(mount.bucket, key, info) for key, info in zip(keys, confirmed, strict=True)], asked_s)
    for key in changed:
        await infos.forget(mount, key, MissReason.CHANGED)
