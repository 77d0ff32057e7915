"""A store of a few small segments over files and maps that a test can break."""

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from gateway.clock import ManualClock
from gateway.config import StoreConfig
from gateway.kv import KvFailed
from gateway.model import Bucket, ContentHeaders, ETag, Info, Key, Known, Version
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from gateway.store.values import Content
from tests.fakes.kv import Maps, SortedKv
from tests.store.broken import BrokenFiles
from tests.store.witness import Witness

SEGMENT_SIZE = 64 * 1024
SEGMENTS = 8
BUCKET = Bucket("bucket")
GEOMETRY = Geometry(
    segment_size=SEGMENT_SIZE,
    capacity_bytes=SEGMENTS * SEGMENT_SIZE + 64 * 1024,
    slack_min_bytes=16 * 1024,
    object_size_max=1 << 40,
    open_files_max=4,
    probe_every_s=0.01,
)


class Small:
    """A store that can be stopped, killed and opened again; `files`, `maps` and `clock` outlive it.

    It fails at its end if a promise was broken that nobody would have noticed.
    """

    def __init__(self, *directories: Path, geometry: Geometry = GEOMETRY) -> None:
        self.directories = directories
        self.geometry = geometry
        self.files = BrokenFiles()
        self.maps = Maps()
        self.witness = Witness(self.files, self.maps.opened)
        self.files.limit_bytes = geometry.capacity_bytes or self.files.limit_bytes
        self.files.more_bytes = self.witness.size
        self.clock = ManualClock()
        self._stack = AsyncExitStack()
        self._mistakes = Mistakes(logging.ERROR)
        self.store: BlockStore

    @property
    def maps_open(self) -> list[SortedKv]:
        return list(self.maps.by_directory.values())

    async def open(self) -> BlockStore:
        logging.getLogger("gateway.store").addHandler(self._mistakes)
        config = StoreConfig(paths=self.directories, read_threads=2, capacity=StoreConfig().capacity)
        self.witness.in_use.clear()
        opening = BlockStore.open(config, self.clock, self.geometry, self.files, self.witness.opened)
        self.store = await self._stack.enter_async_context(opening)
        return self.store

    async def stop(self) -> None:
        try:
            await self._stack.aclose()
        finally:
            logging.getLogger("gateway.store").removeHandler(self._mistakes)
        assert not self._mistakes.made, self._mistakes.made
        assert not self.files.broken_promises, self.files.broken_promises

    async def kill(self) -> None:
        """Ends it as SIGKILL does: what it does from now on has no effect."""
        logging.getLogger("gateway.store").removeHandler(self._mistakes)
        self.files.dead = True
        for kv in self.maps_open:
            kv.failing = KvFailed("killed")
        await self.stop()
        self.files.end_of_process()
        for kv in self.maps_open:
            kv.failing = None
            kv.stalls = 0

    async def __aenter__(self) -> "Small":
        await self.open()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    def known(self, key: str, version: int, size: int) -> Known:
        return Known(info_of(key, version, size), int(self.clock.now_s()))

    def content(self, key: str, version: int, size: int) -> Content:
        return self.store.content(BUCKET, name(key), info_of(key, version, size).version, size)

    async def keep(self, key: str, version: int, size: int) -> bool:
        """Keeps a whole object."""
        content = self.content(key, version, size)
        data = body(key, version, 0, size)
        return bool(await self.store.keep(content, 0, data, self.known(key, version, size)))

    async def read(self, content: Content, number: int = 0) -> bytes | None:
        """A block by the ordinary way; None is a miss."""
        [place] = self.store.places(content, number, 1)
        data = await self.store.read(place, 0, place.data_size) if place is not None else None
        return bytes(data) if data is not None else None

    async def rest(self) -> None:
        """Returns when the upkeep of all disks has nothing to do."""
        async with asyncio.timeout(10):
            for shard in self.store.shards:
                await shard.upkeep.settled()


class Mistakes(logging.Handler):
    """Notes what the store logs as a mistake of its own, and goes on after."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.made: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is not None:
            self.made.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


def name(key: str) -> Key:
    return Key(key.encode())


def info_of(key: str, version: int, size: int) -> Info:
    etag = ETag(hashlib.md5(f"{key}/{version}".encode()).hexdigest())
    content = ContentHeaders("text/plain") if version % 2 else ContentHeaders(cache_control="no-transform")
    return Info(Version(f"{etag}/{size}".encode()), size, 1_600_000_000 + version, etag, content)


def body(key: str, version: int, number: int, size: int) -> bytes:
    """The bytes of one block of one version; no two are alike."""
    seed = hashlib.sha256(f"{key}/{version}/{number}".encode()).digest()
    return (seed * (size // len(seed) + 1))[:size]


def older(known: Known, seconds: int) -> Known:
    return replace(known, validated_s=known.validated_s - seconds)


async def until(holds: Callable[[], bool]) -> None:
    """Returns when it holds; lets threads work meanwhile."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.to_thread(os.sched_yield)
