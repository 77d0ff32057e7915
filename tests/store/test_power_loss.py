"""A loss of power at any moment: what was not synced is lost in any part, and no byte or info is wrong afterwards."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.config import StoreConfig
from gateway.kv import KvFailed, SharedCache
from gateway.model import MIB, Key, Known
from gateway.store import entries
from gateway.store.disk import Files
from gateway.store.entries import State
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from gateway.store.values import Outcome
from tests.store.load import Ledger, Writer, bytes_of, content_of, size_of
from tests.store.power import FilesAfterwards, RecordingFiles, copy_of, remains
from tests.store.small import BUCKET, info_of

pytestmark = pytest.mark.slow

CAPACITY_BYTES = 4 * MIB
GEOMETRY = Geometry(
    segment_size=MIB // 8,
    capacity_bytes=CAPACITY_BYTES,
    slack_min_bytes=MIB,
    object_size_max=1 << 40,
    sync_every_bytes=MIB // 32,
)
WRITERS = 4
KEYS = 12
STEPS = 350
OPERATIONS = 500
"""About as many as the steps of all writers make."""
READY_MAX_S = 10.0


def test_no_loss_of_power_makes_a_wrong_byte(tmp_path: Path) -> None:
    lose_power(tmp_path, seed=1, moments=8, times=3)


@pytest.mark.long
def test_no_loss_of_power_makes_a_wrong_byte_in_many_runs(tmp_path: Path) -> None:
    for seed in range(2, 22):
        (tmp_path / str(seed)).mkdir()
        lose_power(tmp_path / str(seed), seed, moments=25, times=8)


def lose_power(directory: Path, seed: int, moments: int, times: int) -> None:
    """Runs a load once; then looks at what losses of power at some of its moments may leave, several for each."""
    root, copies = directory / "store", directory / "copies"
    root.mkdir()
    chance = random.Random(seed)
    ledgers: list[Ledger] = []
    wanted = sorted(chance.sample(range(20, OPERATIONS), moments))
    files = RecordingFiles(root, copies, wanted, lambda: [ledger.copy() for ledger in ledgers])
    asyncio.run(load(root, files, chance, ledgers))
    assert len(files.moments) == moments, files.operations
    for number, moment in enumerate(files.moments):
        for time in range(times):
            left = directory / f"left-{number}-{time}"
            remains(moment, root, left, chance)
            asyncio.run(check(left, moment.acknowledged, ledgers))


async def load(root: Path, files: Files, chance: random.Random, ledgers: list[Ledger]) -> None:
    async with opened(root, files) as store, asyncio.TaskGroup() as tasks:
        for number in range(WRITERS):
            writer = Writer(store, SystemClock(), f"w{number}", KEYS, random.Random(chance.random()))
            ledgers.append(writer.ledger)
            tasks.create_task(steps(writer))


async def steps(writer: Writer) -> None:
    for _ in range(STEPS):
        await writer.step()


@asynccontextmanager
async def opened(root: Path, files: Files) -> AsyncIterator[BlockStore]:
    """The store in a directory, ready within `READY_MAX_S`."""
    config = StoreConfig(paths=(root,), read_threads=2)
    opening = BlockStore.open(config, SystemClock(), GEOMETRY, files)
    async with asyncio.timeout(READY_MAX_S):
        store = await opening.__aenter__()
    try:
        yield store
    finally:
        await opening.__aexit__(None, None, None)


async def check(directory: Path, then: Sequence[Ledger], ledgers: Sequence[Ledger]) -> None:
    """Holds what is left to what is promised; `then` are the ledgers of the moment, `ledgers` know all versions."""
    synced = synced_segments(directory)
    async with opened(directory, FilesAfterwards()) as store:
        # The records of segments that were synced are there whatever else is lost; those of others if they are whole.
        for before, ledger in zip(then, ledgers, strict=True):
            for key, began in ledger.began.items():
                known = store.known(BUCKET, Key(key.encode()))
                assert known is None or known.validated_s == 0, "an info is trusted that nobody asked for"
                assert known is None or known.info in [info_of(key, v, size_of(key, v)) for v in range(1, began + 1)]
                for version in range(1, began + 1):
                    await check_version(store, key, version, synced)
                    if version <= before.gone.get(key, 0):
                        assert store.places(content_of(store, key, version), 0, 1) == [None], "a purge was lost"
        await serves(store)
        [shard] = store.shards
        async with asyncio.timeout(READY_MAX_S):
            await shard.upkeep.settled()
        assert {segment.path for segment in shard.table.all()} == set(shard.site.segments.iterdir())
        assert store.usage().used_bytes <= CAPACITY_BYTES


def synced_segments(directory: Path) -> set[int]:
    """The segments that the index, as it is found, says to be safe."""
    copy = directory.with_name(directory.name + "-index")
    [index] = directory.rglob("idx")
    copy_of(index, copy)
    try:
        kv = SharedCache.of(MIB).opened(copy)
        found = dict(kv.scan(entries.SEGMENT_PREFIX))
        kv.close()
    except KvFailed:
        return set()
    return {
        entries.segment_of(key) for key, value in found.items() if entries.unpack_segment(value).state is State.SYNCED
    }


async def check_version(store: BlockStore, key: str, version: int, synced: set[int]) -> None:
    [place] = store.places(content_of(store, key, version), 0, 1)
    if place is None:
        return
    data = await store.read(place, 0, place.data_size)
    if data is None:
        assert place.segment not in synced, "a record is lost that was synced"
    else:
        assert bytes(data) == bytes_of(key, version)


async def serves(store: BlockStore) -> None:
    """It takes blocks and gives them back."""
    key, size = "afterwards", size_of("afterwards", 1)
    known = Known(info_of(key, 1, size), int(SystemClock().now_s()))
    async with asyncio.timeout(READY_MAX_S):
        # An older shard's directory takes its room until it is removed.
        while not (outcome := await store.keep(content_of(store, key, 1), 0, bytes_of(key, 1), known)):
            assert outcome is Outcome.NO_ROOM
    [place] = store.places(content_of(store, key, 1), 0, 1)
    assert place is not None
    data = await store.read(place, 0, place.data_size)
    assert data is not None
    assert bytes(data) == bytes_of(key, 1)


HARMS = ("gone", "flipped", "cut", "empty")


def test_an_index_with_any_file_harmed_ends_as_misses_or_an_empty_store(tmp_path: Path) -> None:
    harm_index(tmp_path, seed=3, times=24)


@pytest.mark.long
def test_an_index_with_any_file_harmed_in_many_ways_ends_as_misses_or_an_empty_store(tmp_path: Path) -> None:
    harm_index(tmp_path, seed=4, times=1_000)


def harm_index(directory: Path, seed: int, times: int) -> None:
    """Harms one file of the index of a store that was at rest, or two, and starts it."""
    root, chance = directory / "store", random.Random(seed)
    ledgers: list[Ledger] = []
    for _ in range(2):  # the second start writes tables of what the first left in the log
        ledgers.clear()
        asyncio.run(load(root, Files(), chance, ledgers))
    for number in range(times):
        left = directory / f"left-{number}"
        copy_of(root, left)
        for _ in range(chance.choice((1, 1, 2))):
            harm(left, chance)
        asyncio.run(check_harmed(left, ledgers))


def harm(directory: Path, chance: random.Random) -> None:
    path = chance.choice(sorted(path for path in directory.rglob("idx/*") if not path.name.startswith("LOG")))
    size = path.stat().st_size
    match chance.choice(HARMS):
        case "gone":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "cut":
            with path.open("r+b") as file:
                file.truncate(chance.randint(0, size))
        case "flipped" if size:
            content = bytearray(path.read_bytes())
            content[chance.randrange(size)] ^= 1 << chance.randrange(8)
            path.write_bytes(content)


async def check_harmed(directory: Path, ledgers: Sequence[Ledger]) -> None:
    async with opened(directory, Files()) as store:
        for ledger in ledgers:
            for key, began in ledger.began.items():
                for version in range(1, began + 1):
                    await check_version(store, key, version, set())
        await serves(store)
        assert store.usage().used_bytes <= CAPACITY_BYTES
