"""Both sorted maps keep the same promises, and a map on a disk outlives what it must."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.kv import Kv, KvCorrupt, KvFailed, KvStalled, SharedCache
from gateway.model import MIB
from tests.fakes.kv import Maps

Opener = Callable[[Path], Kv]

OPENERS: dict[str, Callable[[], Opener]] = {
    "rocks": lambda: SharedCache.of(8 * MIB).opened,
    "sorted": lambda: Maps().opened,
}
KEYS = st.binary(min_size=1, max_size=4)
WRITES = st.lists(st.lists(st.tuples(KEYS, st.none() | st.binary(min_size=1, max_size=8)), max_size=8), max_size=8)


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> Opener:
    return OPENERS[request.param]()


@pytest.fixture
def kv(opener: Opener, tmp_path: Path) -> Iterator[Kv]:
    opened = opener(tmp_path / "idx")
    yield opened
    opened.close()


def test_what_is_written_is_found_and_what_is_deleted_is_not(kv: Kv) -> None:
    kv.write([(b"a", b"1"), (b"b", b"2")])
    kv.write([(b"a", None), (b"c", b"3"), (b"absent", None)])
    assert kv.get(b"a") is None
    assert kv.get_many([b"c", b"a", b"b", b"b"]) == [b"3", None, b"2", b"2"]
    assert kv.get_many([]) == []


def test_a_later_item_of_one_write_wins(kv: Kv) -> None:
    kv.write([(b"a", b"1"), (b"a", b"2"), (b"b", b"1"), (b"b", None)])
    assert kv.get_many([b"a", b"b"]) == [b"2", None]


def test_a_scan_gives_its_prefix_in_order_across_slices(kv: Kv) -> None:
    keys = [b"s" + number.to_bytes(2, "big") for number in range(600)]
    kv.write([(key, b"v") for key in reversed(keys)])
    kv.write([(b"r", b"before"), (b"t", b"behind")])
    assert [key for key, _ in kv.scan(b"s")] == keys
    assert list(kv.scan(b"x")) == []


def test_items_may_be_deleted_while_they_are_scanned(kv: Kv) -> None:
    keys = [b"s" + number.to_bytes(2, "big") for number in range(600)]
    kv.write([(key, b"v") for key in keys])
    for key, _ in kv.scan(b"s"):
        kv.write([(key, None)])
    assert list(kv.scan(b"s")) == []


def test_a_map_that_was_closed_opens_again_with_all_it_held(opener: Opener, tmp_path: Path) -> None:
    kv = opener(tmp_path / "idx")
    kv.write([(b"a", b"1")])
    rows = kv.scan(b"")
    next(rows)  # an iterator in the middle of its work must not keep the files
    kv.sync()
    kv.flush()
    kv.write([(b"b", b"2")])
    kv.close()
    again = opener(tmp_path / "idx")
    assert list(again.scan(b"")) == [(b"a", b"1"), (b"b", b"2")]
    again.close()


def test_its_size_grows_with_what_it_holds(kv: Kv) -> None:
    before = kv.size()
    for part in range(32):
        kv.write([(b"%d/%d" % (part, number), bytes(1 + number % 7) * 512) for number in range(64)])
    kv.flush()
    assert kv.size() > before


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(writes=WRITES)
def test_both_maps_hold_the_same_after_the_same_writes(
    tmp_path_factory: pytest.TempPathFactory, writes: list[list[tuple[bytes, bytes | None]]]
) -> None:
    maps = [make()(tmp_path_factory.mktemp("maps") / "idx") for make in OPENERS.values()]
    for items in writes:
        for kv in maps:
            kv.write(items)
    keys = [key for items in writes for key, _ in items]
    first, second = (list(kv.scan(b"")) for kv in maps)
    assert first == second
    assert maps[0].get_many(keys) == maps[1].get_many(keys) == [maps[0].get(key) for key in keys]
    for kv in maps:
        kv.close()


def test_a_second_opener_of_the_same_files_is_refused(tmp_path: Path) -> None:
    cache = SharedCache.of(8 * MIB)
    kv = cache.opened(tmp_path / "idx")
    with pytest.raises(KvFailed):
        cache.opened(tmp_path / "idx")
    kv.close()
    with pytest.raises(KvFailed):
        kv.get(b"a")


@pytest.mark.parametrize("victim", ["CURRENT", "MANIFEST"])
def test_a_damaged_map_says_so_and_is_not_taken_for_an_empty_one(tmp_path: Path, victim: str) -> None:
    cache = SharedCache.of(8 * MIB)
    kv = cache.opened(tmp_path / "idx")
    kv.write([(b"a", b"1")])
    kv.close()
    [file] = [path for path in (tmp_path / "idx").iterdir() if path.name.startswith(victim)]
    file.write_bytes(b"\xff" * 64)
    with pytest.raises(KvCorrupt):
        cache.opened(tmp_path / "idx")


def test_a_path_that_speaks_of_a_stall_is_none(tmp_path: Path) -> None:
    directory = tmp_path / "installed" / "idx"
    directory.parent.mkdir()
    kv = SharedCache.of(MIB).opened(directory)
    with pytest.raises(KvFailed) as taken:
        SharedCache.of(MIB).opened(directory)
    assert not isinstance(taken.value, KvStalled)
    kv.close()
