"""Updates that the index does not take at once: what was there before is neither seen nor trusted again."""

import asyncio
from pathlib import Path

import pytest

from gateway.kv import KvStalled
from gateway.store import index
from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, Small, body, name, until

SIZE = 10_000


async def forget_and_leave(small: Small) -> None:
    """Forgets as a request does whose client leaves while the index stalls."""
    [kv] = small.maps_open
    kv.failing = KvStalled("for now")
    async with asyncio.TaskGroup() as tasks:
        forgetting = tasks.create_task(small.store.forget(BUCKET, name("k")))
        await asyncio.sleep(0)
        forgetting.cancel()
    kv.failing = None
    assert small.store.known(BUCKET, name("k")) is None


@asynchronous
async def test_an_update_whose_caller_left_outlives_a_clean_stop(tmp_path: Path) -> None:
    small = Small(tmp_path)
    async with small:
        await small.keep("k", 1, SIZE)
        await small.keep("other", 1, SIZE)
        await forget_and_leave(small)
    async with small:
        assert small.store.known(BUCKET, name("k")) is None
        assert small.store.known(BUCKET, name("other")) == small.known("other", 1, SIZE)


@asynchronous
async def test_an_update_whose_caller_left_outlives_a_kill_once_the_store_has_looked_after_it(tmp_path: Path) -> None:
    small = Small(tmp_path)
    await small.open()
    await small.keep("k", 1, SIZE)
    await forget_and_leave(small)
    small.clock.advance(5)
    await small.rest()
    await small.kill()
    async with small:
        assert small.store.known(BUCKET, name("k")) is None


@asynchronous
async def test_an_object_is_found_again_when_the_index_works_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "UPDATE_TRIES_MAX", 2)
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        [kv] = small.maps_open
        kv.failing = KvStalled("for now")
        newer = small.known("k", 2, SIZE)
        await small.store.install(BUCKET, name("k"), newer)
        assert small.store.known(BUCKET, name("k")) is None
        kv.failing = None
        small.clock.advance(5)
        await small.rest()
        assert small.store.known(BUCKET, name("k")) == newer


@asynchronous
async def test_updates_that_meet_lose_a_block_once(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        await small.keep("other", 1, SIZE)
        [kv] = small.maps_open
        kv.stalls = 3
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(small.store.forget(BUCKET, name("k")))
            await asyncio.sleep(0)
            tasks.create_task(small.store.install(BUCKET, name("k"), small.known("k", 2, SIZE)))
        assert small.store.usage().live_bytes == SIZE


@asynchronous
async def test_a_block_that_comes_while_an_older_update_waits_leaves_the_newer_info(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "UPDATE_TRIES_MAX", 2)
    async with Small(tmp_path) as small:
        [kv] = small.maps_open
        kv.failing = KvStalled("for now")
        await small.store.install(BUCKET, name("k"), small.known("k", 1, SIZE))
        kv.failing = None
        newer = small.known("k", 2, SIZE)
        await small.store.keep(small.content("k", 2, SIZE), 0, body("k", 2, 0, SIZE), newer)
        small.clock.advance(5)
        await small.rest()
        assert small.store.known(BUCKET, name("k")) == newer


@asynchronous
async def test_what_could_not_be_distrusted_in_writing_is_distrusted_at_the_next_start(tmp_path: Path) -> None:
    small = Small(tmp_path)
    await small.open()
    await small.keep("old", 1, SIZE)
    [kv] = small.maps_open
    kv.failing = KvStalled("for now")
    small.store.distrust()
    kv.failing = None
    small.clock.advance(2)
    await small.store.install(BUCKET, name("new"), small.known("new", 1, SIZE))
    await until(lambda: not (tmp_path / "BOOT").exists())
    await small.kill()
    async with small:
        for key in ("old", "new"):
            known = small.store.known(BUCKET, name(key))
            assert known is None or known.validated_s == 0
