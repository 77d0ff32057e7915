"""kill -9 in the middle of fills: ready again soon, and what had been a hit is a hit again, byte for byte."""

import http.client
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.cache_system.scene import MIB, Scene, Thing, opened
from tests.clients.contents import content
from tests.real.wire import path

pytestmark = pytest.mark.slow

READY_MAX_S = 2.0
READERS = 4
THINGS = 12
THING_SIZE = "24MiB"
SMALL_THINGS = 40
BACKEND_RATE = 200 * MIB
"""Slow enough that every kill falls into fills."""
MOUNTS = {"plain": 'readahead = "off"', "forever": 'freshness = "immutable"\nreadahead = "off"'}

Hit = tuple[Thing, int, int]


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Scene]:
    """A node that will be killed, before a backend that takes its time.

    It reads nothing ahead: after the crash, every request at the backend is one for what should be a hit.
    """
    with opened(tmp_path, "--rate", f"{BACKEND_RATE}B", mounts=MOUNTS) as scene:
        yield scene


def test_what_was_a_hit_before_a_crash_is_a_hit_after_it(doomed: Scene) -> None:
    survive_crashes(doomed, rounds=10, seed=1)


@pytest.mark.long
def test_what_was_a_hit_before_any_of_many_crashes_is_a_hit_after_it(doomed: Scene) -> None:
    survive_crashes(doomed, rounds=200, seed=2)


def survive_crashes(scene: Scene, rounds: int, seed: int) -> None:
    """Kills the node under readers `rounds` times; after each, reads again what had been hits."""
    chance = random.Random(seed)
    hits: list[Hit] = []
    for number in range(rounds):
        things = [scene.thing(THING_SIZE, chance.choice(["plain", "forever"])) for _ in range(THINGS)]
        things += [scene.thing("4KiB") for _ in range(SMALL_THINGS)]
        found = read_until_killed(scene, things, f"{seed}/{number}", chance.uniform(0.3, 1.0))
        scene.node.restart()
        assert scene.node.ready_after_s <= READY_MAX_S
        scene.stub.reset()
        for hit in found:
            assert again(scene, hit) == "hit", hit
        assert scene.stub.traffic().total == 0
        for hit in chance.sample(hits, min(10, len(hits))):
            again(scene, hit)
        hits += found
        for thing in things:
            assert scene.get(thing).body == thing.content(), "what was being filled is filled anew"
    assert len(hits) > rounds, "the readers saw hits"


def again(scene: Scene, hit: Hit) -> str:
    """Reads a range, holds its bytes to what they must be, and returns where they came from."""
    thing, start, stop = hit
    answer = scene.get(thing, start, stop)
    assert answer.body == thing.content(1, start, stop)
    return answer.headers["x-cache"]


def read_until_killed(scene: Scene, things: list[Thing], seed: str, after_s: float) -> list[Hit]:
    """Random ranges by several readers; the node is killed among them. Returns what was answered as a hit."""
    stop = Event()
    with ThreadPoolExecutor(READERS) as pool:
        readers = [
            pool.submit(note_hits, scene, things, random.Random(f"{seed}/{number}"), stop) for number in range(READERS)
        ]
        Event().wait(after_s)
        scene.node.kill()
        stop.set()
    return [hit for reader in readers for hit in reader.result()]


def note_hits(scene: Scene, things: list[Thing], chance: random.Random, stop: Event) -> list[Hit]:
    """Reads every range twice until the node is gone; returns the ranges that were hits."""
    hits: list[Hit] = []
    while not stop.is_set():
        thing = chance.choice(things)
        start = chance.randrange(thing.size)
        end = min(thing.size, start + chance.choice([1, 4096, MIB, 3 * MIB]))
        for _ in range(2):
            try:
                answer = scene.get(thing, start, end)
            except (OSError, http.client.HTTPException):
                continue  # The node has been killed, which is what this is about.
            assert answer.body == thing.content(1, start, end)
            if answer.headers["x-cache"] == "hit":
                hits.append((thing, start, end))
    return hits


def test_what_was_written_and_read_as_a_hit_before_a_crash_is_right_after_it(doomed: Scene) -> None:
    bodies = {f"w{number}": content(2 * MIB + number, number) for number in range(8)}
    for key, body in bodies.items():
        assert doomed.wire.put("plain", key, body).status == 200
    read = [key for key in bodies if doomed.wire.request("GET", path("plain", key)).headers["x-cache"] == "hit"]
    doomed.node.kill()
    doomed.node.restart()
    for key, body in bodies.items():
        answer = doomed.wire.request("GET", path("plain", key))
        assert answer.body == body
        assert answer.headers["x-cache"] == "hit" or key not in read


def test_a_clean_stop_and_start_keep_every_hit(doomed: Scene) -> None:
    things = [doomed.thing("4KiB") for _ in range(20)] + [doomed.thing("3MiB") for _ in range(5)]
    for thing in things:
        doomed.get(thing)
        assert doomed.get(thing).headers["x-cache"] == "hit"
    doomed.node.restart()
    doomed.stub.reset()
    for thing in things:
        assert again(doomed, (thing, 0, thing.size)) == "hit"
    assert doomed.stub.traffic().total == 0
