"""Writing: all or nothing, conditions, what is kept beside the bytes."""

import asyncio
import hashlib
import random
from contextlib import suppress

import pytest

from gateway.backends.base import Backend, ListQuery, WriteSpec
from gateway.errors import BodyIncomplete, ConditionFailed, MetadataTooLarge, ObjectMissing, Unsupported
from gateway.model import (
    MIB,
    Algorithm,
    Checksum,
    ContentHeaders,
    IfAbsent,
    IfVersion,
    Key,
    Version,
)
from tests.contract.bodies import Broken, Sent, Stalled, get, put
from tests.contract.stores import Store, asynchronous

KIB_64 = 64 * 1024
SIZES = [0, 1, KIB_64 - 1, KIB_64, KIB_64 + 1, MIB - 1, MIB, MIB + 1, 9 * MIB]


async def keys_of(backend: Backend) -> list[bytes]:
    return [entry.key for entry in (await backend.list(ListQuery())).entries]


@pytest.mark.parametrize("size", SIZES)
@asynchronous
async def test_what_was_written_is_read(store: Store, size: int) -> None:
    async with store.opened() as backend:
        data = random.Random(size).randbytes(size)
        info = await put(backend, b"folder/object", data)
        assert info.size == size
        assert await get(backend, b"folder/object") == data
        assert await backend.stat(Key(b"folder/object")) == info


@pytest.mark.parametrize("piece_size", [1000, KIB_64])
@asynchronous
async def test_the_size_of_the_pieces_does_not_matter(store: Store, piece_size: int) -> None:
    async with store.opened() as backend:
        data = random.Random(2).randbytes(2 * MIB + 1)
        await backend.write(Key(b"object"), Sent(data, piece_size=piece_size), WriteSpec())
        assert await get(backend, b"object") == data


@asynchronous
async def test_new_content_is_a_new_version(store: Store) -> None:
    async with store.opened() as backend:
        versions = {(await put(backend, b"object", b"%5d" % number)).version for number in range(200)}
        assert len(versions) == 200


@pytest.mark.parametrize("size", [0, 10, 3 * MIB])
@pytest.mark.parametrize("good", [0, 1, 3])
@asynchronous
async def test_a_body_that_fails_changes_nothing(store: Store, size: int, good: int) -> None:
    async with store.opened() as backend:
        old = await put(backend, b"old/object", b"content")
        for key in (b"old/object", b"new/object"):
            with pytest.raises(BodyIncomplete):
                await backend.write(Key(key), Broken(b"x" * size, good=good), WriteSpec())
        assert await backend.stat(Key(b"old/object")) == old
        assert await get(backend, b"old/object") == b"content"
        assert await keys_of(backend) == [b"old/object"]
        assert (await backend.list(ListQuery(delimiter=b"/"))).prefixes == (b"old/",)


@pytest.mark.parametrize("size", [10, 3 * MIB])
@asynchronous
async def test_a_writer_that_is_cancelled_changes_nothing(store: Store, size: int) -> None:
    async with store.opened() as backend:
        old = await put(backend, b"old/object", b"content")
        for key in (b"old/object", b"new/object"):
            body = Stalled(b"x" * size)
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(backend.write(Key(key), body, WriteSpec()))
                await body.stalled.wait()
                writer.cancel()
        assert await backend.stat(Key(b"old/object")) == old
        assert await keys_of(backend) == [b"old/object"]


