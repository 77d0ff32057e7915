"""Readers and writers of one key, in any order of their steps: who reads later never sees what was there before."""

import asyncio
import random
from dataclasses import dataclass
from errno import EIO

import pytest

from gateway.backends.base import ListQuery, WriteSpec
from gateway.cache import Demand, Want
from gateway.errors import BackendUnavailable, BodyIncomplete, GatewayError, ObjectMissing
from gateway.model import BLOCK_SIZE, MIB, IfAbsent, Span, Version
from gateway.mounts.mount import CachePolicy
from tests.cache.hurrying import hurried
from tests.cache.scene import KEY, Scene, a_scene, content, ticks
from tests.cache.scripted import At, Step
from tests.contract.bodies import Broken, Sent

SIZES = (0, 1, 5000, 5000, 5000, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * MIB + 77)
FRESHNESS_S = (300.0, 300.0, 0.0, float("inf"))
TURNS_MAX = 12
"""So many turns of the loop a step is held at most."""


@dataclass
class Key:
    """What has been seen of a key, and what may be seen from now on: nothing before `least` of its history."""

    scene: Scene
    dice: random.Random
    least: int = 0
    reads: int = 0
    is_changed_behind: bool = False

    @property
    def history(self) -> list[Version | None]:
        return self.scene.backend.history.setdefault(KEY, [None])

    def saw(self, version: Version | None, since: int) -> None:
        """A read that began when `since` was the least saw this version."""
        self.reads += 1
        seen = [at for at in range(since, len(self.history)) if self.history[at] == version]
        assert seen, f"older than {since}: {self.history.index(version)} of {len(self.history)}"
        self.least = max(self.least, seen[0])

    def wrote(self, version: Version | None, since: int) -> None:
        """A write that began when the history was that long has returned."""
        self.least = max(self.least, self.history.index(version, since))


async def held(scene: Scene, dice: random.Random, *, failures: bool) -> None:
    """Holds every step of the backend for a while, and fails some."""

    async def script(at: At) -> None:
        for _ in range(dice.choice((0, 0, 1, 3, TURNS_MAX))):
            await asyncio.sleep(0)
        if dice.random() < 0.1:
            await asyncio.to_thread(lambda: None)
        if failures and at.step is not Step.PIECE and dice.random() < 0.08:
            raise BackendUnavailable

    scene.backend.script = script


async def read(key: Key) -> None:
    dice, since = key.dice, key.least
    demand = Demand.REVALIDATE if dice.random() < 0.2 else Demand.NORMAL
    try:
        if dice.random() < 0.3:
            head = await key.scene.cache.head(key.scene.mount, KEY, demand, complete=dice.random() < 0.3)
            key.saw(head.info.version, since)
            return
        span = None if dice.random() < 0.6 else Span(0, dice.choice((1, 4000, MIB + 1)))
        want = Want(span, info_first=dice.random() < 0.2, demand=demand)
        data, _, info = await key.scene.answer(want, KEY)
    except ObjectMissing:
        key.saw(None, since)
        return
    except GatewayError:
        return
    whole = key.scene.backend.contents[info.version]
    assert data == (whole if span is None else whole[: span.stop])
    key.saw(info.version, since)


async def write(key: Key, seed: int) -> None:
    dice, scene = key.dice, key.scene
    since = len(key.history)
    kind = dice.random()
    try:
        if kind < 0.2:
            await scene.cache.delete(scene.mount, KEY, None)
            key.wrote(None, since)
            return
        data = content(dice.choice(SIZES), seed)
        body = Broken(data, good=0) if kind < 0.3 else Sent(data)
        spec = WriteSpec(condition=IfAbsent()) if kind > 0.9 else WriteSpec()
        info = await scene.cache.write(scene.mount, KEY, body, spec)
    except (GatewayError, BodyIncomplete):
        return
    key.wrote(info.version, since)


async def cancelled_sometimes(key: Key, seed: int, tasks: asyncio.TaskGroup) -> None:
    writing = tasks.create_task(write(key, seed))
    await ticks(key.dice.choice((5, 20, 60)))
    if key.dice.random() < 0.4:
        writing.cancel()


async def list_page(key: Key) -> None:
    since = key.least
    try:
        page = await key.scene.cache.list(key.scene.mount, ListQuery())
    except GatewayError:
        return
    key.saw(page.entries[0].version if page.entries else None, since)


async def play(seed: int, rounds: int) -> None:
    dice = random.Random(seed)
    policy = CachePolicy(is_cached=True, freshness_s=dice.choice(FRESHNESS_S), keeps_writes=dice.random() < 0.8)
    async with a_scene(policy) as scene:
        key = Key(scene, dice)
        if dice.random() < 0.3:
            scene.files.fails = lambda name, _number: EIO if name == "write" and dice.random() < 0.5 else None
        await held(scene, dice, failures=dice.random() < 0.5)
        for start in range(rounds):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(dice.randrange(1, 5)):
                    tasks.create_task(read(key))
                for number in range(dice.choice((0, 1, 1, 2))):
                    tasks.create_task(cancelled_sometimes(key, seed * 1000 + start * 10 + number, tasks))
                if dice.random() < 0.3:
                    tasks.create_task(list_page(key))
            if dice.random() < 0.1:
                await scene.cache.store.forget(scene.mount.bucket, KEY)
            if dice.random() < 0.2:
                scene.clock.advance(dice.choice((0.5, 1.0, 60.0, 301.0)))
        assert key.reads


@pytest.mark.parametrize("seed", range(24))
def test_whoever_reads_after_a_write_or_another_read_sees_nothing_older(seed: int) -> None:
    hurried(lambda: play(seed, 20))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 140))
def test_whoever_reads_after_a_write_or_another_read_sees_nothing_older_for_long(seed: int) -> None:
    hurried(lambda: play(seed, 150))
