"""Reads that fail for a reason of their own: what the store then says of the block."""

import asyncio
import errno
import threading
from itertools import count
from pathlib import Path

import pytest

from tests.contract.stores import asynchronous
from tests.store.small import Small, body

SIZE = 10_000


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
@asynchronous
async def test_a_process_without_descriptors_misses_and_loses_nothing(tmp_path: Path, code: int) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
    async with small:
        content = small.content("k", 1, SIZE)
        small.files.fails = lambda step, _number: code if step == "open" else None
        assert await small.read(content) is None
        small.files.fails = lambda _step, _number: None
        assert await small.read(content) == body("k", 1, 0, SIZE)
        assert small.store.usage().damaged_total == 0


@asynchronous
async def test_a_segment_that_is_evicted_before_a_reader_has_opened_it_is_not_damaged(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
    async with small:
        [place] = small.store.places(small.content("k", 1, SIZE), 0, 1)
        [shard] = small.store.shards
        assert place is not None
        segment = shard.table.get(place.segment)
        assert segment is not None
        evicted, opens = threading.Event(), count()

        def fails(step: str, _number: int) -> None:
            if step == "open" and next(opens) == 0:
                assert evicted.wait(10)

        small.files.fails = fails
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(small.store.read(place, 0, SIZE))
            await asyncio.sleep(0)
            await shard.eviction.evict(segment)
            evicted.set()
        assert reading.result() is None
        assert small.store.usage().damaged_total == 0
        assert not small.files.by_descriptor
