"""How often blocks were read is known again after any end, if its file is whole, and nothing else depends on it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store import hits
from gateway.store.entries import SegmentEntry, State
from gateway.store.hits import Counted
from gateway.store.segments import Sums
from gateway.store.table import HITS, UNGATED, Segment
from tests.contract.stores import asynchronous
from tests.store.lives import PER_SEGMENT, SIZE, keep_all, there, where
from tests.store.small import Small

UUID = bytes(range(16))
ROWS = st.lists(
    st.builds(
        Counted, st.integers(1, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 2**40), st.binary(max_size=300)
    ),
    max_size=20,
)


@given(rows=ROWS)
def test_what_is_written_is_read_again_without_what_was_verified(rows: list[Counted]) -> None:
    read = hits.parse(hits.pack(rows, UUID), UUID)
    kept = bytes(mark & (HITS | UNGATED) for mark in range(256))
    assert read == [row._replace(marks=row.marks.translate(kept)) for row in rows]
    assert len(hits.pack(rows, UUID)) <= hits.allocated_bytes(rows) // 2


@given(rows=ROWS, at=st.integers(0), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_or_foreign_file_says_nothing(rows: list[Counted], at: int, bit: int, cut: bool) -> None:
    content = bytearray(hits.pack(rows, UUID))
    at %= len(content)
    if cut:
        del content[at:]
    else:
        content[at] ^= 1 << bit
    assert hits.parse(bytes(content), UUID) == []
    assert hits.parse(hits.pack(rows, UUID), bytes(16)) == []
    assert hits.parse(None, UUID) == []


@given(counted=st.integers(0, 8), records=st.integers(0, 8), live=st.integers(0, 100), pinned=st.integers(0, 100))
def test_a_segment_that_grew_since_is_not_taken_for_empty(counted: int, records: int, live: int, pinned: int) -> None:
    segment = Segment(1, Path("s"), SegmentEntry(State.SEALED, Sums(records, 10 * records, 1), 1, 1, 1))
    hits.apply(Counted(1, live, pinned, b"\2" * counted), segment)
    assert segment.marks == (b"\2" * counted + bytes(records))[:records]
    assert segment.live_bytes == (min(live, 10 * records) if counted == records else 10 * records)
    assert segment.pinned_bytes <= segment.live_bytes


@pytest.mark.parametrize("end", ["stop", "kill"])
@asynchronous
async def test_counters_outlive_a_stop_and_a_minute_before_a_kill(tmp_path: Path, end: str) -> None:
    small = Small(tmp_path)
    await small.open()
    keys = await keep_all(small, "k", 2 * PER_SEGMENT)
    for key, reads in (("k1", 1), ("k8", 3)):
        assert await there(small, [key] * reads)
    if end == "kill":
        small.clock.advance(hits.SAVE_EVERY_S)
        await small.rest()
        assert await there(small, ["k2"])
    await (small.stop() if end == "stop" else small.kill())
    async with small:
        assert {key: where(small, key).hits for key in keys if where(small, key).hits} == {"k1": 1, "k8": 3}
        assert not any(where(small, key).verified for key in keys)
        assert small.store.usage().live_bytes == len(keys) * SIZE


@asynchronous
async def test_a_lost_file_of_counters_costs_counters_only(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        keys = await keep_all(small, "k", PER_SEGMENT)
        assert await there(small, keys) == keys
    [path] = tmp_path.glob("*/HITS")
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    async with small:
        assert {where(small, key).hits for key in keys} == {0}
        assert await there(small, keys) == keys
    [path] = tmp_path.glob("*/HITS")
    path.unlink()
    async with small:
        assert await there(small, keys) == keys


@asynchronous
async def test_the_file_of_counters_counts_in_the_capacity(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await keep_all(small, "k", PER_SEGMENT)
        [shard] = small.store.shards
        before = small.store.usage().used_bytes
        await shard.upkeep.save_hits()
        [path] = tmp_path.glob("*/HITS")
        assert small.store.usage().used_bytes - before == 2 * 4096
        assert path.stat().st_size <= 4096
