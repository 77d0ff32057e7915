"""A cache over a real store of small segments and a scripted backend, which must be at rest when a test leaves it."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.backends.base import WriteSpec
from gateway.budget import Budget
from gateway.cache import Cache, Demand, View, Want
from gateway.cache.words import Source
from gateway.clock import ManualClock
from gateway.config import PlaceConfig, StoreConfig
from gateway.errors import VersionChanged
from gateway.metrics import Metrics
from gateway.model import MIB, Bucket, Info, Key, Span
from gateway.mounts import Mount
from gateway.mounts.mount import CachePolicy, Origin
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from gateway.tasks import tasks_until_end
from tests.cache.scripted import PLAIN, ScriptedBackend
from tests.contract.bodies import Sent
from tests.fakes.kv import Maps
from tests.store.broken import BrokenFiles

BUCKET = Bucket("bucket")
KEY = Key(b"key")
WHOLE = Want()
CACHED = CachePolicy(is_cached=True)
MEMORY_BYTES = 64 * MIB
MEMORY = PlaceConfig.model_validate({"backend": "memory"})
OPENS_MAX = 3
"""How often a reader starts again because the object changed before its first byte."""


@dataclass
class Scene:
    """What a test turns: the clock, the backend, the store's files."""

    cache: Cache
    backend: ScriptedBackend
    mount: Mount
    clock: ManualClock
    files: BrokenFiles
    contents: dict[Key, bytes] = field(default_factory=dict)

    async def has(self, size: int, key: Key = KEY, seed: int = 0) -> bytes:
        """An object that lies at the backend, of which the cache knows nothing."""
        data = content(size, seed)
        await self.backend.put_behind(key, Sent(data))
        return data

    async def get(self, span: Span | None = None, key: Key = KEY, demand: Demand = Demand.NORMAL) -> bytes:
        return (await self.answer(Want(span, demand=demand), key))[0]

    async def answer(self, want: Want = WHOLE, key: Key = KEY) -> tuple[bytes, Source, Info]:
        """The bytes wanted, the word for them, and the info; starts again as long as no byte was seen."""
        for again in reversed(range(OPENS_MAX)):
            async with self.opened(want, key) as view:
                whole = Span(0, view.info.size)
                span = whole if want.span is None else Span(want.span.start, min(want.span.stop, view.info.size))
                data = bytearray()
                try:
                    async for piece in view.pieces(span, whole=want.span is None):
                        data += piece
                except VersionChanged:
                    if data or not again:
                        raise
                    continue
                return bytes(data), await view.source(span), view.info
        raise AssertionError

    @asynccontextmanager
    async def opened(self, want: Want = WHOLE, key: Key = KEY) -> AsyncIterator[View]:
        view = await self.cache.open(self.mount, key, want)
        try:
            yield view
        finally:
            await view.close()

    @asynccontextmanager
    async def opened_while(self, event: asyncio.Event, want: Want) -> AsyncIterator[View]:
        """As `opened`; sets the event as soon as the view waits."""
        asyncio.get_running_loop().call_later(1, event.set)
        async with self.opened(want) as view:
            yield view

    async def put(self, data: bytes, key: Key = KEY, spec: WriteSpec = PLAIN) -> Info:
        return await self.cache.write(self.mount, key, Sent(data), spec)

    def with_policy(self, policy: CachePolicy) -> Mount:
        self.mount = replace(self.mount, policy=policy)
        return self.mount

    @property
    def is_at_rest(self) -> bool:
        """Nothing is lent, in flight, asked or fenced."""
        cache = self.cache
        return not (
            cache.memory.used_bytes
            or cache.memory.waiting
            or cache._flights._fills
            or cache._openings._openings
            or cache._infos._asking
            or cache._infos.fence._keys
            or cache._infos.fence._buckets
            or self.backend.open_reads
        )

    async def rest(self) -> None:
        """Returns when nothing goes on any more; fails if that does not come."""
        for _ in range(600):
            if self.is_at_rest:
                return
            await asyncio.sleep(0.1)
        cache = self.cache
        raise AssertionError(
            f"not at rest: {cache.memory.used_bytes} bytes lent, {cache._flights._fills}, {cache._openings._openings}, "
            f"{cache._infos._asking}, {cache._infos.fence._keys}, {self.backend.open_reads} reads"
        )


def geometry(capacity_bytes: int = 192 * MIB) -> Geometry:
    return Geometry(segment_size=4 * MIB, capacity_bytes=capacity_bytes, slack_min_bytes=MIB, object_size_max=1 << 40)


@asynccontextmanager
async def a_scene(
    policy: CachePolicy = CACHED,
    memory_bytes: int = MEMORY_BYTES,
    capacity_bytes: int = 192 * MIB,
    *,
    names_contents: bool = False,
    disks: int = 1,
) -> AsyncIterator[Scene]:
    """Ends only when the cache is at rest."""
    clock, files = ManualClock(), BrokenFiles()
    backend = ScriptedBackend(clock, names_contents=names_contents)
    mount = Mount(BUCKET, MEMORY, backend, "owner", 0, True, Origin.FILE, policy=policy)
    with TemporaryDirectory() as directory:
        paths = tuple(Path(directory, str(number)) for number in range(disks))
        config = StoreConfig(paths=paths, read_threads=2)
        opening = BlockStore.open(config, clock, geometry(capacity_bytes), files, Maps().opened)
        async with opening as store, tasks_until_end() as tasks:
            cache = Cache(store, Budget(memory_bytes), clock, Metrics(), tasks)
            scene = Scene(cache, backend, mount, clock, files)
            yield scene
            await scene.rest()


def content(size: int, seed: int = 0) -> bytes:
    """Bytes in which no two blocks are alike; another seed, other bytes."""
    return random.Random(seed).randbytes(size)


async def ticks(count: int) -> None:
    """Lets the others take so many turns."""
    for _ in range(count):
        await asyncio.sleep(0)
