"""Entries of the index with other values than were written: a miss at the record's check, never an exception."""

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.store import entries
from gateway.store.entries import Spot
from tests.store.small import BUCKET, Small, body, info_of, name

pytestmark = pytest.mark.slow

KEYS = ("a", "b", "c", "d")
SIZE = 9_000
LARGE_SIZE = 10 << 20
NUMBERS = st.one_of(st.integers(0, 4), st.integers(0, 70_000), st.integers(0, 0xFFFFFFFF))
SMALL_NUMBERS = st.one_of(st.integers(0, 4), st.integers(0, 0xFFFF))
SPOTS = st.builds(
    Spot,
    NUMBERS,
    NUMBERS,
    SMALL_NUMBERS,
    SMALL_NUMBERS,
    NUMBERS,
    st.sampled_from([SIZE, 1]) | NUMBERS,
    NUMBERS,
    NUMBERS,
)
VALUES = st.one_of(st.binary(min_size=1, max_size=200), SPOTS)
"""Any bytes, or a place that is somewhere else."""


@settings(max_examples=40)
@given(bent=st.lists(st.tuples(st.integers(0, 7), VALUES | st.integers(0, 7)), min_size=1, max_size=6))
def test_an_entry_with_another_value_is_a_miss_and_no_exception(
    bent: list[tuple[int, bytes | Spot | int]],
) -> None:
    """A number stands for the value of another entry."""
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(bend(Path(directory), bent))


async def bend(directory: Path, bent: list[tuple[int, bytes | Spot | int]]) -> None:
    async with Small(directory) as small:
        for key in KEYS:
            await small.keep(key, 1, SIZE)
            await small.store.keep(
                small.store.content(BUCKET, name(key), info_of(key, 0, 0).version, LARGE_SIZE), 0, body(key, 0, 0, SIZE)
            )
        [kv] = small.maps_open
        rows = [(key, value) for prefix in (b"o", b"b") for key, value in kv.scan(prefix)]
        for number, value in bent:
            row, before = rows[number % len(rows)]
            kv.write([(row, bent_value(before, value, rows))])
        await use(small)
        # What was bent may be written again as it is; that nobody is told of it is what counts here.
        small.files.broken_promises.clear()


def bent_value(before: bytes, value: bytes | Spot | int, rows: list[tuple[bytes, bytes]]) -> bytes:
    match value:
        case Spot():
            return entries.pack_spot(value) + before[len(entries.pack_spot(value)) :]
        case bytes():
            return value
        case int():
            return rows[value % len(rows)][1]


async def use(small: Small) -> None:
    """Everything that looks at entries: reads, looks, installs, pins, evicts."""
    for key in KEYS:
        assert await small.read(small.content(key, 1, SIZE)) in (None, body(key, 1, 0, SIZE))
        large = small.store.content(BUCKET, name(key), info_of(key, 0, 0).version, LARGE_SIZE)
        assert await small.read(large) in (None, body(key, 0, 0, SIZE))
        small.store.known(BUCKET, name(key))
        small.store.held(BUCKET, name(key))
        for content in (small.content(key, 1, SIZE), large):
            [place] = small.store.places(content, 0, 1)
            if place is not None:
                small.store.describe(place)
                small.store.pin(place, 0)
                small.store.unpin(place)
        small.store.refresh([(BUCKET, name(key), info_of(key, 1, SIZE))], int(small.clock.now_s()) + 1)
    for number in range(80):
        await small.keep(f"other{number}", 1, SIZE)
    await small.rest()
    for key in KEYS:
        assert await small.read(small.content(key, 1, SIZE)) in (None, body(key, 1, 0, SIZE))
        await small.store.install(BUCKET, name(key), small.known(key, 2, SIZE))
        known = small.store.known(BUCKET, name(key))
        assert known is None or known.info == info_of(key, 2, SIZE)
    assert small.store.usage().used_bytes <= small.store.usage().capacity_bytes
