"""Rules: what is forgotten of many objects at once stays forgotten, whatever comes after."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Bucket, Key
from gateway.store import rules
from gateway.store.rules import Rules
from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, Small, body, info_of, name

SIZE = 1000
BUCKETS = [Bucket("one"), Bucket("two")]
LETTERS = "abc\xff"
PREFIXES = st.text(LETTERS, max_size=4).map(lambda text: text.encode("latin-1"))
KEYS = [Key((first + second + "a").encode("latin-1")) for first in LETTERS for second in LETTERS]
NAMES = [(bucket, key) for bucket in BUCKETS for key in KEYS]
CHANGES = st.tuples(st.sampled_from(["purge", "invalidate"]), st.sampled_from(BUCKETS), PREFIXES, st.integers(1, 50))


def changed(before: Rules, change: tuple[str, Bucket, bytes, int]) -> Rules:
    kind, bucket, prefix, now_s = change
    return before.purged(bucket, prefix, now_s) if kind == "purge" else before.invalidated(bucket, prefix, now_s)


@settings(max_examples=60, deadline=None)
@given(changes=st.lists(CHANGES, max_size=150))
def test_what_was_to_be_forgotten_stays_forgotten_by_whatever_comes_after(
    changes: list[tuple[str, Bucket, bytes, int]],
) -> None:
    now = Rules()
    serials = dict.fromkeys(NAMES, 0)
    distrusted: dict[tuple[Bucket, Key], int] = {}
    for change in changes:
        kind, bucket, prefix, now_s = change
        now = rules.parse(changed(now, change).pack())
        assert all(len(of_bucket) <= rules.PREFIXES_MAX for of_bucket in now.buckets.values())
        for each in NAMES:
            covered = each[0] == bucket and each[1].startswith(prefix)
            serial, before = now.serial_of(*each), serials[each]
            assert serial >= before, "a name never comes back"
            assert serial > before or not (covered and kind == "purge")
            if serial > before:
                distrusted.pop(each, None)
            if covered and kind == "invalidate":
                distrusted[each] = max(now_s, distrusted.get(each, 0))
            assert now.distrusted_s(*each) >= distrusted.get(each, 0) or serial == now.serial
            serials[each] = serial


@given(changes=st.lists(CHANGES, max_size=30))
def test_few_rules_forget_nothing_that_they_do_not_name(changes: list[tuple[str, Bucket, bytes, int]]) -> None:
    now = Rules()
    for change in changes:
        kind, bucket, prefix, _ = change
        before, now = now, changed(now, change)
        for each in NAMES:
            if each[0] != bucket or not each[1].startswith(prefix):
                assert now.serial_of(*each) == before.serial_of(*each)
                assert now.distrusted_s(*each) == before.distrusted_s(*each)
            elif kind == "invalidate":
                assert now.serial_of(*each) == before.serial_of(*each)


def test_many_invalidations_become_one_of_the_bucket_and_cost_no_block() -> None:
    now = Rules().purged(BUCKETS[0], b"p", 1)
    for number in range(rules.PREFIXES_MAX):
        now = now.invalidated(BUCKETS[0], b"%d/" % number, 7)
    assert now.distrusted_s(BUCKETS[0], Key(b"other")) == 7
    assert now.serial_of(BUCKETS[0], Key(b"other")) == 0
    assert now.serial_of(BUCKETS[0], Key(b"p")) == 1


def test_rules_of_too_many_buckets_become_a_purge_of_everything() -> None:
    now = Rules()
    for number in range(rules.BUCKETS_MAX + 1):
        now = now.purged(Bucket(f"b{number}"), b"", 1)
    assert now.serial_of(Bucket("never-named"), Key(b"k")) == now.serial == now.floor
    later = now.purged(BUCKETS[0], b"a", 1)
    assert later.serial_of(BUCKETS[0], Key(b"b")) == now.serial
    assert later.serial_of(BUCKETS[0], Key(b"a")) > now.serial


def test_a_clock_that_is_wrong_uses_up_no_serials() -> None:
    for now_s in (0, 1 << 33):
        now = Rules().purged(BUCKETS[0], b"", now_s).invalidated(BUCKETS[0], b"", now_s).purged(BUCKETS[0], b"a", now_s)
        assert rules.parse(now.pack()) == now
        assert 0 < now.serial_of(BUCKETS[0], Key(b"b")) < now.serial_of(BUCKETS[0], Key(b"a")) < 1 << 32
        assert 0 < rules.lost(now_s).floor < 1 << 32


@given(changes=st.lists(CHANGES, min_size=1, max_size=5), at=st.integers(0), to=st.integers(0, 255))
def test_damaged_rules_are_noticed(changes: list[tuple[str, Bucket, bytes, int]], at: int, to: int) -> None:
    now = Rules()
    for change in changes:
        now = changed(now, change)
    packed = bytearray(now.pack())
    packed[at % len(packed)] = to
    try:
        assert rules.parse(bytes(packed)) == now
    except rules.RulesDamaged:
        assert packed != now.pack()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"7", b'{"crc32c": 1}', b"\xff"])
def test_what_is_no_rules_is_damaged(content: bytes) -> None:
    with pytest.raises(rules.RulesDamaged):
        rules.parse(content)


@asynchronous
async def test_nothing_kept_before_a_purge_is_found_after_it(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        for key in ("a/1", "a/2", "b/1"):
            await small.keep(key, 1, SIZE)
        before = small.content("a/1", 1, SIZE)
        await small.store.purge(BUCKET, b"a/")
        assert small.store.known(BUCKET, name("a/1")) is None
        assert small.store.held(BUCKET, name("a/2")) is None
        assert small.store.known(BUCKET, name("b/1")) is not None
        assert await small.read(small.content("a/1", 1, SIZE)) is None
        assert await small.read(before) == body("a/1", 1, 0, SIZE), "who reads it already goes on"
        assert await small.keep("a/1", 1, SIZE)
        assert await small.read(small.content("a/1", 1, SIZE)) == body("a/1", 1, 0, SIZE)


@asynchronous
@pytest.mark.parametrize("boot", ["boot-1", "boot-2"])
async def test_a_purge_outlives_kill_and_power_loss(tmp_path: Path, boot: str) -> None:
    small = Small(tmp_path / "0", tmp_path / "1")
    await small.open()
    for number in range(8):
        await small.keep(f"a/{number}", 1, SIZE)
    await small.store.purge(BUCKET, b"a/")
    await small.keep("a/0", 2, SIZE)
    await small.kill()
    small.files.boot = boot
    async with small:
        for number in range(1, 8):
            assert small.store.known(BUCKET, name(f"a/{number}")) is None
        assert await small.read(small.content("a/0", 2, SIZE)) == body("a/0", 2, 0, SIZE)


@asynchronous
async def test_what_was_on_its_way_when_it_was_purged_is_not_found(tmp_path: Path) -> None:
    async with Small(tmp_path) as small, asyncio.TaskGroup() as tasks:
        content, known = small.content("k", 1, SIZE), small.known("k", 1, SIZE)
        keeping = tasks.create_task(small.store.keep(content, 0, body("k", 1, 0, SIZE), known))
        await asyncio.sleep(0)
        await small.store.purge(BUCKET)
        assert await keeping
        assert small.store.known(BUCKET, name("k")) is None
        assert await small.read(small.content("k", 1, SIZE)) is None


@asynchronous
async def test_an_invalidated_info_is_asked_once_and_its_bytes_stay(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("a/1", 1, SIZE)
        await small.keep("b/1", 1, SIZE)
        known, other = small.known("a/1", 1, SIZE), small.known("b/1", 1, SIZE)
        await small.store.invalidate(BUCKET, b"a/")
        held = small.store.held(BUCKET, name("a/1"))
        assert small.store.known(BUCKET, name("a/1")) == replace(known, validated_s=0)
        assert held is not None
        assert held.known.validated_s == 0
        assert small.store.known(BUCKET, name("b/1")) == other
        small.clock.advance(1)
        small.store.refresh([(BUCKET, name("a/1"), known.info)], int(small.clock.now_s()))
        assert small.store.known(BUCKET, name("a/1")) == small.known("a/1", 1, SIZE)
        assert await small.read(small.content("a/1", 1, SIZE)) == body("a/1", 1, 0, SIZE)


@asynchronous
async def test_an_answer_to_a_question_of_before_is_not_trusted_after_an_invalidation(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        asked = small.known("k", 1, SIZE)
        small.clock.advance(5)
        await small.store.invalidate(BUCKET)
        await small.store.install(BUCKET, name("k"), asked)
    async with small:
        assert small.store.known(BUCKET, name("k")) == replace(asked, validated_s=0)


@asynchronous
async def test_a_disk_that_lacks_the_newest_rules_is_given_them_and_trusts_nothing(tmp_path: Path) -> None:
    small = Small(tmp_path / "0", tmp_path / "1")
    async with small:
        kept = {f"k{number}": small.known(f"k{number}", 1, SIZE) for number in range(32)}
        for key in kept:
            await small.keep(key, 1, SIZE)
        in_the_way = tmp_path / "0" / "RULES.new"
        in_the_way.mkdir()
        await small.store.purge(BUCKET, b"z")
        in_the_way.rmdir()
        assert not (tmp_path / "0" / "RULES").exists()
        assert all(small.store.known(BUCKET, name(key)) == known for key, known in kept.items())
    async with small:
        there = [small.store.known(BUCKET, name(key)) for key in kept]
        assert any(known is not None and known.validated_s == 0 for known in there)
        assert (tmp_path / "0" / "RULES").read_bytes() == (tmp_path / "1" / "RULES").read_bytes()


@asynchronous
async def test_a_store_that_cannot_say_what_to_forget_knows_nothing(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
        await small.store.purge(BUCKET, b"z")
    (tmp_path / "RULES").write_bytes(b"{")
    async with small:
        assert small.store.known(BUCKET, name("k")) is None
        assert await small.keep("k", 1, SIZE)
    async with small:
        assert small.store.known(BUCKET, name("k")) == small.known("k", 1, SIZE)


@asynchronous
async def test_a_purge_costs_the_same_for_any_number_of_objects(tmp_path: Path) -> None:
    operations = []
    for count in (2, 60):
        async with Small(tmp_path / str(count)) as small:
            for number in range(count):
                await small.store.install(BUCKET, name(f"k{number}"), small.known(f"k{number}", 1, SIZE))
            rows = [list(kv.scan(b"")) for kv in small.maps_open]
            before = small.files.operations
            await small.store.purge(BUCKET)
            operations.append(small.files.operations - before)
            assert rows == [list(kv.scan(b"")) for kv in small.maps_open]
            assert small.store.known(BUCKET, name("k0")) is None
    assert operations[0] == operations[1]


@asynchronous
async def test_a_purge_whose_caller_leaves_is_in_force_all_the_same(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
        async with asyncio.TaskGroup() as tasks:
            purging = tasks.create_task(small.store.purge(BUCKET))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            purging.cancel()
        assert small.store.known(BUCKET, name("k")) is None
        await small.store.purge(BUCKET, b"other")
    async with small:
        assert small.store.known(BUCKET, name("k")) is None
        info = info_of("k", 1, SIZE)
        assert await small.read(small.store.content(BUCKET, name("k"), info.version, SIZE)) is None
