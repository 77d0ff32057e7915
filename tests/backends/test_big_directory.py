"""A directory of very many names: bounded memory, bounded time, and never a stale page."""

import asyncio
import os
import random
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends.base import Backend, ListQuery
from gateway.backends.local import tree
from gateway.backends.local.tree import smallest
from gateway.model import MIB, Key
from tests.contract.bodies import put
from tests.contract.stores import asynchronous, local_exact

NAMES = 200_000


@given(names=st.lists(st.binary(max_size=3), unique=True), count=st.integers(1, 10))
def test_the_smallest_names_are_those_of_the_sorted_list(names: list[bytes], count: int) -> None:
    kept, is_all = smallest(names, count)
    assert kept == sorted(names)[:count]
    assert is_all == (len(names) <= count)


async def pages(backend: Backend, prefix: bytes, limit: int = 1000) -> list[bytes]:
    keys: list[bytes] = []
    token: str | None = None
    while True:
        page = await backend.list(ListQuery(prefix=prefix, token=token, limit=limit))
        keys += [entry.key for entry in page.entries]
        token = page.token
        if token is None:
            return keys


@pytest.mark.slow
@asynchronous
async def test_a_directory_of_200_000_names_lists_in_bounded_memory(tmp_path: Path) -> None:
    async with local_exact(tmp_path).opened() as backend:
        folder = tmp_path / "flat"
        folder.mkdir()
        numbers = list(range(NAMES))
        random.Random(7).shuffle(numbers)
        for number in numbers:
            os.close(os.open(folder / f"{number:08}", os.O_CREAT | os.O_WRONLY))
        tracemalloc.start()
        try:
            page = await backend.list(ListQuery(prefix=b"flat/"))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(page.entries) == 1000
        assert peak < 24 * MIB
        started = time.monotonic()
        keys = await pages(backend, b"flat/")
        assert keys == [b"flat/%08d" % number for number in range(NAMES)]
        assert time.monotonic() - started < 120


@asynchronous
async def test_windows_join_without_gap_or_double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "WINDOW_SIZE", 7)
    monkeypatch.setattr(tree, "WORTH_KEEPING", 1)
    async with local_exact(tmp_path).opened() as backend:
        folder = tmp_path / "flat"
        folder.mkdir()
        for number in range(100):
            (folder / f"{number:03}").touch()
        # Once as if the directory had been left alone for long, and once as if it had just been changed.
        for settled_ns in (-(10**12), 10**12):
            monkeypatch.setattr(tree, "SETTLED_NS", settled_ns)
            for limit in (1, 6, 7, 8, 1000):
                assert await pages(backend, b"flat/", limit) == [b"flat/%03d" % number for number in range(100)]


@asynchronous
async def test_a_kept_window_never_hides_a_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "WORTH_KEEPING", 1)
    monkeypatch.setattr(tree, "SETTLED_NS", 20_000_000)
    async with local_exact(tmp_path).opened() as backend:
        await put(backend, b"flat/first")
        for number in range(20):
            key = b"flat/%d" % number
            # The time of the directory must lie behind, else nothing is kept and nothing is tried.
            await asyncio.sleep(0.025)
            assert key not in await pages(backend, b"flat/", 3)
            await put(backend, key)
            assert key in await pages(backend, b"flat/", 3)
            await backend.delete(Key(key), None)
            assert key not in await pages(backend, b"flat/", 3)


@asynchronous
async def test_a_settled_directory_is_read_once_for_many_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "WORTH_KEEPING", 1)
    monkeypatch.setattr(tree, "SETTLED_NS", -(10**12))
    async with local_exact(tmp_path).opened() as backend:
        await put(backend, b"flat/a")
        await put(backend, b"flat/b")
        first = await backend.list(ListQuery(prefix=b"flat/", limit=1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", None)
            second = await backend.list(ListQuery(prefix=b"flat/", limit=1, token=first.token))
        assert [entry.key for entry in second.entries] == [b"flat/b"]
