"""kill -9 at any moment: what the store acknowledged is there and right, and nothing else lies about."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.kv import allocated_bytes
from gateway.model import Key
from gateway.store.store import BlockStore
from gateway.store.table import HITS
from tests.store.crash_worker import CAPACITY_BYTES, GEOMETRY, ROUND_S, START_S, clock_of, config
from tests.store.load import Ledger, bytes_of, content_of, size_of
from tests.store.small import BUCKET, info_of

pytestmark = pytest.mark.slow

READY_MAX_S = 1.0
SETTLED_MAX_S = 10.0
LINES_MAX = 3_000
"""Of a round: enough for eviction to be at work in most of them."""
ROUNDS_LOOKED_AT = 3
"""After a kill, what was acknowledged before earlier ones is looked at again."""
OPERATIONS_MAX = 400
"""In which a round goes through everything there is: making, writing, sealing, syncing, evicting, purging."""


def test_what_was_acknowledged_outlives_crashes(tmp_path: Path) -> None:
    outlive(tmp_path, rounds=20, seed=1)


@pytest.mark.long
def test_what_was_acknowledged_outlives_many_crashes(tmp_path: Path) -> None:
    outlive(tmp_path, rounds=1_000, seed=2)


def outlive(directory: Path, rounds: int, seed: int) -> None:
    """Kills a worker after a random number of lines, `rounds` times."""
    chance = random.Random(seed)
    crashes = Crashes(directory)
    for _ in range(rounds):
        crashes.crash(lines_max=chance.randrange(1, LINES_MAX))
    assert crashes.hits_found > rounds / 4, "counters of hits are lost"


def test_what_was_acknowledged_outlives_a_crash_after_some_operations(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path)
    for operations in range(1, OPERATIONS_MAX, 10):
        crashes.crash(operations=operations)


@pytest.mark.long
def test_what_was_acknowledged_outlives_a_crash_after_any_operation(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path)
    for operations in range(1, OPERATIONS_MAX):
        crashes.crash(operations=operations)


class Crashes:
    """Kills workers over one store, one after the other, and holds it to all that they were told."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._round = 0
        self._ledgers: list[Ledger] = []
        self.hits_found = 0
        """Starts that found counters of hits."""

    def crash(self, *, lines_max: int = sys.maxsize, operations: int = 0) -> None:
        """One round: until the worker has said so much, or done so many operations on files."""
        self._round += 1
        ledger = Ledger()
        for line in self._killed(lines_max, operations):
            ledger.note(line.split())
        self._ledgers = [*self._ledgers[-ROUNDS_LOOKED_AT:], ledger]
        asyncio.run(self._check())

    def _killed(self, lines_max: int, operations: int) -> Iterable[str]:
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.store.crash_worker", self._directory, str(self._round), str(operations)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
        )
        assert worker.stdout is not None
        lines: list[str] = []
        with worker, worker.stdout as said:
            while len(lines) < lines_max and (line := said.readline()):
                lines.append(line)
            worker.kill()
            lines += said.readlines()
        assert worker.returncode == -signal.SIGKILL, "the worker ended by itself"
        return [line for line in lines if line.endswith("\n")]

    async def _check(self) -> None:
        """Holds the store to all that was acknowledged."""
        started_s = time.perf_counter()
        async with BlockStore.open(config(self._directory), clock_of(self._round + 1), GEOMETRY) as store:
            assert time.perf_counter() - started_s < READY_MAX_S
            [shard] = store.shards
            self.hits_found += any(mark & HITS for segment in shard.table.all() for mark in segment.marks)
            async with asyncio.timeout(SETTLED_MAX_S):
                await shard.upkeep.settled()
            there = set(shard.site.segments.iterdir())
            assert {segment.path for segment in shard.table.all()} == there, "a file is left that nobody knows"
            for ledger in self._ledgers:
                for key in ledger.began:
                    found = await self._is_right(store, ledger, key)
                    segment = shard.table.get(ledger.kept.get(key, 0))
                    assert found or segment is None, f"{key} is lost, but not its segment: {segment.entry}"
            assert store.usage().damaged_total == 0
            assert allocated_bytes(self._directory) <= CAPACITY_BYTES

    async def _is_right(self, store: BlockStore, ledger: Ledger, key: str) -> bool:
        """Whether any version of it is there; whatever is there must be what it should be."""
        found = False
        began, latest = ledger.began[key], ledger.latest.get(key, 0)
        known = store.known(BUCKET, Key(key.encode()))
        told = {version for version in range(1, began + 1) if known and known.info == _info(key, version)}
        assert told == ({version for version in (latest, began) if version in told} if known else set())
        if known is not None:
            assert told, "an info of no version at all"
            assert key in ledger.doubtful or told == {latest}, f"{key} is told to be {told}, and is {latest}"
            assert START_S <= known.validated_s < START_S + (self._round + 1) * ROUND_S
        for version in range(1, began + 1):
            [place] = store.places(content_of(store, key, version), 0, 1)
            assert place is None or version in told, "a block is found of a version that is not told"
            if place is not None:
                data = await store.read(place, 0, place.data_size)
                assert data is not None
                assert bytes(data) == bytes_of(key, version)
                found = True
        return found


def _info(key: str, version: int) -> object:
    return info_of(key, version, size_of(key, version))
