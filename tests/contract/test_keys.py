"""Keys: held exactly as they are, or refused. Nothing between."""

import pytest

from gateway.backends.base import Completion, ListQuery, WriteSpec
from gateway.errors import KeyTooLong, KeyUnusable, ObjectMissing
from gateway.model import Key
from tests.contract.bodies import Sent, get, put
from tests.contract.stores import Store, asynchronous

TEXTS = [
    "a//b",
    "dir/",
    "/lead",
    "/",
    "//",
    "./d",
    "a/../b",
    "a/./b",
    "a/.",
    "a/..",
    ".",
    "..",
    "...",
    "a%2Fb",
    "A%41",
    "%zz",
    "a+b",
    "a b+é",
    "x~y",
    "q'()*!",
    "a\\b",
    "a?b#c",
    'q"z',
    "{x}|^",
    "`",
    "*",
    "[x]",
    "a:b",
    "a;b",
    "a&b=c",
    "=3D",
    "=d",
    "=m",
    "a=d/b",
    "x=",
    "end.",
    " lead",
    "trail ",
    "tab\t",
    "\x01x",
    "\x7f",
    "z\r\ny",
    "😀",
    "\uffee",
    "\u00e9",
    "e\u0301",
    "_temporary/x",
    ".forebay/x",
    ".forebay",
    ".forebayx",
    "a/.forebay/x",
    "c" * 255,
    "c" * 256,
    "d" * 255 + "/e",
    "d" * 256 + "/e",
    "é" * 200,
    "/".join(["s" * 100] * 10) + "/" + "t" * 14,
    "/" * 1024,
    "=" * 255,
]
KEYS = [text.encode() for text in TEXTS]


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
@asynchronous
async def test_a_key_works_exactly_or_is_refused(store: Store, key: bytes) -> None:
    async with store.opened() as backend:
        content = b"" if key.endswith(b"/") else b"content"
        try:
            written = await put(backend, key, content)
        except KeyUnusable:
            await _is_refused_everywhere(store, key)
            return
        assert await backend.stat(Key(key)) == written
        assert await get(backend, key) == content
        page = await backend.list(ListQuery())
        assert [entry.key for entry in page.entries] == [key]
        assert (page.entries[0].version, page.entries[0].etag) == (written.version, written.etag)
        page = await backend.list(ListQuery(prefix=key))
        assert [entry.key for entry in page.entries] == [key]
        await backend.delete(Key(key), written.version)
        assert await backend.list(ListQuery()) == await backend.list(ListQuery(prefix=b"nothing"))
        assert (await backend.list(ListQuery(delimiter=b"/"))).prefixes == ()


async def _is_refused_everywhere(store: Store, key: bytes) -> None:
    async with store.opened() as backend:
        for call in (
            backend.stat(Key(key)),
            backend.delete(Key(key), None),
            backend.begin_upload(Key(key), WriteSpec()),
        ):
            with pytest.raises(KeyUnusable):
                await call
        with pytest.raises(KeyUnusable):
            await get(backend, key)
        page = await backend.list(ListQuery())
        assert (page.entries, page.prefixes) == ((), ())
        assert (await backend.list(ListQuery(prefix=key))).entries == ()


@asynchronous
async def test_a_key_and_a_key_below_it_live_together_or_the_second_is_refused(store: Store) -> None:
    async with store.opened() as backend:
        for first, second in ((b"a", b"a/b"), (b"c/d", b"c")):
            await put(backend, first)
            try:
                await put(backend, second)
            except KeyUnusable:
                with pytest.raises(ObjectMissing):
                    await backend.stat(Key(second))
            else:
                assert await get(backend, second) == b"content"
                await backend.delete(Key(second), None)
            assert await get(backend, first) == b"content"
        assert [entry.key for entry in (await backend.list(ListQuery())).entries] == [b"a", b"c/d"]


@asynchronous
async def test_composed_and_decomposed_letters_are_two_keys(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, "\u00e9".encode(), b"composed")
        await put(backend, "e\u0301".encode(), b"decomposed")
        assert await get(backend, "\u00e9".encode()) == b"composed"
        assert await get(backend, "e\u0301".encode()) == b"decomposed"


@asynchronous
async def test_a_key_has_at_most_1024_bytes(store: Store) -> None:
    longest = b"/".join([b"k" * 100] * 10) + b"/" + b"l" * 14
    assert len(longest) == 1024
    async with store.opened() as backend:
        await put(backend, longest)
        assert await get(backend, longest) == b"content"
        with pytest.raises(KeyTooLong):
            await put(backend, longest + b"l")
        with pytest.raises(KeyTooLong):
            await backend.stat(Key(longest + b"l"))
        assert [entry.key for entry in (await backend.list(ListQuery())).entries] == [longest]


@pytest.mark.parametrize("key", [b"", b"a\0b"])
@asynchronous
async def test_no_store_holds_a_key_that_is_none(store: Store, key: bytes) -> None:
    async with store.opened() as backend:
        try:
            await put(backend, key)
        except KeyUnusable:
            assert (await backend.list(ListQuery())).entries == ()
        else:
            assert [entry.key for entry in (await backend.list(ListQuery())).entries] == [key]


@pytest.mark.parametrize("key", [b"a//b", b"dir/", b"./d", b"a=b/c", b"x y"])
@asynchronous
async def test_uploads_and_copies_take_the_same_keys_as_writes(store: Store, key: bytes) -> None:
    async with store.opened() as backend:
        source = await put(backend, b"source", b"")
        try:
            upload = await backend.begin_upload(Key(key), WriteSpec())
        except KeyUnusable:
            with pytest.raises(KeyUnusable):
                await backend.copy(Key(b"source"), source.version, Key(key), WriteSpec())
            return
        part = await backend.write_part(upload, 1, Sent(b""))
        await backend.complete_upload(upload, [part], Completion())
        assert await get(backend, key) == b""
        await backend.delete(Key(key), None)
        await backend.copy(Key(b"source"), source.version, Key(key), WriteSpec())
        assert [entry.key for entry in (await backend.list(ListQuery())).entries] == sorted([b"source", key])
