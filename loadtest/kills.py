"""kill -9 in the middle of fills: how soon the node is ready again, and what of its store is still there."""

import contextlib
import http.client
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from loadtest.contestants import caching, on_a_core_of_its_own
from loadtest.finding import Finding
from tests.cache_system.scene import MIB, Scene, Thing
from tests.robust.watching import until

ROUNDS = 5
READY_MAX_S = 2.0
RATE = "200MB/s"
SMALL, LARGE = 400, 60
FILLING = 4
"""Streams of large objects that run when the node is killed."""
FILLED_BEFORE_KILL = 64 * MIB


@dataclass(frozen=True, slots=True)
class Kill:
    """One round: seconds from launch to ready, and how many objects were hits before and are again."""

    ready_s: float
    hits_before: int
    hits_after: int


def measure(directory: Path) -> list[Kill]:
    """Kills and restarts a node under fills."""
    kills = []
    with caching(directory, "--rate", RATE) as scene:
        for number in range(1, ROUNDS + 1):
            print(f"kill {number} of {ROUNDS}", file=sys.stderr)
            kills.append(_kill(scene))
    return kills


def findings(kills: list[Kill]) -> Iterator[Finding]:
    """The figures that have limits."""
    yield Finding("kill -9 to ready again, slowest", max(kill.ready_s for kill in kills), READY_MAX_S, "s")
    lost = sum(kill.hits_before - kill.hits_after for kill in kills)
    yield Finding("hits before a kill that are none after it", lost, 0, "objects")


def _kill(scene: Scene) -> Kill:
    things = [scene.thing("4KiB") for _ in range(SMALL)] + [scene.thing("1MiB") for _ in range(LARGE)]
    for thing in things:
        scene.get(thing)
    before = [thing for thing in things if _hits(scene, thing)]
    with ThreadPoolExecutor(FILLING) as pool:
        for _ in range(FILLING):
            pool.submit(_read_until_cut, scene, scene.thing("1GiB"))
        filled = scene.stub.traffic().bytes
        until(lambda: scene.stub.traffic().bytes > filled + FILLED_BEFORE_KILL)
        scene.node.kill()
    with on_a_core_of_its_own():
        scene.node.restart()
    return Kill(scene.node.ready_after_s, len(before), sum(_hits(scene, thing) for thing in before))


def _hits(scene: Scene, thing: Thing) -> bool:
    answer = scene.get(thing)
    return answer.headers["x-cache"] == "hit" and answer.body == thing.content()


def _read_until_cut(scene: Scene, thing: Thing) -> None:
    # The node is killed in the middle of it.
    with contextlib.suppress(OSError, http.client.HTTPException):
        scene.get(thing)
