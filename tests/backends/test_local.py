"""What only a directory does: found files, links, strange files, changes by others, leftovers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.backends.base import Backend, ListQuery, WriteSpec
from gateway.backends.etags import opaque_etag
from gateway.backends.local import LocalBackend
from gateway.backends.local.root import Root
from gateway.backends.local.temps import Temp
from gateway.config.places import LocalOptions
from gateway.errors import BackendUnavailable, KeyUnusable, ObjectMissing, RootMissing, StorageFull, VersionChanged
from gateway.model import MIB, ContentHeaders, IfAbsent, Key
from tests.contract.bodies import Sent, get, put
from tests.contract.stores import Store, asynchronous, local_escape, local_exact


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def store(root: Path) -> Store:
    return local_exact(root)


async def keys_of(backend: Backend, prefix: bytes = b"") -> list[bytes]:
    return [entry.key for entry in (await backend.list(ListQuery(prefix=prefix))).entries]


async def prefixes_of(backend: Backend) -> tuple[bytes, ...]:
    return (await backend.list(ListQuery(delimiter=b"/"))).prefixes


@asynchronous
async def test_a_found_file_has_an_opaque_etag_that_stays(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        (root / "found").write_bytes(b"content")
        info = await backend.stat(Key(b"found"))
        assert info.etag == opaque_etag(info.version)
        assert info.etag.endswith("-1")
        assert info.content == ContentHeaders()
        assert (await backend.list(ListQuery())).entries[0].etag == info.etag
    async with store.opened() as again:
        assert await again.stat(Key(b"found")) == info
        assert await get(again, b"found") == b"content"


@asynchronous
async def test_a_file_changed_by_others_is_a_found_file_again(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        written = await put(backend, b"object", b"content", WriteSpec(ContentHeaders("text/plain")))
        with (root / "object").open("r+b") as file:
            file.write(b"CONTENT")
        found = await backend.stat(Key(b"object"))
        assert found.version != written.version
        assert found.etag == opaque_etag(found.version)
        assert found.content == ContentHeaders()
        with pytest.raises(VersionChanged):
            await get(backend, b"object", None, written.version)


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
@asynchronous
async def test_a_file_changed_in_place_during_a_read_never_looks_whole(store: Store, root: Path, change: str) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", b"o" * (3 * MIB))
        async with backend.read(Key(b"object"), None, None) as reading:
            pieces = reading.pieces()
            received = len(await anext(pieces))
            with (root / "object").open("r+b") as file:
                file.truncate({"grow": 4, "shrink": 1, "rewrite": 3}[change] * MIB)
                file.write(b"n")
            try:
                while True:
                    received += len(await anext(pieces))
            except VersionChanged:
                assert received < 3 * MIB


@asynchronous
async def test_an_empty_directory_of_others_is_a_folder_object(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        (root / "a" / "empty").mkdir(parents=True)
        (root / "a" / "full").mkdir()
        (root / "a" / "full" / "x").touch()
        assert await keys_of(backend) == [b"a/empty/", b"a/full/x"]
        info = await backend.stat(Key(b"a/empty/"))
        assert (info.size, info.content.content_type) == (0, "application/x-directory")
        assert await get(backend, b"a/empty/") == b""
        await backend.delete(Key(b"a/empty/"), info.version)
        assert await keys_of(backend) == [b"a/full/x"]
        assert not (root / "a" / "empty").exists()


@asynchronous
async def test_a_folder_object_with_bytes_is_refused(store: Store) -> None:
    async with store.opened() as backend:
        with pytest.raises(KeyUnusable):
            await put(backend, b"dir/", b"content")
        assert await keys_of(backend) == []
        assert await prefixes_of(backend) == ()


@asynchronous
async def test_a_folder_object_with_bytes_is_held_where_keys_are_escaped(root: Path) -> None:
    async with local_escape(root).opened() as backend:
        await put(backend, b"dir/", b"content")
        await put(backend, b"dir/x", b"below")
        assert await get(backend, b"dir/") == b"content"
        assert await keys_of(backend) == [b"dir/", b"dir/x"]


@asynchronous
async def test_symlinks_inside_the_root_are_followed(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        await put(backend, b"data/object")
        (root / "file").symlink_to("data/object")
        (root / "folder").symlink_to("data")
        assert await keys_of(backend) == [b"data/object", b"file", b"folder/object"]
        assert await get(backend, b"folder/object") == b"content"
        await put(backend, b"folder/new", b"new")
        assert (root / "data" / "new").read_bytes() == b"new"
        await backend.delete(Key(b"file"), None)
        await put(backend, b"data/object", b"still there")
        assert await keys_of(backend) == [b"data/new", b"data/object", b"folder/new", b"folder/object"]


@asynchronous
async def test_no_symlink_leads_out_of_the_root(store: Store, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "root-outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    async with store.opened() as backend:
        (root / "file").symlink_to(outside / "secret")
        (root / "folder").symlink_to(outside)
        (root / "up").symlink_to("..")
        assert await keys_of(backend) == []
        assert await prefixes_of(backend) == ()
        assert await keys_of(backend, b"folder/") == []
        for key in (b"file", b"folder/secret", b"up/root-outside/secret"):
            with pytest.raises(ObjectMissing):
                await backend.stat(Key(key))
            with pytest.raises(ObjectMissing):
                await get(backend, key)
            await backend.delete(Key(key), None)
        for key in (b"folder/new", b"folder/deep/new", b"up/new"):
            with pytest.raises(KeyUnusable):
                await put(backend, key)
        assert [path.name for path in outside.iterdir()] == ["secret"]
        assert (outside / "secret").read_bytes() == b"secret"
        await put(backend, b"file", b"inside")
        assert (outside / "secret").read_bytes() == b"secret"
        assert await get(backend, b"file") == b"inside"


@asynchronous
async def test_symlinks_in_a_circle_are_not_walked(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        await put(backend, b"a/object")
        await put(backend, b"b/object")
        (root / "a" / "loop").symlink_to(".")
        (root / "a" / "top").symlink_to(root)
        (root / "a" / "to-b").symlink_to("../b")
        (root / "b" / "to-a").symlink_to("../a")
        (root / "self").symlink_to("self")
        assert await keys_of(backend) == [b"a/object", b"a/to-b/object", b"b/object", b"b/to-a/object"]


@asynchronous
async def test_only_regular_files_are_objects(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        os.mkfifo(root / "fifo")
        (root / "device").symlink_to("/dev/zero")
        (root / "dangling").symlink_to("nowhere")
        for key in (b"fifo", b"device", b"dangling"):
            with pytest.raises(ObjectMissing):
                await get(backend, key)
        assert await keys_of(backend) == []
        await backend.delete(Key(b"fifo"), None)
        assert (root / "fifo").exists()


@asynchronous
async def test_names_that_no_key_can_have_are_left_out(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        await put(backend, b"object")
        (Path(os.fsdecode(bytes(root) + b"/\xff\xfe"))).touch()
        deep = root.joinpath(*["d" * 200] * 6)
        deep.mkdir(parents=True)
        (deep / "x").touch()
        assert await keys_of(backend) == [b"object"]


@asynchronous
async def test_what_others_named_in_an_escaped_tree_is_left_out(root: Path) -> None:
    async with local_escape(root).opened() as backend:
        await put(backend, b"a=b/c")
        (root / "folder").mkdir()
        (root / "folder" / "x").touch()
        (root / "=zz").touch()
        (root / "=2e").touch()
        assert await keys_of(backend) == [b"a=b/c"]
        assert await prefixes_of(backend) == (b"a=b/",)


@asynchronous
async def test_a_directory_that_a_crash_left_shows_nowhere_and_blocks_nothing(root: Path) -> None:
    for store in (local_exact(root / "exact"), local_escape(root / "escape")):
        async with store.opened() as backend:
            await put(backend, b"a/b/object")
            for found in (root / store.name.removeprefix("local-")).rglob("object"):
                found.unlink()
            assert await keys_of(backend) == []
            assert await prefixes_of(backend) == ()
            with pytest.raises(ObjectMissing):
                await backend.stat(Key(b"a/b/"))
            await put(backend, b"a/b", b"content", WriteSpec(condition=IfAbsent()))
            assert await keys_of(backend) == [b"a/b"]


@asynchronous
async def test_leftovers_of_dead_writers_are_removed_and_living_ones_spared(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        await put(backend, b"object")
        temps = root / ".forebay" / "tmp"
        (temps / "leftover").write_bytes(b"x")
        (temps / "grave").mkdir()
        (temps / "grave" / "part").write_bytes(b"x")

        class Watched(Sent):
            async def pieces(self):  # type: ignore[no-untyped-def]  # the type is the base class's
                async for piece in super().pieces():
                    yield piece
                    async with store.opened():
                        assert len(list(temps.iterdir())) == 1

        await backend.write(Key(b"big"), Watched(b"b" * (2 * MIB)), WriteSpec())
        assert await get(backend, b"big") == b"b" * (2 * MIB)
        assert list(temps.iterdir()) == []


@asynchronous
async def test_nothing_stays_in_the_gateways_corner_after_writes(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", b"x" * (2 * MIB), WriteSpec(condition=IfAbsent()))
        await put(backend, b"object", b"y", WriteSpec(tags=tuple((f"t{n}", "v" * 250) for n in range(10)) * 3))
        await put(backend, b"object")
        await backend.delete(Key(b"object"), None)
        left = [path for path in (root / ".forebay").rglob("*") if path.is_file() and path.parent.name != "locks"]
        assert left == []


@asynchronous
async def test_a_root_that_vanished_is_told_apart_from_a_missing_object(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        root.rmdir()
        with pytest.raises(RootMissing):
            await backend.stat(Key(b"object"))
        with pytest.raises(RootMissing):
            await backend.list(ListQuery())
        with pytest.raises(RootMissing):
            await put(backend, b"object")
        with pytest.raises(RootMissing):
            await backend.delete(Key(b"a/object"), None)


@asynchronous
async def test_a_root_that_was_renamed_keeps_working(store: Store, root: Path) -> None:
    async with store.opened() as backend:
        await put(backend, b"a/object")
        root.rename(root.with_name("renamed"))
        assert await get(backend, b"a/object") == b"content"
        await put(backend, b"b/object")
        assert await keys_of(backend) == [b"a/object", b"b/object"]


@asynchronous
async def test_a_tree_that_cannot_be_written_is_read(store: Store, root: Path) -> None:
    root.mkdir()
    (root / "object").write_bytes(b"content")
    async with store.opened() as backend:
        assert await get(backend, b"object") == b"content"
        assert await keys_of(backend) == [b"object"]
        assert not (root / ".forebay").exists()


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    script = """
import asyncio, resource, signal, sys
from pathlib import Path
from tests.backends.test_local import write_beyond_the_limit
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
write_beyond_the_limit(Path(sys.argv[1]))
"""
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "root")], check=True, timeout=60)


@asynchronous
async def write_beyond_the_limit(root: Path) -> None:
    """Runs in a process whose files may not grow beyond 1 MiB."""
    from gateway.errors import ObjectTooLarge

    async with local_exact(root).opened() as backend:
        with pytest.raises((ObjectTooLarge, StorageFull)):
            await put(backend, b"a/object", b"x" * (3 * MIB))
        assert await keys_of(backend) == []
        assert await prefixes_of(backend) == ()
        assert list((root / ".forebay" / "tmp").iterdir()) == []


@asynchronous
async def test_versions_differ_though_the_file_number_comes_again(store: Store) -> None:
    async with store.opened() as backend:
        versions = set()
        for _ in range(300):
            versions.add((await put(backend, b"object", b"x")).version)
            await backend.delete(Key(b"object"), None)
        assert len(versions) == 300


def test_contents_stamped_at_once_have_different_times(root: Path) -> None:
    directory = Root(str(root))
    times = set()
    for _ in range(200):
        temp = Temp(directory)
        temp.append(b"x")
        times.add(temp.stamp().st_mtime_ns)
        temp.close()
    directory.close()
    assert len(times) == 200


def test_opening_makes_the_directory(tmp_path: Path) -> None:
    LocalBackend(str(tmp_path / "a" / "b"), LocalOptions())
    assert (tmp_path / "a" / "b").is_dir()


def test_a_root_that_cannot_be_opened_is_an_expected_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackendUnavailable, match="cannot be opened: File exists"):
        LocalBackend(str(tmp_path / "file"), LocalOptions())
