"""The table of mounts over real directories and a real settings file."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from gateway.backends.base import UploadQuery, WriteSpec
from gateway.backends.open import Opener
from gateway.clock import ManualClock
from gateway.config import Config
from gateway.errors import (
    AccessRefused,
    BucketMissing,
    BucketNotEmpty,
    BucketOwnedAlready,
    BucketTaken,
    ConfigInvalid,
)
from gateway.metrics import Metrics
from gateway.model import Bucket, Key
from gateway.mounts import Mount, Mounts, Origin
from gateway.settings import Settings
from gateway.store.values import Admission, Terms

MINE = Bucket("mine")
DEMO = Bucket("demo")


class Bytes:
    """A body."""

    checksum = None

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    async def pieces(self) -> AsyncIterator[bytes]:
        if self._data:
            yield self._data


class House:
    """A directory with a configuration; each `opened` is a run of the node."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = ManualClock()
        self.config: dict[str, object] = {
            "new_buckets": {"backend": "local", "uri": str(root / "buckets"), "options": {"keys": "escape"}},
            "mount": [{"bucket": "demo", "backend": "local", "uri": str(root / "demo")}],
        }

    def configure_data_dir_around_buckets(self) -> None:
        """As the embedded default does."""
        self.config["node"] = {"data_dir": str(self.root)}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Mounts]:
        settings = Settings.open(self.root / "data", self.clock)
        try:
            opener = Opener(Metrics(), self.clock, Random(1))
            mounts = Mounts(Config.model_validate(self.config), settings, self.clock, opener.open)
            await mounts.open()
            try:
                yield mounts
            finally:
                await mounts.close()
        finally:
            settings.close()

    def run(self, scenario: Callable[[Mounts], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with self.opened() as mounts:
                await scenario(mounts)

        asyncio.run(whole())


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def forgotten(_mount: Mount) -> None:
    """Nothing is known of a bucket beside the table."""


async def put(mount: Mount, key: bytes, data: bytes = b"x") -> None:
    await mount.backend.write(Key(key), Bytes(data), WriteSpec())


def test_missing_directories_of_the_configuration_are_made(house: House) -> None:
    async def scenario(mounts: Mounts) -> None:
        mount = mounts.get(DEMO)
        assert (mount.origin, mount.owner, mount.name) == (Origin.FILE, "forebay", "demo")
        await put(mount, b"a/b")

    house.run(scenario)
    assert (house.root / "demo" / "a" / "b").read_bytes() == b"x"


def test_a_made_bucket_and_its_objects_outlive_the_node(house: House) -> None:
    async def make(mounts: Mounts) -> None:
        mount = await mounts.create(MINE, "alice")
        assert (mount.origin, mount.owner, mount.name) == (Origin.MADE, "alice", "new_buckets")
        await put(mount, b"a//b")
        house.clock.advance(1000)

    async def find(mounts: Mounts) -> None:
        mount = mounts.get(MINE)
        assert (mount.owner, mount.created_s, mount.writable) == ("alice", 1_700_000_000, True)
        assert (await mount.backend.stat(Key(b"a//b"))).size == 1
        assert [each.bucket for each in mounts.all()] == ["demo", "mine"]

    house.run(make)
    # The place was written down: what new buckets become now does not move the old ones.
    house.config["new_buckets"] = {"backend": "memory"}
    house.run(find)


def test_a_bucket_that_was_deleted_leaves_no_directory_and_no_row(house: House) -> None:
    async def scenario(mounts: Mounts) -> None:
        mount = await mounts.create(MINE, "alice")
        await put(mount, b"k")
        await mount.backend.delete(Key(b"k"), None)
        await mount.backend.begin_upload(Key(b"k"), WriteSpec())
        await mounts.delete(MINE, forgotten)
        with pytest.raises(BucketMissing):
            mounts.get(MINE)
        assert not (house.root / "buckets" / "mine").exists()
        again = await mounts.create(MINE, "bob")
        assert not (await again.backend.list_uploads(UploadQuery())).uploads
        await mounts.delete(MINE, forgotten)

    async def gone(mounts: Mounts) -> None:
        assert mounts.find(MINE) is None

    house.run(scenario)
    house.run(gone)


def test_a_bucket_is_forgotten_before_its_name_is_free(house: House) -> None:
    async def scenario(mounts: Mounts) -> None:
        mount = await mounts.create(MINE, "alice")
        forgetting, made = asyncio.Event(), asyncio.Event()

        async def forget(gone: Mount) -> None:
            assert gone is mount
            assert mounts.find(MINE) is None, "nobody comes in any more"
            forgetting.set()
            for _ in range(10):
                await asyncio.sleep(0)
            assert not made.is_set()

        async def make_anew() -> None:
            await forgetting.wait()
            await mounts.create(MINE, "bob")
            made.set()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(make_anew())
            tasks.create_task(mounts.delete(MINE, forget))
        assert mounts.get(MINE).owner == "bob"

    house.run(scenario)


def test_a_mount_says_on_what_terms_its_blocks_are_kept(house: House) -> None:
    house.config["mount"] = [
        {"bucket": admission, "backend": "memory", "admission": admission, "ttl": "1h"}
        for admission in ("auto", "churn", "hold", "bypass")
    ]

    async def scenario(mounts: Mounts) -> None:
        for admission in ("auto", "churn", "hold"):
            policy = mounts.get(Bucket(admission)).policy
            assert policy.is_cached
            assert policy.terms == Terms(Admission(admission), life_s=3600)
        assert not mounts.get(Bucket("bypass")).policy.is_cached

    house.run(scenario)


def test_a_bucket_with_objects_is_not_deleted(house: House) -> None:
    async def scenario(mounts: Mounts) -> None:
        mount = await mounts.create(MINE, "alice")
        await put(mount, b"k")
        with pytest.raises(BucketNotEmpty):
            await mounts.delete(MINE, forgotten)
        assert (await mounts.get(MINE).backend.stat(Key(b"k"))).size == 1

    house.run(scenario)


def test_directories_that_a_crash_left_empty_do_not_keep_a_bucket(house: House) -> None:
    async def scenario(mounts: Mounts) -> None:
        mount = await mounts.create(MINE, "alice")
        await put(mount, b"a/b/c")
        place = house.root / "buckets" / "mine"
        objects = [path for path in place.rglob("c") if path.is_file()]
        assert len(objects) == 1
        objects[0].unlink()  # as if the node had died before it removed the directories around it
        await mounts.delete(MINE, forgotten)
        assert not place.exists()

    house.run(scenario)


def test_a_directory_with_what_no_listing_shows_is_not_deleted(house: House) -> None:
    async def scenario(mounts: Mounts) -> None:
        await mounts.create(MINE, "alice")
        hidden = house.root / "buckets" / "mine" / "link"
        hidden.symlink_to("/nowhere")
        with pytest.raises(BucketNotEmpty):
            await mounts.delete(MINE, forgotten)
        assert hidden.is_symlink()
        await put(mounts.get(MINE), b"k")

    house.run(scenario)


def test_names_in_use_are_refused(house: House) -> None:
    async def scenario(mounts: Mounts) -> None:
        await mounts.create(MINE, "alice")
        with pytest.raises(BucketOwnedAlready):
            await mounts.create(MINE, "alice")
        with pytest.raises(BucketTaken):
            await mounts.create(MINE, "bob")
        with pytest.raises(BucketTaken):
            await mounts.create(DEMO, "forebay")
        with pytest.raises(AccessRefused):
            await mounts.delete(DEMO, forgotten)
        with pytest.raises(BucketMissing):
            await mounts.delete(Bucket("nowhere"), forgotten)

    house.run(scenario)


def test_of_racing_makers_one_owns_the_bucket(house: House) -> None:
    async def scenario(mounts: Mounts) -> None:
        async def attempt(user: str) -> str:
            try:
                return (await mounts.create(MINE, user)).owner
            except BucketTaken:
                return ""

        async with asyncio.TaskGroup() as tasks:
            attempts = [tasks.create_task(attempt(f"user-{at}")) for at in range(10)]
        owners = [attempt.result() for attempt in attempts if attempt.result()]
        assert owners == [mounts.get(MINE).owner]

    house.run(scenario)


def test_tags_are_kept(house: House) -> None:
    tags = (("team", "blue"),)

    async def scenario(mounts: Mounts) -> None:
        await mounts.create(MINE, "alice")
        await mounts.set_tags(MINE, tags)
        await mounts.set_tags(DEMO, tags)

    async def kept(mounts: Mounts) -> None:
        assert mounts.get(MINE).tags == mounts.get(DEMO).tags == tags
        assert mounts.get(MINE).owner == "alice"

    house.run(scenario)
    house.run(kept)


def test_the_configuration_file_hides_a_made_bucket_of_the_same_name(house: House) -> None:
    async def make(mounts: Mounts) -> None:
        await put(await mounts.create(MINE, "alice"), b"k")

    async def hidden(mounts: Mounts) -> None:
        assert mounts.get(MINE).origin is Origin.FILE

    async def back(mounts: Mounts) -> None:
        assert mounts.get(MINE).origin is Origin.MADE
        assert (await mounts.get(MINE).backend.stat(Key(b"k"))).size == 1

    house.run(make)
    declared = house.config["mount"]
    house.config["mount"] = [{"bucket": "mine", "backend": "memory"}]
    house.run(hidden)
    house.config["mount"] = declared
    house.run(back)


def test_a_mount_that_cannot_be_opened_is_named(house: House) -> None:
    (house.root / "demo").write_bytes(b"a file")

    async def scenario(mounts: Mounts) -> None:
        raise AssertionError("opened")

    with pytest.raises(ConfigInvalid, match=f"^mount demo: {house.root}/demo: What lies there is no directory"):
        house.run(scenario)


def test_made_buckets_move_with_the_data_directory_around_them(tmp_path: Path) -> None:
    house = House(tmp_path / "before")
    house.configure_data_dir_around_buckets()

    async def make(mounts: Mounts) -> None:
        await put(await mounts.create(MINE, "alice"), b"k")

    async def look(mounts: Mounts) -> None:
        assert (await mounts.get(MINE).backend.stat(Key(b"k"))).size == 1

    house.run(make)
    house.root.rename(tmp_path / "after")
    house = House(tmp_path / "after")
    house.configure_data_dir_around_buckets()
    house.run(look)
    assert not (tmp_path / "before").exists()


def test_a_made_bucket_on_a_disk_that_is_not_there_is_left_out_and_not_made_anew(house: House) -> None:
    async def make(mounts: Mounts) -> None:
        await put(await mounts.create(MINE, "alice"), b"k")

    async def without(mounts: Mounts) -> None:
        assert mounts.find(MINE) is None

    async def look(mounts: Mounts) -> None:
        assert (await mounts.get(MINE).backend.stat(Key(b"k"))).size == 1

    house.run(make)
    buckets = house.root / "buckets"
    buckets.rename(house.root / "away")
    house.run(without)
    assert not buckets.exists()
    (house.root / "away").rename(buckets)
    house.run(look)


def test_a_made_bucket_whose_place_is_lost_does_not_keep_the_others(house: House) -> None:
    async def make(mounts: Mounts) -> None:
        await mounts.create(MINE, "alice")
        await mounts.create(Bucket("yours"), "bob")

    async def others(mounts: Mounts) -> None:
        assert [mount.bucket for mount in mounts.all()] == ["demo", "yours"]

    house.run(make)
    place = house.root / "buckets" / "mine"
    for path in sorted(place.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    place.rmdir()
    place.write_bytes(b"a file")
    house.run(others)