@asynchronous
async def test_a_writer_cancelled_at_any_time_has_written_all_or_nothing(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", b"old")
        for turns in range(60):
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(put(backend, b"object", b"new"))
                for _ in range(turns % 20):
                    await asyncio.sleep(0)
                writer.cancel()
            with suppress(asyncio.CancelledError):
                assert writer.result().size == 3
            info = await backend.stat(Key(b"object"))
            data = await get(backend, b"object", pin=info.version)
            assert info.etag == hashlib.md5(data).hexdigest()
            assert await keys_of(backend) == [b"object"]
            await put(backend, b"object", b"old")


@asynchronous
async def test_if_absent_writes_only_where_nothing_is(store: Store) -> None:
    async with store.opened() as backend:
        spec = WriteSpec(condition=IfAbsent())
        first = await put(backend, b"object", b"first", spec)
        with pytest.raises(ConditionFailed):
            await put(backend, b"object", b"second", spec)
        assert await backend.stat(Key(b"object")) == first
        await backend.delete(Key(b"object"), None)
        await put(backend, b"object", b"third", spec)
        assert await get(backend, b"object") == b"third"


@asynchronous
async def test_if_version_writes_only_over_that_version(store: Store) -> None:
    async with store.opened() as backend:
        first = await put(backend, b"object", b"first")
        second = await put(backend, b"object", b"second", WriteSpec(condition=IfVersion(first.version)))
        for version in (first.version, Version(b"never was")):
            with pytest.raises(ConditionFailed):
                await put(backend, b"object", b"third", WriteSpec(condition=IfVersion(version)))
        assert await backend.stat(Key(b"object")) == second
        with pytest.raises(ConditionFailed):
            await put(backend, b"absent/object", b"third", WriteSpec(condition=IfVersion(first.version)))
        assert await keys_of(backend) == [b"object"]
        assert (await backend.list(ListQuery(delimiter=b"/"))).prefixes == ()


@asynchronous
async def test_of_racing_creators_one_wins(store: Store) -> None:
    async with store.opened() as one, store.opened() as other:
        for number in range(20):
            key = Key(b"folder/%d" % number)
            outcomes = await _race(
                [(one, b"one", WriteSpec(condition=IfAbsent())), (other, b"other", WriteSpec(condition=IfAbsent()))],
                key,
            )
            assert sorted(outcomes.values()) == [False, True]
            (winner,) = (name for name, won in outcomes.items() if won)
            assert await get(one, key) == winner


@asynchronous
async def test_of_racing_replacers_one_wins(store: Store) -> None:
    async with store.opened() as one, store.opened() as other:
        current = await put(one, b"object", b"start")
        for _ in range(20):
            spec = WriteSpec(condition=IfVersion(current.version))
            outcomes = await _race([(one, b"one", spec), (other, b"other", spec)], Key(b"object"))
            assert sorted(outcomes.values()) == [False, True]
            (winner,) = (name for name, won in outcomes.items() if won)
            assert await get(one, b"object") == winner
            current = await one.stat(Key(b"object"))


async def _race(writers: list[tuple[Backend, bytes, WriteSpec]], key: Key) -> dict[bytes, bool]:
    async def won(backend: Backend, data: bytes, spec: WriteSpec) -> bool:
        try:
            await put(backend, key, data, spec)
        except ConditionFailed:
            return False
        return True

    async with asyncio.TaskGroup() as tasks:
        running = {data: tasks.create_task(won(backend, data, spec)) for backend, data, spec in writers}
    return {data: task.result() for data, task in running.items()}


@asynchronous
async def test_content_headers_are_kept_verbatim(store: Store) -> None:
    async with store.opened() as backend:
        content = ContentHeaders(
            content_type="text/html; charset=utf-8",
            cache_control="max-age=60, public",
            content_disposition='attachment; filename="\xe9.html"',
            content_encoding="br",
            content_language="de, en",
            expires="Wed, 21 Oct 2037 07:28:00 GMT",
        )
        await put(backend, b"object", b"content", WriteSpec(content))
        assert (await backend.stat(Key(b"object"))).content == content
        await put(backend, b"object", b"content")
        assert (await backend.stat(Key(b"object"))).content == ContentHeaders()


@pytest.mark.parametrize(
    "metadata",
    [
        (("a-dash", "1"), ("an_underscore", "2"), ("plain", "3")),
        (("0digit", "zero"),),
        (("utf8", "é 😀".encode().decode("latin-1")),),
        (("empty", ""), ("quoted", '"\\')),
        (("big", "x" * 2000),),
    ],
)
@asynchronous
async def test_user_metadata_is_kept_verbatim(store: Store, metadata: tuple[tuple[str, str], ...]) -> None:
    async with store.opened() as backend:
        await put(backend, b"object", b"content", WriteSpec(metadata=metadata))
        assert (await backend.stat(Key(b"object"))).metadata == metadata


@asynchronous
async def test_metadata_over_the_limit_is_refused(store: Store) -> None:
    async with store.opened() as backend:
        limit = backend.capabilities.metadata_max
        await put(backend, b"object", b"content", WriteSpec(metadata=(("n", "x" * (limit - 1)),)))
        assert len((await backend.stat(Key(b"object"))).metadata[0][1]) == limit - 1
        with pytest.raises(MetadataTooLarge):
            await put(backend, b"other", b"content", WriteSpec(metadata=(("n", "x" * limit),)))
        assert await keys_of(backend) == [b"object"]


@asynchronous
async def test_what_is_kept_beside_the_bytes_may_be_bigger_than_an_attribute(store: Store) -> None:
    async with store.opened() as backend:
        metadata = (("n", "\xe9" * (backend.capabilities.metadata_max - 1)),)
        tags = tuple(sorted((f"tag{number}", "😀" * 120) for number in range(10)))
        for data in (b"first", b"second"):
            info = await put(backend, b"folder/object", data, WriteSpec(ContentHeaders("a" * 900), metadata, tags))
            assert await backend.stat(Key(b"folder/object")) == info
            assert info.metadata == metadata
            if backend.capabilities.tags:
                assert await backend.tags(Key(b"folder/object")) == tags
        await backend.delete(Key(b"folder/object"), None)
        await put(backend, b"folder/object")
        assert (await backend.stat(Key(b"folder/object"))).metadata == ()


@asynchronous
async def test_a_proven_checksum_is_kept(store: Store) -> None:
    async with store.opened() as backend:
        if not (await backend.probe()).checksums:
            return
        checksum = Checksum(Algorithm.SHA256, hashlib.sha256(b"content").digest())
        info = await backend.write(Key(b"object"), Sent(b"content", checksum), WriteSpec())
        assert info.checksum == checksum
        assert (await backend.stat(Key(b"object"))).checksum == checksum
        assert (await backend.list(ListQuery())).entries[0].checksum in (checksum, None)


@asynchronous
async def test_an_etag_of_32_hex_digits_is_the_md5(store: Store) -> None:
    async with store.opened() as backend:
        for data in (b"", b"content", b"x" * (2 * MIB)):
            etag = (await put(backend, b"object", data)).etag
            assert etag == hashlib.md5(data).hexdigest() or etag.endswith("-1")


@asynchronous
async def test_readers_during_overwrites_see_old_or_new(store: Store) -> None:
    async with store.opened() as backend:
        contents = [bytes([number]) * (MIB + number) for number in range(8)]
        await put(backend, b"object", contents[0])
        done = asyncio.Event()

        async def read() -> int:
            count = 0
            while not done.is_set():
                async with backend.read(Key(b"object"), None, None) as reading:
                    data = b"".join([bytes(piece) async for piece in reading.pieces()])
                    assert len(data) == reading.info.size
                assert data in contents
                count += 1
                await asyncio.sleep(0)
            return count

        async def write() -> None:
            for content in contents:
                await put(backend, b"object", content)
                await asyncio.sleep(0)
            done.set()

        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(read()) for _ in range(3)]
            tasks.create_task(write())
        assert sum(reader.result() for reader in readers) > 3


