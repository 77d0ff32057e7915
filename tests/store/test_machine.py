"""A small store under any order of calls, faults and ends: the right bytes or nothing, the latest info or none."""

import asyncio
import errno
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.model import BLOCK_SIZE, Known
from gateway.store.health import RETRY_EVERY_S
from gateway.store.values import Content
from tests.store.small import BUCKET, SEGMENT_SIZE, SEGMENTS, Small, body, info_of, name

KEYS = st.sampled_from(["a", "b", "c", "d", "e"])
SIZES = st.sampled_from([1, 100, 9_000, 30_000])
FAULTS = st.sampled_from(["create", "write", "sync", "read", "open", "unlink"])
CODES = st.sampled_from([errno.EIO, errno.ENOSPC])
LARGE_SIZE = 100 * BLOCK_SIZE


class StoreMachine(RuleBasedStateMachine):
    """`latest` is what an object's info must be if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.small = Small(Path(self.directory.name))
        self.latest: dict[str, Known | None] = {}
        self.sizes: dict[tuple[str, int], int] = {}
        self.pieces: set[tuple[str, int]] = set()
        self.version = 0

    @initialize()
    def open(self) -> None:
        self.runner.run(self.small.open())

    def known(self, key: str, size: int) -> Known:
        self.version += 1
        self.sizes[key, self.version] = size
        return self.small.known(key, self.version, size)

    async def keep_whole(self, key: str, known: Known, version: int) -> bool:
        size = known.info.size
        content = self.small.content(key, version, size)
        return bool(await self.small.store.keep(content, 0, body(key, version, 0, size), known))

    @rule(key=KEYS, size=SIZES)
    def keep(self, key: str, size: int) -> None:
        """Kept or refused, its info is the latest."""
        known = self.known(key, size)
        self.latest[key] = known
        self.runner.run(self.keep_whole(key, known, self.version))

    @rule(keys=st.lists(KEYS, min_size=2, max_size=12), size=SIZES)
    def keep_many_at_once(self, keys: list[str], size: int) -> None:
        async def together() -> None:
            async with asyncio.TaskGroup() as tasks:
                for key in keys:
                    known = self.known(key, size)
                    self.latest[key] = known
                    tasks.create_task(self.keep_whole(key, known, self.version))

        self.runner.run(together())

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
                    self.latest[key] = newer = self.known(key, size)
                    await self.small.store.install(BUCKET, name(key), newer)
            return keeping.result()

        assert not self.runner.run(together())

    @rule(key=KEYS, stalls=st.integers(0, 2))
    def install(self, key: str, stalls: int) -> None:
        known = self.known(key, 5_000)
        self.latest[key] = known
        self.stall(stalls)
        self.runner.run(self.small.store.install(BUCKET, name(key), known))

    @rule(key=KEYS, stalls=st.integers(0, 2))
    def forget(self, key: str, stalls: int) -> None:
        self.latest[key] = None
        self.stall(stalls)
        self.runner.run(self.small.store.forget(BUCKET, name(key)))

    def stall(self, writes: int) -> None:
        for kv in self.small.maps_open:
            kv.stalls = writes

    @rule(key=KEYS, number=st.integers(0, 99), size=SIZES)
    def keep_piece(self, key: str, number: int, size: int) -> None:
        self.pieces.add((key, number))
        self.runner.run(self.small.store.keep(self.large(key), number, body(key, 0, number, size)))

    def large(self, key: str) -> Content:
        return self.small.store.content(BUCKET, name(key), info_of(key, 0, 0).version, LARGE_SIZE)

    @rule(what=FAULTS, code=CODES, after=st.integers(1, 6))
    def break_one_operation(self, what: str, code: int, after: int) -> None:
        at = self.small.files.operations + after
        self.small.files.fails = lambda name, number: code if name == what and number >= at else None

    @rule()
    def mend(self) -> None:
        self.small.files.fails = lambda _name, _number: None
        self.small.clock.advance(RETRY_EVERY_S)

    @rule(kills=st.booleans(), reboots=st.booleans())
    def start_again(self, kills: bool, reboots: bool) -> None:
        self.mend()
        self.stall(0)
        self.runner.run(self.small.kill() if kills else self.small.stop())
        if reboots:
            self.small.files.boot += "+"
        self.runner.run(self.small.open())
        if kills and reboots:
            assert all(self.validated_s(key) == 0 for key in self.latest)

    def validated_s(self, key: str) -> int:
        known = self.small.store.known(BUCKET, name(key))
        return known.validated_s if known is not None else 0

    @rule()
    def distrust(self) -> None:
        self.stall(0)
        self.small.store.distrust()
        assert all(self.validated_s(key) == 0 for key in self.latest)
        self.small.clock.advance(1)

    @rule(key=KEYS)
    def read_all_of(self, key: str) -> None:
        async def read() -> None:
            for (its, version), size in self.sizes.items():
                if its == key:
                    data = await self.small.read(self.small.content(key, version, size))
                    assert data is None or data == body(key, version, 0, size)
            for its, number in self.pieces:
                if its == key:
                    data = await self.small.read(self.large(key), number)
                    assert data is None or data == body(key, 0, number, len(data))

        self.runner.run(read())

    @invariant()
    def nobody_sees_an_older_info(self) -> None:
        if not hasattr(self.small, "store"):
            return
        for key, latest in self.latest.items():
            known = self.small.store.known(BUCKET, name(key))
            assert known is None or (latest is not None and known.info == latest.info)

    @invariant()
    def the_capacity_holds(self) -> None:
        assert self.small.files.most_bytes <= SEGMENTS * SEGMENT_SIZE

    def teardown(self) -> None:
        self.mend()
        if hasattr(self.small, "store"):
            self.runner.run(self.small.stop())
            assert not self.small.files.by_descriptor, "descriptors are left open"
        self.runner.close()
        self.directory.cleanup()


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=40, stateful_step_count=30)
