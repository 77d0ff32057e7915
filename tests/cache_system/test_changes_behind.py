"""Objects that change behind the node's back: never mixed, and new when the mount's freshness says so."""

import asyncio
import time

import pytest

from tests.cache_system.readers import reader
from tests.cache_system.scene import MIB, Scene
from tests.robust.watching import until

pytestmark = pytest.mark.slow

FRESH_MAX_S = 4
"""More than the freshness of one second, with whole seconds rounded and a busy machine."""


@pytest.mark.parametrize("after", [0, MIB, 5 * MIB + 77, 16 * MIB - 1])
def test_an_object_overwritten_between_two_blocks_of_a_get_is_never_sent_mixed(scene: Scene, after: int) -> None:
    thing = scene.thing("64MiB", "brief")
    # What is here already splits the GET that follows into several fills: the first meets the old version.
    for start in (18, 40):
        assert scene.get(thing, start * MIB, (start + 2) * MIB).status == 206

    async def run() -> None:
        scene.stub.fault("change", thing.place, after=after)
        async with reader(scene, thing) as one:
            await one.begin()
            await one.take()
            assert one.taken.matches, "bytes of the old version, as far as they came"
            assert one.taken.size < thing.size, "a later fill met the new version"

    asyncio.run(run())
    new = thing.content(2)
    until(lambda: scene.get(thing).body == new, FRESH_MAX_S)


def test_an_object_overwritten_while_it_comes_in_one_read_is_sent_whole_and_old(scene: Scene) -> None:
    thing = scene.thing("64MiB", "brief")
    scene.stub.fault("change", thing.place, after=5 * MIB)
    assert scene.get(thing).body == thing.content(1)
    until(lambda: scene.get(thing).body == thing.content(2), FRESH_MAX_S)


def test_a_reader_who_stands_still_while_an_object_is_overwritten_gets_old_bytes_or_an_end(scene: Scene) -> None:
    thing = scene.thing("64MiB")

    async def run() -> None:
        async with reader(scene, thing) as one:
            await one.begin()
            await one.take(MIB)
            scene.stub.bump(thing.place)
            await one.take()
            assert one.taken.matches
            assert one.taken.size < thing.size or one.taken.complete

    asyncio.run(run())


def test_blocks_of_the_old_version_are_not_joined_with_new_ones(scene: Scene) -> None:
    thing = scene.thing("8MiB", "always")
    assert scene.get(thing, 2 * MIB, 3 * MIB).body == thing.content(1, 2 * MIB, 3 * MIB)
    scene.stub.bump(thing.place)
    assert scene.get(thing, MIB, 4 * MIB).body == thing.content(2, MIB, 4 * MIB)
    assert scene.get(thing).body == thing.content(2)


@pytest.mark.parametrize("size", ["4KiB", "3MiB"])
def test_always_sees_a_change_at_once(scene: Scene, size: str) -> None:
    thing = scene.thing(size, "always")
    assert scene.get(thing).body == thing.content(1)
    for version in (2, 3):
        scene.stub.bump(thing.place)
        assert scene.get(thing).body == thing.content(version)
    reads = scene.stub.traffic(thing.place).reads
    assert scene.get(thing).body == thing.content(3)
    assert scene.stub.traffic(thing.place).reads == reads, "the bytes come from the store"


def test_a_change_is_seen_when_the_freshness_is_over(scene: Scene) -> None:
    thing = scene.thing("3MiB", "brief")
    old, new = thing.content(1), thing.content(2)
    assert scene.get(thing).body == old
    scene.stub.bump(thing.place)
    started = time.monotonic()
    seen: list[bytes] = []
    while not seen or seen[-1] != new:
        seen.append(scene.get(thing).body)
        assert seen[-1] in (old, new)
        assert time.monotonic() < started + FRESH_MAX_S
    assert scene.get(thing).body == new


def test_within_the_freshness_nobody_asks(scene: Scene) -> None:
    thing = scene.thing("3MiB")
    scene.get(thing)
    scene.stub.bump(thing.place)
    scene.stub.reset()
    assert scene.get(thing).body == thing.content(1)
    assert scene.head(thing).headers["x-cache"] == "hit"
    assert scene.stub.traffic().total == 0


def test_immutable_is_never_asked_again(scene: Scene) -> None:
    thing = scene.thing("3MiB", "forever")
    first = scene.get(thing)
    scene.stub.bump(thing.place)
    scene.stub.reset()
    until(lambda: int(scene.head(thing).headers["age"]) >= 2)
    assert scene.get(thing).body == first.body
    assert scene.stub.traffic().total == 0


