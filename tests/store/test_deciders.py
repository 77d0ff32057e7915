"""Names, slots, room and what a start must do: decided without a disk."""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.sections import SHARE_MIN
from gateway.model import Bucket, Key, Version
from gateway.store import capacity, names, recovery
from gateway.store.capacity import Room
from gateway.store.entries import SegmentEntry, State
from gateway.store.names import DiskWeight
from gateway.store.segments import Sums

SECRET = bytes(32)
IDS = st.integers(1, 300)


@given(
    buckets=st.tuples(st.text("ab", max_size=3), st.text("ab", max_size=3)),
    keys=st.tuples(st.binary(max_size=4), st.binary(max_size=4)),
)
def test_two_objects_have_two_names(buckets: tuple[str, str], keys: tuple[bytes, bytes]) -> None:
    first, second = (names.object_hash(SECRET, Bucket(b), Key(k)) for b, k in zip(buckets, keys, strict=True))
    assert (first == second) == ((buckets[0], keys[0]) == (buckets[1], keys[1]))
    assert first != names.object_hash(bytes(31) + b"1", Bucket(buckets[0]), Key(keys[0]))


@given(oh=st.binary(min_size=16, max_size=16), version=st.binary(max_size=15), op=st.binary(min_size=16, max_size=16))
def test_a_draft_has_the_name_of_no_version(oh: bytes, version: bytes, op: bytes) -> None:
    assert names.draft_hash(SECRET, oh, op) != names.content_hash(SECRET, oh, Version(version))
    assert 0 <= names.slot_of(oh) < names.SLOT_COUNT


@settings(max_examples=3)
@given(weights=st.lists(st.integers(1, 8), min_size=2, max_size=3))
def test_a_new_disk_takes_its_share_from_all_and_moves_nothing_else(weights: list[int]) -> None:
    disks = [DiskWeight(f"disk{number}", weight) for number, weight in enumerate(weights)]
    before, after = names.slots(disks[:-1]), names.slots(disks)
    assert all(now in (then, len(disks) - 1) for then, now in zip(before, after, strict=True))
    shares = Counter(after)
    for number, weight in enumerate(weights):
        assert abs(shares[number] / names.SLOT_COUNT - weight / sum(weights)) < 0.03


@given(capacity_bytes=st.integers(1, 10**14), weights=st.lists(st.integers(0, 10**13), min_size=1, max_size=8))
def test_shares_never_come_to_more_than_the_capacity(capacity_bytes: int, weights: list[int]) -> None:
    shares = capacity.shares(capacity_bytes, weights)
    assert sum(shares) <= capacity_bytes
    assert min(shares) >= min(SHARE_MIN, capacity_bytes // len(weights))


@given(
    segments=st.integers(0, 100), index=st.integers(0, 10**6), share=st.integers(0, 10**8), limit=st.integers(0, 10**8)
)
def test_a_segment_fits_only_inside_share_and_file_system(segments: int, index: int, share: int, limit: int) -> None:
    room = Room(share, limit, 10**6, 10**5, segments=segments, index_bytes=index)
    if room.missing_bytes <= 0:
        assert room.used_bytes + room.segment_size + max(10**5, int(1.5 * index)) <= share
        assert room.used_bytes + room.segment_size <= limit
        assert room.segments_max > segments
    assert (
        replace(room, segments=room.segments_max).missing_for(0)
        <= 0
        < replace(room, segments=room.segments_max).missing_bytes
    )
    assert room.missing_for(2) == room.missing_bytes + room.segment_size


def test_segments_are_halved_until_a_disk_holds_sixteen() -> None:
    mib = 1024 * 1024
    assert capacity.segment_size(128 * mib, 10 * 1024 * mib) == 128 * mib
    assert capacity.segment_size(128 * mib, 1024 * mib) == 64 * mib
    assert capacity.segment_size(128 * mib, 100 * mib) == 32 * mib


def entry(state: State, position: int = 1) -> SegmentEntry:
    return SegmentEntry(state, Sums(1, 10, 1), 1, 1, position)


@given(known=st.dictionaries(IDS, st.sampled_from(State)), files=st.sets(IDS), reserved=st.integers(0, 400))
def test_a_start_has_one_thing_to_do_with_every_segment_and_uses_no_id_again(
    known: dict[int, State], files: set[int], reserved: int
) -> None:
    plan = recovery.plan({number: entry(state) for number, state in known.items()}, files, reserved)
    found = [*plan.keep, *plan.seal, *plan.evict, *plan.orphans, *plan.lost]
    assert sorted(found) == sorted(files | known.keys())
    assert all(known[number] is State.OPEN for number in plan.seal)
    assert not set(plan.orphans) & known.keys()
    assert not set(plan.lost) & files
    assert plan.next_id >= max(reserved, 1)
    assert all(plan.next_id > number + recovery.IDS_SKIPPED for number in files)
