"""However many ask, the backend sends every byte once, and no more of an object than somebody needs."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.cache_system.readers import read_spans, read_things
from tests.cache_system.scene import MIB, Scene, Thing, opened
from tests.robust.watching import until

pytestmark = pytest.mark.slow

CLIENTS = 200
RANGE_SIZE = 8 * MIB
EPOCH_CLIENTS = 32


def spans_over(thing: Thing, seed: int, *, aligned: bool) -> list[tuple[int, int]]:
    """A range for each client: the first of them cover the object, the others lie anywhere in it."""
    chance = random.Random(seed)
    starts = list(range(0, thing.size, RANGE_SIZE))
    starts += [chance.randrange(thing.size - RANGE_SIZE) for _ in range(CLIENTS - len(starts))]
    if aligned:
        starts = [start // RANGE_SIZE * RANGE_SIZE for start in starts]
    chance.shuffle(starts)
    return [(start, min(start + RANGE_SIZE, thing.size)) for start in starts]


@pytest.mark.parametrize("aligned", [True, False])
def test_200_clients_that_read_one_cold_object_in_ranges_cost_one_read_of_each_byte(
    scene: Scene, *, aligned: bool
) -> None:
    thing = scene.thing("64MiB")
    found = asyncio.run(read_spans(scene, thing, spans_over(thing, 1, aligned=aligned)))
    assert all(taken.right for taken in found)
    assert scene.stub.traffic(thing.place).each_byte_once(thing.size)


def test_200_clients_that_read_one_cold_object_whole_cost_one_read_of_each_byte(scene: Scene) -> None:
    whole_herd(scene, "16MiB")


@pytest.mark.long
def test_200_clients_that_read_one_large_cold_object_whole_cost_one_read_of_each_byte(tmp_path: Path) -> None:
    # Every answer in progress holds a MiB, and the last of them may be in progress for long.
    with opened(tmp_path, limits='transfer_memory = "512MiB"') as scene:
        whole_herd(scene, "64MiB")


def whole_herd(scene: Scene, size: str) -> None:
    """All clients read all of one object."""
    thing = scene.thing(size)
    found = asyncio.run(read_spans(scene, thing, [(0, thing.size)] * CLIENTS))
    assert all(taken.right for taken in found)
    assert scene.stub.traffic(thing.place).each_byte_once(thing.size)


def test_a_second_epoch_asks_the_backend_nothing(scene: Scene) -> None:
    two_epochs(scene, 1000)


@pytest.mark.long
def test_a_second_epoch_over_10_000_objects_asks_the_backend_nothing(scene: Scene) -> None:
    two_epochs(scene, 10_000)


def two_epochs(scene: Scene, objects: int) -> None:
    """Reads many small objects twice, in different orders."""
    things = [scene.thing("4KiB") for _ in range(objects)]
    assert all(taken.right for taken in asyncio.run(read_things(scene, things, EPOCH_CLIENTS)))
    first = scene.stub.traffic()
    assert (first.reads, first.bytes) == (objects, objects * 4096)
    scene.stub.reset()
    random.Random(2).shuffle(things)
    second = asyncio.run(read_things(scene, things, EPOCH_CLIENTS))
    assert all(taken.right for taken in second)
    assert {taken.headers["x-cache"] for taken in second} == {"hit"}
    assert scene.stub.traffic().total == 0


@pytest.mark.parametrize(("start", "at_most"), [(5 * 1024 * MIB, MIB), (5 * 1024 * MIB + 12345, 2 * MIB)])
def test_a_range_of_1_mib_in_10_gib_fetches_the_blocks_it_touches(scene: Scene, start: int, at_most: int) -> None:
    thing = scene.thing("10GiB")
    answer = scene.get(thing, start, start + MIB)
    assert (answer.status, answer.body) == (206, thing.content(1, start, start + MIB))
    traffic = scene.stub.traffic(thing.place)
    assert traffic.bytes <= at_most
    assert max(traffic.blocks.values()) <= MIB


def test_a_single_range_in_the_middle_fills_nothing_ahead(scene: Scene) -> None:
    thing = scene.thing("64MiB")
    assert scene.get(thing, 30 * MIB + 5, 31 * MIB + 5).status == 206
    assert scene.get(thing, 30 * MIB + 5, 31 * MIB + 5).headers["x-cache"] == "hit"
    assert set(scene.stub.traffic(thing.place).blocks) == {30, 31}


def test_a_reader_of_ranges_in_order_waits_for_the_backend_once(scene: Scene) -> None:
    thing = scene.thing("64MiB")
    assert scene.get(thing, 0, RANGE_SIZE).headers["x-cache"] == "fill"
    until(lambda: scene.stub.traffic(thing.place).bytes == thing.size)
    # The last block may still be on its way into the store when the stub has sent it.
    words = []
    for start in range(RANGE_SIZE, thing.size, RANGE_SIZE):
        answer = scene.get(thing, start, start + RANGE_SIZE)
        assert answer.body == thing.content(1, start, start + RANGE_SIZE)
        words.append(answer.headers["x-cache"])
    assert set(words[:-1]) == {"hit"}
    assert scene.stub.traffic(thing.place).each_byte_once(thing.size)


def test_ranges_that_overlap_fetch_only_what_is_missing(scene: Scene) -> None:
    thing = scene.thing("64MiB")
    for start, stop in ((20, 24), (22, 30), (10, 40)):
        answer = scene.get(thing, start * MIB, stop * MIB)
        assert answer.body == thing.content(1, start * MIB, stop * MIB)
    assert all(sent == MIB for sent in scene.stub.traffic(thing.place).blocks.values())