def test_a_deleted_object_is_gone_when_the_freshness_is_over(scene: Scene) -> None:
    thing = scene.thing("3MiB", "brief")
    scene.get(thing)
    scene.stub.delete(thing.place)
    until(lambda: scene.get(thing).status == 404, FRESH_MAX_S)


def test_a_listing_confirms_what_it_shows(scene: Scene) -> None:
    thing = scene.thing("3MiB")
    scene.get(thing)
    scene.stub.declare_one(thing.place)
    until(lambda: int(scene.head(thing).headers["age"]) >= 2)
    scene.stub.reset()
    assert scene.wire.keys(thing.bucket, thing.key) == [thing.key]
    head = scene.head(thing)
    assert (head.headers["x-cache"], int(head.headers["age"]) < 2) == ("hit", True)
    assert scene.get(thing).headers["x-cache"] == "hit"
    assert scene.stub.traffic().requests == {"LIST 200": 1}


def test_a_listing_drops_what_it_shows_changed(scene: Scene) -> None:
    thing = scene.thing("3MiB")
    scene.get(thing)
    scene.stub.bump(thing.place)
    assert scene.get(thing).body == thing.content(1)
    assert scene.wire.keys(thing.bucket, thing.key) == [thing.key]
    answer = scene.get(thing)
    assert (answer.body, answer.headers["x-cache"]) == (thing.content(2), "fill")


def test_that_an_object_is_missing_is_remembered_for_a_second_at_most(scene: Scene) -> None:
    thing = scene.thing("4KiB")
    scene.stub.delete(thing.place)
    scene.stub.reset()
    started = time.monotonic()
    answers = [scene.get(thing).status for _ in range(10)] + [scene.head(thing).status]
    asked = scene.stub.traffic(thing.place).total
    assert set(answers) == {404}
    assert asked <= 1 + int(time.monotonic() - started)
    scene.stub.put(thing.place, b"there now")
    until(lambda: scene.get(thing).body == b"there now", 2)


def test_no_cache_asks_for_the_version_and_takes_the_bytes_from_the_store(scene: Scene) -> None:
    thing = scene.thing("3MiB", "forever")
    scene.get(thing)
    scene.stub.reset()
    same = scene.get(thing, headers={"cache-control": "no-cache"})
    assert (same.body, same.headers["x-cache"], same.headers["age"]) == (thing.content(1), "revalidated", "0")
    assert (scene.stub.traffic().total, scene.stub.traffic().reads) == (1, 0)
    scene.stub.bump(thing.place)
    assert scene.get(thing, headers={"cache-control": "no-cache"}).body == thing.content(2)
    assert scene.get(thing).body == thing.content(2)


def test_no_store_passes_the_store_by(scene: Scene) -> None:
    thing = scene.thing("3MiB")
    scene.get(thing)
    scene.stub.reset()
    passed = scene.get(thing, headers={"cache-control": "no-store"})
    assert (passed.body, passed.headers["x-cache"]) == (thing.content(), "bypass")
    assert scene.stub.traffic(thing.place).bytes == thing.size
    other = scene.thing("3MiB")
    scene.get(other, headers={"cache-control": "no-store"})
    assert scene.get(other).headers["x-cache"] == "fill", "nothing was kept"


def test_a_mount_with_stale_if_error_answers_while_its_backend_is_down_and_says_so(own_scene: Scene) -> None:
    patient, brief = own_scene.thing("3MiB", "patient"), own_scene.thing("3MiB", "brief")
    assert own_scene.get(patient).status == own_scene.get(brief).status == 200
    own_scene.stub.stop()
    until(lambda: own_scene.get(brief).status == 503, 30)
    answer = own_scene.get(patient)
    assert (answer.status, answer.body, answer.headers["x-cache"]) == (200, patient.content(), "stale")
    assert answer.headers["warning"].startswith("110")
    assert int(answer.headers["age"]) >= 1
    assert own_scene.head(patient).headers["x-cache"] == "stale"
    own_scene.stub.start()
    until(lambda: own_scene.get(brief).body == brief.content(), 30)
    until(lambda: own_scene.get(patient).headers["x-cache"] in ("hit", "revalidated"), 30)
    assert "warning" not in own_scene.get(patient).headers


def test_what_is_fresh_is_served_while_the_backend_is_down(own_scene: Scene) -> None:
    thing = own_scene.thing("3MiB")
    own_scene.get(thing)
    own_scene.stub.stop()
    answer = own_scene.get(thing)
    assert (answer.body, answer.headers["x-cache"]) == (thing.content(), "hit")
