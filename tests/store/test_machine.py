"""Small stores under any order of calls, faults and ends: the right bytes or nothing, the latest info or none."""

import errno
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule, run_state_machine_as_test

from gateway.kv import KvFailed
from gateway.model import Known
from gateway.store import index
from gateway.store.values import Content, Pool
from tests.store.machine import KEYS, SIZES, StoreMachine
from tests.store.small import BUCKET, name

FAULTS = st.sampled_from(["create", "write", "sync", "read", "open", "unlink"])
CODES = st.sampled_from([errno.EIO, errno.ENOSPC, errno.EROFS])
BITS = st.integers(0, (1 << 32) - 1)
UPDATE_TRIES_MAX = 2
"""So that an update that an index does not take is not tried for seconds."""


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "UPDATE_TRIES_MAX", UPDATE_TRIES_MAX)


class FaultyMachine(StoreMachine):
    """Everything that can fail fails now and then."""

    def must_be_latest(self) -> bool:
        return False

    def rests_at_the_end(self) -> bool:
        return False

    @rule(what=FAULTS, code=CODES, after=st.integers(1, 6))
    def break_one_operation(self, what: str, code: int, after: int) -> None:
        at = self.small.files.operations + after
        self.small.files.fails = lambda name, number: code if name == what and number >= at else None

    @rule(reads_too=st.booleans())
    def break_the_indexes(self, reads_too: bool) -> None:
        for kv in self.small.maps_open:
            kv.failing = KvFailed("told to fail")
            kv.unreadable = reads_too

    @rule()
    def mend(self) -> None:
        self.small.files.fails = lambda _name, _number: None
        for kv in self.small.maps_open:
            kv.failing, kv.unreadable = None, False
        self.small.clock.advance(61)

    @rule(bits=st.lists(BITS, min_size=1, max_size=8), kills=st.booleans())
    def flip_bits(self, bits: list[int], kills: bool) -> None:
        """The medium changes while the store is closed."""
        self.end(kills=kills)
        paths = sorted({inode.path for inode in self.small.files.inodes})
        for bit in bits if paths else ():
            flip(paths[bit % len(paths)], bit)
        self.begin()
        for key in self.latest:
            self.read_all_of(key)


class DisksMachine(FaultyMachine):
    """Three disks, of which one may be missing at a start."""

    disks = 3

    @rule(missing=st.integers(0, 3), kills=st.booleans())
    def start_without_a_disk(self, missing: int, kills: bool) -> None:
        """Or with all, as none has the last number."""
        before = self.small.directories
        self.end(kills=kills)
        self.small.directories = tuple(path for number, path in enumerate(self.paths) if number != missing)
        self.begin()
        if self.small.directories != before:
            self.nothing_is_trusted()


class CalmMachine(StoreMachine):
    """Nothing fails but the process: what is visible stays so, or was evicted by the rules."""

    def __init__(self) -> None:
        super().__init__()
        self.small.witness.is_calm = True
        self.pins: dict[tuple[bytes, int], int] = {}
        """Until when (unix seconds) a block is pinned, by what it is called."""

    @rule(key=KEYS, size=SIZES)
    def keep_and_read(self, key: str, size: int) -> None:
        known = self.known(key, size)
        if self.run(self.keep_whole(key, known, self.version)):
            assert self.small.store.known(BUCKET, name(key)) == known
            [place] = self.small.store.places(self.small.content(key, self.version, size), 0, 1)
            assert place is not None

    @rule(kills=st.booleans())
    def lose_nothing(self, kills: bool) -> None:
        before = self.visible()
        self.end(kills=kills)
        self.begin()
        after = self.visible()
        for block, path in before.items():
            if path.exists():
                assert after.get(block) == path
        for key in self.latest:
            self.read_all_of(key)
        assert self.small.store.usage().damaged_total == 0

    @rule(key=KEYS, minutes=st.integers(1, 20))
    def pin(self, key: str, minutes: int) -> None:
        """What is pinned is not evicted, and not too much is."""
        for content, number, _ in self.blocks_of(key):
            [place] = self.small.store.places(content, number, 1)
            until_s = int(self.small.clock.now_s()) + 60 * minutes
            if place is not None and self.small.store.pin(place, until_s):
                self.pins[content.vh, number] = until_s
        usage = self.small.store.usage()
        assert usage.pools[Pool.PINNED] <= usage.capacity_bytes // 2

    @invariant()
    def what_is_pinned_is_there(self) -> None:
        if not hasattr(self.small, "store"):
            return
        for key, latest in self.latest.items():
            for content, number, _ in self.blocks_of(key):
                is_latest = not content.whole or (latest is not None and content.vh == self.vh_of(key, latest))
                if is_latest and self.pins.get((content.vh, number), 0) > self.small.clock.now_s():
                    assert self.segment_of(content, number) is not None, "a pinned block is gone"

    def vh_of(self, key: str, known: Known) -> bytes:
        return self.small.store.content(BUCKET, name(key), known.info.version, known.info.size).vh

    def index_lost(self) -> None:
        self.pins.clear()

    def visible(self) -> dict[tuple[str, bytes, int], Path]:
        """Every block that can be found, and the segment it is in."""
        found: dict[tuple[str, bytes, int], Path] = {}
        for key in self.latest:
            for content, number, _ in self.blocks_of(key):
                if (path := self.segment_of(content, number)) is not None:
                    found[key, content.vh, number] = path
        return found

    def segment_of(self, content: Content, number: int) -> Path | None:
        [place] = self.small.store.places(content, number, 1)
        if place is None:
            return None
        return self.small.store.shards[place.shard].site.path_of(place.segment)


def flip(path: Path, bit: int) -> None:
    """Changes one bit of a file: any, or one of its first or last bytes, where all the headers are."""
    size, chance = path.stat().st_size, Random(bit)
    offset = chance.choice((chance.randrange(size), chance.randrange(5_000), size - 1 - chance.randrange(600)))
    with path.open("r+b") as file:
        file.seek(offset)
        [byte] = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit % 8]))


TestFaulty = FaultyMachine.TestCase
TestFaulty.settings = settings(max_examples=60, stateful_step_count=30)

TestDisks = DisksMachine.TestCase
TestDisks.settings = settings(max_examples=30, stateful_step_count=30)

TestCalm = CalmMachine.TestCase
TestCalm.settings = settings(max_examples=60, stateful_step_count=30)


@pytest.mark.long
@pytest.mark.parametrize("machine", [FaultyMachine, DisksMachine, CalmMachine])
def test_no_promise_is_broken_in_many_runs(machine: type[StoreMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=1_500, stateful_step_count=60))
