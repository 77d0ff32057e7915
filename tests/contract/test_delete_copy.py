"""Deleting and copying."""

import asyncio

import pytest

from gateway.backends.base import Backend, ListQuery, WriteSpec
from gateway.errors import ConditionFailed, KeyUnusable, ObjectMissing, VersionChanged
from gateway.model import MIB, ContentHeaders, IfAbsent, Key, Version
from tests.contract.bodies import get, put
from tests.contract.stores import Store, asynchronous


async def keys_of(backend: Backend) -> list[bytes]:
    return [entry.key for entry in (await backend.list(ListQuery())).entries]


@pytest.mark.parametrize("key", [b"object", b"a/b/c"])
@asynchronous
async def test_a_deleted_object_is_gone_and_may_be_deleted_again(store: Store, key: bytes) -> None:
    async with store.opened() as backend:
        await put(backend, key)
        for _ in range(2):
            await backend.delete(Key(key), None)
            with pytest.raises(ObjectMissing):
                await backend.stat(Key(key))
        assert await keys_of(backend) == []


@pytest.mark.parametrize("key", [b"absent", b"absent/deep", b"there/below", b"folder", b"folder/"])
@asynchronous
async def test_deleting_what_is_not_there_is_a_success(store: Store, key: bytes) -> None:
    async with store.opened() as backend:
        await put(backend, b"there")
        await put(backend, b"folder/object")
        await backend.delete(Key(key), None)
        await backend.delete(Key(key), Version(b"never was"))
        assert await keys_of(backend) == [b"folder/object", b"there"]


@asynchronous
async def test_a_pinned_delete_spares_other_versions(store: Store) -> None:
    async with store.opened() as backend:
        old = await put(backend, b"object", b"old")
        new = await put(backend, b"object", b"new")
        with pytest.raises(ConditionFailed):
            await backend.delete(Key(b"object"), old.version)
        assert await get(backend, b"object") == b"new"
        await backend.delete(Key(b"object"), new.version)
        assert await keys_of(backend) == []


@asynchronous
async def test_a_batch_of_a_thousand_deletes_what_is_there(store: Store) -> None:
    async with store.opened() as backend:
        for number in range(0, 1000, 10):
            await put(backend, b"batch/%d/%03d" % (number % 7, number))
        await put(backend, b"kept")
        keys = [Key(b"batch/%d/%03d" % (number % 7, number)) for number in range(1000)]
        assert list(await backend.delete_batch(keys)) == [None] * 1000
        assert await keys_of(backend) == [b"kept"]


@asynchronous
async def test_a_batch_tells_the_error_of_each_key(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"a")
        await put(backend, b"b")
        outcomes = await backend.delete_batch([Key(b"a"), Key(b".forebay/x"), Key(b"b")])
        assert [type(outcome) for outcome in outcomes] == [type(None), KeyUnusable, type(None)]
        assert await keys_of(backend) == []


@asynchronous
async def test_a_folder_object_and_what_lies_below_are_deleted_apart(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"dir/", b"")
        await put(backend, b"dir/x")
        assert await keys_of(backend) == [b"dir/", b"dir/x"]
        await backend.delete(Key(b"dir/x"), None)
        assert await keys_of(backend) == [b"dir/"]
        await put(backend, b"dir/x")
        await backend.delete(Key(b"dir/"), None)
        assert await keys_of(backend) == [b"dir/x"]
        with pytest.raises(ObjectMissing):
            await backend.stat(Key(b"dir/"))
        await backend.delete(Key(b"dir/x"), None)
        assert await keys_of(backend) == []
        assert (await backend.list(ListQuery(delimiter=b"/"))).prefixes == ()


@asynchronous
async def test_a_folder_object_is_an_object_like_others(store: Store) -> None:
    async with store.opened() as backend:
        spec = WriteSpec(ContentHeaders("application/x-directory"), (("name", "value"),), condition=IfAbsent())
        await put(backend, b"a/dir/x")
        info = await put(backend, b"a/dir/", b"", spec)
        assert await backend.stat(Key(b"a/dir/")) == info
        assert await get(backend, b"a/dir/") == b""
        with pytest.raises(ConditionFailed):
            await put(backend, b"a/dir/", b"", spec)
        await put(backend, b"a/dir/y")
        assert await backend.stat(Key(b"a/dir/")) == info
        assert await keys_of(backend) == [b"a/dir/", b"a/dir/x", b"a/dir/y"]
        assert (await backend.list(ListQuery(prefix=b"a/dir/", delimiter=b"/", limit=1))).entries[0].key == b"a/dir/"
        with pytest.raises(ConditionFailed):
            await backend.delete(Key(b"a/dir/"), Version(b"never was"))
        await backend.delete(Key(b"a/dir/"), info.version)
        assert await keys_of(backend) == [b"a/dir/x", b"a/dir/y"]


