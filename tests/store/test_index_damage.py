"""A real index with damaged files: the store opens, sends no wrong byte, and takes new blocks at once."""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from gateway.clock import ManualClock
from gateway.config import StoreConfig
from gateway.kv import allocated_bytes
from gateway.model import MIB, Known
from gateway.store.disk import SYSTEM_FILES, Files
from gateway.store.health import DiskState
from gateway.store.site import Geometry, is_shard
from gateway.store.store import BlockStore
from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, body, info_of, name, until

SIZE = 20_000
BLOCKS = 60
INFOS = 400
SEGMENT_SIZE = 256 * 1024
GEOMETRY = Geometry(
    segment_size=SEGMENT_SIZE,
    capacity_bytes=16 * MIB,
    slack_min_bytes=4 * MIB,
    object_size_max=1 << 40,
    probe_every_s=0.01,
)
LONG_SEEDS = 150


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What a killed process left: an index with tables and a log, and blocks that both tell of."""
    directory = tmp_path_factory.mktemp("killed")

    async def fill() -> None:
        for generation in (1, 2):
            # A start writes the log of before into a table.
            async with running(directory / "disk") as store:
                for number in range(BLOCKS * (generation - 1), BLOCKS * generation):
                    assert await keep(store, f"k{number}")
                for number in range(INFOS):
                    known = Known(info_of(f"i{number}", generation, 1 << 30), 1_700_000_000)
                    await store.install(BUCKET, name(f"i{number}"), known)
                shutil.copytree(directory / "disk", directory / "copy", dirs_exist_ok=True)

    asyncio.run(fill())
    yield directory / "copy"
    shutil.rmtree(directory)


@asynccontextmanager
async def running(disk: Path, files: Files = SYSTEM_FILES) -> AsyncIterator[BlockStore]:
    config = StoreConfig(paths=(disk,), read_threads=2, min_free=0)
    async with asyncio.timeout(60), BlockStore.open(config, ManualClock(), GEOMETRY, files) as store:
        yield store


async def keep(store: BlockStore, key: str) -> bool:
    info = info_of(key, 1, SIZE)
    content = store.content(BUCKET, name(key), info.version, SIZE)
    return bool(await store.keep(content, 0, body(key, 1, 0, SIZE), Known(info, 1_700_000_000)))


async def hits(store: BlockStore) -> int:
    """How many of the blocks are found, all of them right; what is known of other objects was true once."""
    found = 0
    for number in range(2 * BLOCKS):
        key = f"k{number}"
        content = store.content(BUCKET, name(key), info_of(key, 1, SIZE).version, SIZE)
        [place] = store.places(content, 0, 1)
        data = await store.read(place, 0, SIZE) if place is not None else None
        assert data is None or bytes(data) == body(key, 1, 0, SIZE)
        found += data is not None
    for number in range(INFOS):
        key = f"i{number}"
        known = store.known(BUCKET, name(key))
        assert known is None or known.info in [info_of(key, version, 1 << 30) for version in (1, 2)]
    return found


async def goes_on(store: BlockStore) -> None:
    """Returns when it keeps and finds new blocks."""
    await until(lambda: store.shards[0].state() is DiskState.HEALTHY)
    assert await keep(store, "new")
    content = store.content(BUCKET, name("new"), info_of("new", 1, SIZE).version, SIZE)
    [place] = store.places(content, 0, 1)
    assert place is not None
    data = await store.read(place, 0, SIZE)
    assert data is not None
    assert bytes(data) == body("new", 1, 0, SIZE)


def index_of(disk: Path) -> Path:
    [shard] = [path for path in disk.iterdir() if is_shard(path)]
    return shard / "idx"


def files_of(disk: Path, kind: str) -> list[Path]:
    """Those in use of a kind, oldest first."""
    found = sorted(path for path in index_of(disk).iterdir() if kind in path.name and path.stat().st_size)
    return found[-1:] if kind == "MANIFEST" else found


def remove(path: Path, _chance: Random) -> None:
    path.unlink()


def empty(path: Path, _chance: Random) -> None:
    os.truncate(path, 0)


def cut(path: Path, chance: Random) -> None:
    os.truncate(path, chance.randrange(path.stat().st_size))


def flip(path: Path, chance: Random) -> None:
    at = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))


def overwrite(path: Path, chance: Random) -> None:
    with path.open("r+b") as file:
        for at in range(0, path.stat().st_size, 512):
            file.seek(at)
            file.write(chance.randbytes(16))


Damage = Callable[[Path, Random], None]
DAMAGES: Mapping[str, Damage] = {one.__name__: one for one in (remove, empty, cut, flip, overwrite)}
KINDS = ["MANIFEST", "CURRENT", ".sst", ".log", "OPTIONS", "IDENTITY", "config.json"]


async def survives(disk: Path) -> int:
    """How many blocks a start finds; the store goes on then, and after the next start."""
    async with running(disk) as store:
        found = await hits(store)
        await goes_on(store)
    async with running(disk) as store:
        await hits(store)
        await goes_on(store)
    return found


@asynchronous
async def test_an_index_as_a_kill_leaves_it_is_whole(killed: Path, tmp_path: Path) -> None:
    disk = shutil.copytree(killed, tmp_path / "disk")
    assert files_of(disk, ".sst"), files_of(disk, ".log")
    assert await survives(disk) == 2 * BLOCKS


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", KINDS)
@asynchronous
async def test_a_start_with_a_damaged_file_of_the_index_ends_in_misses(
    killed: Path, tmp_path: Path, kind: str, damage: str
) -> None:
    disk, chance = shutil.copytree(killed, tmp_path / "disk"), Random(f"{kind} {damage}")
    DAMAGES[damage](chance.choice(files_of(disk, kind)), chance)
    await survives(disk)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(LONG_SEEDS))
@asynchronous
async def test_a_start_with_any_damage_to_the_index_ends_in_misses(killed: Path, tmp_path: Path, seed: int) -> None:
    disk, chance = shutil.copytree(killed, tmp_path / "disk"), Random(seed)
    for _ in range(chance.randint(1, 3)):
        path = chance.choice(sorted(index_of(disk).iterdir()))
        if path.stat().st_size:
            chance.choice(list(DAMAGES.values()))(path, chance)
    await survives(disk)


@pytest.mark.parametrize("damage", DAMAGES)
@asynchronous
async def test_tables_of_the_index_that_are_damaged_while_it_runs_end_in_misses(
    killed: Path, tmp_path: Path, damage: str
) -> None:
    disk, chance = shutil.copytree(killed, tmp_path / "disk"), Random(damage)
    async with running(disk) as store:
        [shard] = store.shards
        for path in files_of(disk, ".sst"):
            DAMAGES[damage](path, chance)
        await hits(store)
        await goes_on(store)
        await hits(store)
        # The others may be in memory, or be held open.
        assert damage != "overwrite" or store.shards != [shard]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@asynchronous
async def test_of_a_log_that_was_cut_all_before_the_cut_is_found(killed: Path, tmp_path: Path, share: float) -> None:
    disk = shutil.copytree(killed, tmp_path / "disk")
    last = files_of(disk, ".log")[-1]
    os.truncate(last, int(last.stat().st_size * share))
    # What the tables hold was not touched.
    assert BLOCKS <= await survives(disk) <= 2 * BLOCKS


class SlowToRemove(Files):
    """Removes no segment until it may."""

    def __init__(self) -> None:
        self.may = threading.Event()

    def unlink(self, path: Path) -> None:
        if path.suffix == ".seg":
            assert self.may.wait(30)
        super().unlink(path)


@asynchronous
async def test_what_a_lost_index_leaves_behind_counts_until_it_is_removed(killed: Path, tmp_path: Path) -> None:
    disk = shutil.copytree(killed, tmp_path / "disk")
    [manifest] = files_of(disk, "MANIFEST")
    manifest.unlink()
    left_bytes = allocated_bytes(index_of(disk).parent / "seg")
    files = SlowToRemove()
    async with running(disk, files) as store:
        try:
            assert await hits(store) == 0
            assert await keep(store, "new")
            assert store.usage().used_bytes >= left_bytes + SEGMENT_SIZE
        finally:
            files.may.set()
        await until(lambda: store.usage().used_bytes < left_bytes)
        await until(lambda: len([path for path in disk.iterdir() if is_shard(path)]) == 1)
