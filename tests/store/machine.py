"""A small store under any order of calls, with a memory of what it may answer."""

import asyncio
import os
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.model import BLOCK_SIZE, Known
from gateway.store.resident import Slice
from gateway.store.site import Geometry
from gateway.store.values import Content
from tests.store.small import BUCKET, GEOMETRY, SEGMENT_SIZE, SEGMENTS, Small, body, info_of, name

T = TypeVar("T")

KEYS = st.sampled_from(["a", "b", "c", "d", "e"])
PREFIXES = st.sampled_from([b"", b"a", b"b", b"c"])
SIZES = st.sampled_from([1, 100, 9_000, 30_000])
LARGE_SIZE = 100 * BLOCK_SIZE
ANSWERED_WITHIN_S = 20.0
"""Whatever fails: every call of the store returns."""
OPEN_SEGMENTS_MAX = 3
SLICES_MAX = 3
"""That are on their way to slow readers."""


class StoreMachine(RuleBasedStateMachine):
    """`latest` is what an object's info must be if there is one and it is trusted."""

    disks = 1

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.paths = [Path(self.directory.name) / str(number) for number in range(self.disks)]
        self.small = Small(*self.paths, geometry=geometry_of(self.disks))
        self.latest: dict[str, Known | None] = {}
        self.sizes: dict[tuple[str, int], int] = {}
        self.pieces: dict[tuple[str, int], int] = {}
        self.slices: list[tuple[Slice, bytes]] = []
        self.version = 0

    def run(self, call: Coroutine[None, None, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                return await call

        return self.runner.run(bounded())

    @initialize()
    def open(self) -> None:
        self.run(self.small.open())

    def known(self, key: str, size: int) -> Known:
        """A new version, as the backend tells it just now."""
        self.version += 1
        self.sizes[key, self.version] = size
        self.latest[key] = known = self.small.known(key, self.version, size)
        return known

    async def keep_whole(self, key: str, known: Known, version: int) -> bool:
        size = known.info.size
        content = self.small.content(key, version, size)
        return bool(await self.small.store.keep(content, 0, body(key, version, 0, size), known))

    @rule(key=KEYS, size=SIZES)
    def keep(self, key: str, size: int) -> None:
        """Kept or refused, its info is the latest."""
        known = self.known(key, size)
        self.run(self.keep_whole(key, known, self.version))

    @rule(keys=st.lists(KEYS, min_size=2, max_size=12), size=SIZES)
    def keep_many_at_once(self, keys: list[str], size: int) -> None:
        async def together() -> None:
            async with asyncio.TaskGroup() as tasks:
                for key in keys:
                    known = self.known(key, size)
                    tasks.create_task(self.keep_whole(key, known, self.version))

        self.run(together())

    @rule(key=KEYS, size=SIZES, forgets=st.booleans())
    def change_while_a_block_is_on_its_way(self, key: str, size: int, forgets: bool) -> None:
        async def together() -> bool:
            known = self.known(key, size)
            async with asyncio.TaskGroup() as tasks:
                keeping = tasks.create_task(self.keep_whole(key, known, self.version))
                await asyncio.sleep(0)
                if forgets:
                    self.latest[key] = None
                    await self.small.store.forget(BUCKET, name(key))
                else:
                    await self.small.store.install(BUCKET, name(key), self.known(key, size))
            return keeping.result()

        assert not self.run(together())

    @rule(key=KEYS, stalls=st.integers(0, 2))
    def install(self, key: str, stalls: int) -> None:
        known = self.known(key, 5_000)
        self.stall(stalls)
        self.run(self.small.store.install(BUCKET, name(key), known))

    @rule(key=KEYS, stalls=st.integers(0, 2))
    def forget(self, key: str, stalls: int) -> None:
        self.latest[key] = None
        self.stall(stalls)
        self.run(self.small.store.forget(BUCKET, name(key)))

    @rule(prefix=PREFIXES, meets=st.booleans(), key=KEYS)
    def purge(self, prefix: bytes, meets: bool, key: str) -> None:
        """Also what is on its way meanwhile is not found afterwards."""

        async def together() -> None:
            async with asyncio.TaskGroup() as tasks:
                if meets:
                    known = self.known(key, 100)
                    tasks.create_task(self.keep_whole(key, known, self.version))
                    await asyncio.sleep(0)
                tasks.create_task(self.small.store.purge(BUCKET, prefix))

        self.run(together())
        for purged in self.matching(prefix):
            self.latest[purged] = None
            places = [self.small.store.places(content, number, 1) for content, number, _ in self.blocks_of(purged)]
            assert places == [[None]] * len(places)

    @rule(prefix=PREFIXES)
    def invalidate(self, prefix: bytes) -> None:
        self.run(self.small.store.invalidate(BUCKET, prefix))
        assert all(self.validated_s(key) == 0 for key in self.matching(prefix))
        self.small.clock.advance(1)

    def matching(self, prefix: bytes) -> list[str]:
        return [key for key in self.latest if name(key).startswith(prefix)]

    def stall(self, writes: int) -> None:
        for kv in self.small.maps_open:
            kv.stalls = writes

    @rule(key=KEYS, number=st.integers(0, 99), size=SIZES)
    def keep_piece(self, key: str, number: int, size: int) -> None:
        size = self.pieces.setdefault((key, number), size)
        self.run(self.small.store.keep(self.large(key), number, body(key, 0, number, size)))

    def large(self, key: str) -> Content:
        return self.small.store.content(BUCKET, name(key), info_of(key, 0, 0).version, LARGE_SIZE)

    @rule()
    def distrust(self) -> None:
        self.stall(0)
        self.small.store.distrust()
        self.nothing_is_trusted()
        self.small.clock.advance(1)

    def nothing_is_trusted(self) -> None:
        assert all(self.validated_s(key) == 0 for key in self.latest)

    def validated_s(self, key: str) -> int:
        known = self.small.store.known(BUCKET, name(key))
        return known.validated_s if known is not None else 0

    @rule(key=KEYS)
    def read_all_of(self, key: str) -> None:
        async def read() -> None:
            for content, number, data in self.blocks_of(key):
                assert await self.small.read(content, number) in (None, data)

        self.run(read())

    def blocks_of(self, key: str) -> list[tuple[Content, int, bytes]]:
        """All that was ever to be kept of an object."""
        wholes = [
            (self.small.content(key, version, size), 0, body(key, version, 0, size))
            for (its, version), size in self.sizes.items()
            if its == key
        ]
        large = self.large(key)
        pieces = [
            (large, number, body(key, 0, number, size)) for (its, number), size in self.pieces.items() if its == key
        ]
        return wholes + pieces

    @rule(key=KEYS)
    def begin_to_send(self, key: str) -> None:
        """A reader that is slow: what it reads from stays what it is, whatever happens meanwhile."""
        for content, number, data in self.blocks_of(key):
            [place] = self.small.store.places(content, number, 1)
            found = self.small.store.slice_now(place, 0, place.data_size, copy_max=0) if place is not None else None
            if found is not None and len(self.slices) < SLICES_MAX:
                self.slices.append((found, data))
            elif found is not None:
                found.release()

    @rule()
    def send(self) -> None:
        for found, data in self.slices:
            assert os.pread(found.fd, found.size, found.offset) == data
            found.release()
        self.slices.clear()

    @rule(seconds=st.sampled_from([1, 7, 61, 4_000]))
    def wait(self, seconds: int) -> None:
        self.send()  # a reader without progress for so long is cut off
        self.small.clock.advance(seconds)

    @rule(kills=st.booleans(), reboots=st.booleans())
    def start_again(self, kills: bool, reboots: bool) -> None:
        self.end(kills=kills)
        if reboots:
            self.small.files.boot += "+"
        self.begin()
        if kills and reboots:
            self.nothing_is_trusted()

    def end(self, *, kills: bool) -> None:
        """The process ends, with all that was wrong with its machine."""
        self.mend()
        self.stall(0)
        self.send()
        self.run(self.small.kill() if kills else self.small.stop())

    def begin(self) -> None:
        self.run(self.small.open())

    def mend(self) -> None:
        """Nothing is broken any more."""

    @rule(kills=st.booleans())
    def lose_an_index(self, kills: bool) -> None:
        """It ends as an empty store that serves at once; the older directory is removed meanwhile, and counts."""
        self.end(kills=kills)
        self.small.witness.lost.add(next(iter(self.small.witness.in_use)))
        self.index_lost()
        self.begin()
        self.run(self.serves())

    def index_lost(self) -> None:
        """All that was kept on that disk is gone."""

    async def serves(self) -> None:
        known = self.known("a", 100)
        assert await self.keep_whole("a", known, self.version)
        assert await self.small.read(self.small.content("a", self.version, 100)) == body("a", self.version, 0, 100)

    @invariant()
    def nobody_is_told_an_older_info(self) -> None:
        if not hasattr(self.small, "store"):
            return
        for key, latest in self.latest.items():
            known = self.small.store.known(BUCKET, name(key))
            if known is not None and (self.must_be_latest() or known.validated_s):
                assert latest is not None
                assert known.info == latest.info

    def must_be_latest(self) -> bool:
        """Whether also an info that is not trusted must be the latest."""
        return True

    def rests_at_the_end(self) -> bool:
        """Whether a clean stop leaves nothing open; a disk that was given up is left as it is."""
        return True

    @invariant()
    def no_promise_is_broken(self) -> None:
        assert not self.small.files.broken_promises

    @invariant()
    def descriptors_are_bounded(self) -> None:
        segments = len(self.small.files.by_descriptor)
        assert segments <= self.disks * (GEOMETRY.open_files_max + SLICES_MAX + OPEN_SEGMENTS_MAX)

    def teardown(self) -> None:
        if hasattr(self.small, "store"):
            self.end(kills=False)
            if self.rests_at_the_end():
                assert not self.small.files.by_descriptor, "descriptors are left open"
                unlinked = [inode for inode in self.small.files.inodes if not inode.linked]
                assert not unlinked, "somebody still reads what is gone"
        self.runner.close()
        self.directory.cleanup()


def geometry_of(disks: int) -> Geometry:
    """That of a small store of so many disks."""
    return replace(GEOMETRY, capacity_bytes=disks * (SEGMENTS * SEGMENT_SIZE + 64 * 1024))
