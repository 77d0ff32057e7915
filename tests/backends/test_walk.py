"""The walk over directories lists as a sorted set of keys does, and opens no directory in vain."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.base import Entry, ListPage, ListQuery
from gateway.backends.listing import page_of, roller
from gateway.backends.walk import Walk
from gateway.model import ETag, Key, Version


def entry_of(key: bytes) -> Entry:
    return Entry(Key(key), Version(key), 0, 0, ETag(""))


class FakeTree:
    """The directories that a set of keys makes."""

    def __init__(self, keys: set[bytes], empty: set[bytes] = frozenset()) -> None:  # type: ignore[assignment]
        self._keys = keys
        self._empty = empty
        self.opened: list[bytes] = []

    def names(self, folder: bytes, start: bytes) -> Iterator[bytes]:
        self.opened.append(folder)
        rests = [key[len(folder) :] for key in self._keys | self._empty if key.startswith(folder)]
        names = {rest[: rest.find(b"/") + 1] or rest for rest in rests}
        if folder in self._empty:
            names.discard(b"")
        yield from sorted(name for name in names if name >= start)

    def holds_keys(self, folder: bytes) -> bool:
        return any(key.startswith(folder) for key in self._keys)

    def entry(self, key: Key) -> Entry | None:
        return entry_of(key)


class SortedKeys:
    def __init__(self, keys: set[bytes]) -> None:
        self._keys = sorted(keys)

    def first(self, start: bytes) -> bytes | None:
        return next((key for key in self._keys if key >= start), None)

    def entry(self, key: Key) -> Entry | None:
        return entry_of(key)


def walked(tree: FakeTree, query: ListQuery) -> ListPage:
    return page_of(Walk(tree, query.prefix, roller(query)), query)


SEGMENTS = st.sampled_from(["a", "b", "a-", "a.", "ab", "é", "zz"])
PATHS = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda segments: "/".join(segments).encode())
KEYS = st.one_of(PATHS, PATHS.map(lambda path: path + b"/"))
QUERIES = st.builds(
    ListQuery,
    prefix=st.one_of(st.just(b""), KEYS, KEYS.map(lambda key: key[:-1])),
    delimiter=st.sampled_from([b"", b"/", b"a", b"-/", b"b/a", b"//"]),
    start_after=st.one_of(st.just(b""), KEYS, KEYS.map(lambda key: key[:-1]), st.binary(max_size=3)),
    limit=st.integers(1, 4),
)


@given(keys=st.sets(KEYS, max_size=15), empty=st.sets(PATHS.map(lambda path: path + b"/"), max_size=4), query=QUERIES)
def test_walking_directories_gives_the_pages_of_the_sorted_keys(
    keys: set[bytes], empty: set[bytes], query: ListQuery
) -> None:
    tree, source = FakeTree(keys, empty - keys), SortedKeys(keys)
    while True:
        page = walked(tree, query)
        assert page == page_of(source, query)
        if page.token is None:
            return
        query = ListQuery(query.prefix, query.delimiter, query.start_after, page.token, query.limit)


def test_a_deep_start_opens_only_the_directories_on_its_way() -> None:
    keys = {b"%02d/%02d/%02d" % (one, two, three) for one in range(20) for two in range(20) for three in range(3)}
    tree = FakeTree(keys)
    page = walked(tree, ListQuery(start_after=b"10/10/01", limit=1))
    assert [entry.key for entry in page.entries] == [b"10/10/02"]
    assert tree.opened == [b"", b"10/", b"10/10/", b"10/11/"]


def test_a_prefix_opens_only_its_own_directory() -> None:
    tree = FakeTree({b"a/%d/x" % number for number in range(20)} | {b"b/x"})
    page = walked(tree, ListQuery(prefix=b"a/7/"))
    assert [entry.key for entry in page.entries] == [b"a/7/x"]
    assert tree.opened == [b"a/7/"]


def test_a_delimiter_opens_no_directory_that_rolls_up() -> None:
    tree = FakeTree({b"a/%d/x" % number for number in range(20)})
    page = walked(tree, ListQuery(prefix=b"a/", delimiter=b"/", limit=10))
    assert len(page.prefixes) == 10
    assert tree.opened == [b"a/"]


def test_a_cut_inside_a_rolled_up_directory_looks_into_it() -> None:
    tree = FakeTree({b"a/1", b"a/2", b"b/1"})
    assert walked(tree, ListQuery(delimiter=b"/", start_after=b"a/1")).prefixes == (b"a/", b"b/")
    assert walked(tree, ListQuery(delimiter=b"/", start_after=b"a/2")).prefixes == (b"b/",)
