"""Listing: order, roll-up, cuts, pages, and what must not show."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.backends.base import Backend, ListQuery, WriteSpec
from gateway.errors import ArgumentInvalid, GatewayError
from gateway.model import Key
from tests.contract.bodies import put
from tests.contract.stores import Store, asynchronous

ORDER = [
    "l/A",
    "l/a",
    "l/a-",
    "l/a.",
    "l/a/b",
    "l/a0",
    "l/b/",
    "l/b/c",
    "l/é",
    "l/\uffee",
    "l/😀",
]


async def fill(backend: Backend, keys: list[bytes]) -> list[bytes]:
    """Writes the keys in an order that is not theirs; returns those the store can hold, sorted."""
    held = []
    for key in sorted(keys, key=lambda key: key[::-1]):
        try:
            await put(backend, key, b"" if key.endswith(b"/") else b"content")
        except GatewayError:
            continue
        held.append(key)
    return sorted(held)


async def listed(backend: Backend, query: ListQuery) -> tuple[list[bytes], list[bytes]]:
    page = await backend.list(query)
    assert page.token is None
    return [entry.key for entry in page.entries], list(page.prefixes)


async def paged(backend: Backend, query: ListQuery, limit: int) -> list[bytes]:
    """All items of the listing, page by page, each page checked to be one stretch."""
    items: list[bytes] = []
    token: str | None = None
    while True:
        page = await backend.list(ListQuery(query.prefix, query.delimiter, query.start_after, token=token, limit=limit))
        found = sorted([*(entry.key for entry in page.entries), *page.prefixes])
        assert len(found) == limit or page.token is None
        assert not items or not found or found[0] > items[-1]
        items += found
        token = page.token
        if token is None:
            return items


def model(keys: list[bytes], query: ListQuery) -> list[bytes]:
    """The listing by its definition: every key on its own, then rolled up."""
    items: list[bytes] = []
    for key in keys:
        if not key.startswith(query.prefix) or key <= query.start_after:
            continue
        rest = key[len(query.prefix) :]
        item = key
        if query.delimiter and query.delimiter in rest:
            item = query.prefix + rest[: rest.index(query.delimiter)] + query.delimiter
            if item == query.start_after:
                continue
        if items[-1:] != [item]:
            items.append(item)
    return items


@asynchronous
async def test_keys_come_in_the_order_of_their_bytes(store: Store) -> None:
    async with store.opened() as backend:
        held = await fill(backend, [key.encode() for key in ORDER])
        keys, prefixes = await listed(backend, ListQuery(prefix=b"l/"))
        assert keys == held
        assert prefixes == []
        assert len(held) >= len(ORDER) - 1


@pytest.mark.parametrize("delimiter", [b"/", b"-", b"ab", b"a", b"//", "é".encode()])
@pytest.mark.parametrize("prefix", [b"", b"l", b"l/", b"l/a", b"l/a/", b"m/", b"x"])
@asynchronous
async def test_keys_roll_up_at_any_delimiter(store: Store, delimiter: bytes, prefix: bytes) -> None:
    keys = [*(key.encode() for key in ORDER), b"l/cab/cab", b"l/cabin", b"l/ca", b"m/n/o/p", b"m/n/o/q", b"m/n-/r"]
    async with store.opened() as backend:
        held = await fill(backend, keys)
        query = ListQuery(prefix=prefix, delimiter=delimiter)
        found, prefixes = await listed(backend, query)
        assert sorted([*found, *prefixes]) == model(held, query)
        assert found == sorted(found)
        assert prefixes == sorted(prefixes)


@pytest.mark.parametrize("delimiter", [b"", b"/", b"-"])
@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
@asynchronous
async def test_pages_join_without_gap_or_double(store: Store, delimiter: bytes, limit: int) -> None:
    keys = [*(key.encode() for key in ORDER), b"a", b"b/c/d", b"b/c/e", b"b/c-", b"m/n/o/p", b"m/n/o/q", b"z/"]
    async with store.opened() as backend:
        held = await fill(backend, keys)
        for prefix in (b"", b"l/", b"b/c", b"m/"):
            query = ListQuery(prefix=prefix, delimiter=delimiter)
            assert await paged(backend, query, limit) == model(held, query)


@pytest.mark.parametrize(
    "start_after",
    [b"d", b"d/", b"d/b", b"d/b/", b"d/b/x", b"d/b/xx", b"d/c", b"d/~", b"e", b"zz", b"d//", b"d/../x", b"\xf0\x9f"],
)
@pytest.mark.parametrize("delimiter", [b"", b"/", b"b"])
@asynchronous
async def test_only_keys_after_the_cut_are_listed(store: Store, start_after: bytes, delimiter: bytes) -> None:
    async with store.opened() as backend:
        held = await fill(backend, [b"c", b"d/a", b"d/b/x", b"d/b/y", b"d/b0", b"d/c/z", b"e/f", b"g"])
        for prefix in (b"", b"d/", b"d/b"):
            query = ListQuery(prefix=prefix, delimiter=delimiter, start_after=start_after)
            assert await paged(backend, query, 2) == model(held, query)


@asynchronous
async def test_a_prefix_may_end_inside_a_name_or_be_a_key(store: Store) -> None:
    async with store.opened() as backend:
        await fill(backend, [b"data/part-1", b"data/part-2", b"data/pa", b"database"])
        assert await listed(backend, ListQuery(prefix=b"data/pa")) == ([b"data/pa", b"data/part-1", b"data/part-2"], [])
        assert await listed(backend, ListQuery(prefix=b"dat", delimiter=b"/")) == ([b"database"], [b"data/"])
        assert await listed(backend, ListQuery(prefix=b"data/pa", delimiter=b"/")) == (
            [b"data/pa", b"data/part-1", b"data/part-2"],
            [],
        )


@asynchronous
async def test_the_deepest_key_there_can_be_rolls_up_at_every_depth(store: Store) -> None:
    key = b"d/" * 511 + b"x"
    async with store.opened() as backend:
        await put(backend, key)
        assert await listed(backend, ListQuery()) == ([key], [])
        for depth in (0, 1, 255, 510):
            prefix = b"d/" * depth
            assert await listed(backend, ListQuery(prefix=prefix, delimiter=b"/")) == ([], [prefix + b"d/"])


@pytest.mark.parametrize("prefix", [b"", b"x", b"x/", b"/", b"../", b"a/../", b".forebay", b".forebay/", b"a//"])
@asynchronous
async def test_nothing_is_listed_where_nothing_is(store: Store, prefix: bytes) -> None:
    async with store.opened() as backend:
        assert await listed(backend, ListQuery(prefix=prefix)) == ([], [])
        assert await listed(backend, ListQuery(prefix=prefix, delimiter=b"/")) == ([], [])


@asynchronous
async def test_what_returned_is_in_the_next_list(store: Store) -> None:
    async with store.opened() as backend:
        for number in range(50):
            key = b"folder/%d" % number
            await put(backend, key)
            keys, _ = await listed(backend, ListQuery(prefix=b"folder/"))
            assert key in keys
            if number % 2:
                await backend.delete(Key(key), None)
                keys, _ = await listed(backend, ListQuery(prefix=b"folder/"))
                assert key not in keys


@asynchronous
async def test_odd_names_are_listed_as_they_are(store: Store) -> None:
    async with store.opened() as backend:
        odd = [b"\x01x", b"a%2Fb", b"a+b", b"a\nb", b"a\r\nb", b"tab\t", b"~", b"=3D", b"a=b/=c"]
        held = await fill(backend, odd)
        assert held == sorted(odd)
        assert await listed(backend, ListQuery()) == (held, [])


@asynchronous
async def test_no_directory_and_nothing_of_the_gateway_shows(store: Store) -> None:
    async with store.opened() as backend:
        await put(backend, b"a/b/c/object")
        await backend.set_tags(Key(b"a/b/c/object"), (("name", "value"),))
        await backend.begin_upload(Key(b"a/b/upload"), WriteSpec())
        assert await listed(backend, ListQuery()) == ([b"a/b/c/object"], [])
        assert await listed(backend, ListQuery(delimiter=b"/")) == ([], [b"a/"])
        await backend.delete(Key(b"a/b/c/object"), None)
        assert await listed(backend, ListQuery()) == ([], [])
        assert await listed(backend, ListQuery(delimiter=b"/")) == ([], [])


@pytest.mark.parametrize("token", ["", "%", "not-base64!", "YQ"])
@asynchronous
async def test_a_token_that_was_never_given_is_refused_or_ordinary(store: Store, token: str) -> None:
    async with store.opened() as backend:
        await put(backend, b"a")
        try:
            page = await backend.list(ListQuery(token=token))
        except ArgumentInvalid:
            return
        assert [entry.key for entry in page.entries] == [b"a"]


SEGMENTS = st.sampled_from(["a", "b", "a-", "a.", "ab", "é", "a=", "zz"])
KEYS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda segments: "/".join(segments).encode())


@given(
    keys=st.lists(KEYS, max_size=12, unique=True),
    prefix=st.one_of(st.just(b""), KEYS, KEYS.map(lambda key: key + b"/")),
    start_after=st.one_of(st.just(b""), KEYS, KEYS.map(lambda key: key + b"/")),
    delimiter=st.sampled_from([b"", b"/", b"a", b"-/"]),
    limit=st.integers(1, 5),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_listing_is_what_its_definition_says(
    store: Store, keys: list[bytes], prefix: bytes, start_after: bytes, delimiter: bytes, limit: int
) -> None:
    @asynchronous
    async def compare() -> None:
        async with store.opened() as backend:
            held = await fill(backend, keys)
            query = ListQuery(prefix=prefix, delimiter=delimiter, start_after=start_after)
            found = await paged(backend, query, limit)
            await backend.delete_batch([Key(key) for key in held])
            assert found == model(held, query)
            assert await listed(backend, ListQuery()) == ([], [])

    compare()