@asynchronous
async def test_a_write_beside_the_deletion_of_the_last_sibling_is_never_lost(store: Store) -> None:
    async with store.opened() as one, store.opened() as other:
        for number in range(100):
            await put(one, b"a/b/last")
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(one.delete(Key(b"a/b/last"), None))
                tasks.create_task(put(other, b"a/b/new", b"%d" % number))
            assert await keys_of(one) == [b"a/b/new"]
            assert await get(one, b"a/b/new") == b"%d" % number
            await other.delete(Key(b"a/b/new"), None)
            assert await keys_of(one) == []


@pytest.mark.parametrize("size", [0, 7, 3 * MIB])
@asynchronous
async def test_a_copy_has_the_bytes_and_what_it_is_told_to_keep(store: Store, size: int) -> None:
    async with store.opened() as backend:
        spec = WriteSpec(ContentHeaders("text/plain"), (("name", "value"),), (("tag", "1"),))
        source = await put(backend, b"source", b"s" * size, spec)
        copied = await backend.copy(Key(b"source"), source.version, Key(b"a/copy"), spec)
        assert await backend.stat(Key(b"a/copy")) == copied
        assert (copied.content, copied.metadata, copied.etag) == (spec.content, spec.metadata, source.etag)
        assert await get(backend, b"a/copy") == b"s" * size
        assert await backend.stat(Key(b"source")) == source
        if backend.capabilities.tags:
            assert await backend.tags(Key(b"a/copy")) == spec.tags


@asynchronous
async def test_a_copy_may_replace_headers_onto_itself(store: Store) -> None:
    async with store.opened() as backend:
        source = await put(backend, b"source", b"content", WriteSpec(ContentHeaders("text/plain"), (("a", "1"),)))
        replaced = WriteSpec(ContentHeaders("text/html"), (("b", "2"),))
        copied = await backend.copy(Key(b"source"), source.version, Key(b"source"), replaced)
        assert (copied.content, copied.metadata) == (replaced.content, replaced.metadata)
        assert await backend.stat(Key(b"source")) == copied
        assert await get(backend, b"source") == b"content"


@asynchronous
async def test_a_copy_of_a_changed_source_is_refused(store: Store) -> None:
    async with store.opened() as backend:
        source = await put(backend, b"source", b"old")
        await put(backend, b"source", b"new")
        with pytest.raises(VersionChanged):
            await backend.copy(Key(b"source"), source.version, Key(b"copy"), WriteSpec())
        with pytest.raises(ObjectMissing):
            await backend.copy(Key(b"absent"), source.version, Key(b"copy"), WriteSpec())
        assert await keys_of(backend) == [b"source"]


@asynchronous
async def test_a_conditional_copy_obeys(store: Store) -> None:
    async with store.opened() as backend:
        source = await put(backend, b"source", b"content")
        await put(backend, b"target", b"there")
        with pytest.raises(ConditionFailed):
            await backend.copy(Key(b"source"), source.version, Key(b"target"), WriteSpec(condition=IfAbsent()))
        assert await get(backend, b"target") == b"there"
        await backend.copy(Key(b"source"), source.version, Key(b"free"), WriteSpec(condition=IfAbsent()))
        assert await get(backend, b"free") == b"content"


@asynchronous
async def test_a_folder_object_may_be_copied(store: Store) -> None:
    async with store.opened() as backend:
        source = await put(backend, b"dir/", b"")
        await backend.copy(Key(b"dir/"), source.version, Key(b"copy/"), WriteSpec())
        await backend.copy(Key(b"dir/"), source.version, Key(b"plain"), WriteSpec())
        assert await keys_of(backend) == [b"copy/", b"dir/", b"plain"]