@asynchronous
async def test_tags_change_without_a_new_version(store: Store) -> None:
    async with store.opened() as backend:
        if not backend.capabilities.tags:
            with pytest.raises(Unsupported):
                await backend.tags(Key(b"object"))
            return
        info = await put(backend, b"object", b"content", WriteSpec(tags=(("a", "1"),)))
        assert await backend.tags(Key(b"object")) == (("a", "1"),)
        await backend.set_tags(Key(b"object"), (("b", "2"), ("ü", "ж")))
        assert await backend.tags(Key(b"object")) == (("b", "2"), ("ü", "ж"))
        tagged = await backend.stat(Key(b"object"))
        # Some stores take a change of tags for a modification, which shows in the time.
        assert (tagged.version, tagged.etag, tagged.size) == (info.version, info.etag, info.size)
        await backend.set_tags(Key(b"object"), ())
        assert await backend.tags(Key(b"object")) == ()
        await put(backend, b"object", b"content", WriteSpec(tags=(("c", "3"),)))
        await put(backend, b"object", b"content")
        assert await backend.tags(Key(b"object")) == ()


@asynchronous
async def test_a_missing_object_has_no_tags(store: Store) -> None:
    async with store.opened() as backend:
        if not backend.capabilities.tags:
            return
        with pytest.raises(ObjectMissing):
            await backend.tags(Key(b"absent"))
        with pytest.raises(ObjectMissing):
            await backend.set_tags(Key(b"absent"), (("a", "1"),))


@asynchronous
async def test_probing_leaves_nothing_behind(store: Store) -> None:
    async with store.opened() as backend:
        assert await backend.probe() == backend.capabilities
        assert await keys_of(backend) == []
