"""Orders to the cache, seen by clients and by the backend that counts what it is asked."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest

from gateway.cli.node import Json, NodeClient
from gateway.config import Secret
from gateway.config.credentials import Credentials
from tests.cache_system.scene import Scene, Thing, opened
from tests.robust.watching import until

pytestmark = pytest.mark.slow

MOUNTS = {
    "forever": 'freshness = "immutable"',
    "short": 'freshness = "immutable"\nttl = "2s"',
    "hold": 'freshness = "immutable"\nadmission = "hold"',
}
SIZES = pytest.mark.parametrize("size", ["4KiB", "3MiB"])


@pytest.fixture(scope="module")
def _opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with opened(tmp_path_factory.mktemp("orders"), mounts=MOUNTS) as scene:
        yield scene


@pytest.fixture
def scene(_opened: Scene) -> Scene:
    """The stub counts from here on."""
    _opened.stub.reset()
    return _opened


def order(scene: Scene, what: str) -> dict[str, Json]:
    """Carries out an order, as `evict s3://bucket/prefix`."""
    node = scene.node
    name, _, uri = what.partition(" ")
    return NodeClient(node.admin, Credentials(node.access_key, Secret(node.secret_key))).post(
        f"/api/v1/{name}?uri={quote(uri, safe='')}"
    )


def word(scene: Scene, thing: Thing, version: int = 1) -> str:
    """Reads it, holds its bytes to what they must be, and returns where they came from."""
    answer = scene.get(thing)
    assert answer.body == thing.content(version)
    return answer.headers["x-cache"]


def hit(scene: Scene, *things: Thing) -> None:
    for thing in things:
        assert word(scene, thing) == "fill"
        until(partial(is_hit, scene, thing))


def is_hit(scene: Scene, thing: Thing) -> bool:
    return word(scene, thing) == "hit"


@SIZES
def test_what_was_evicted_is_read_at_the_backend_again_though_nothing_changed(scene: Scene, size: str) -> None:
    thing, other = scene.thing(size, "forever"), scene.thing(size, "forever")
    hit(scene, thing, other)
    scene.stub.reset()
    order(scene, f"evict s3://forever/{thing.key}")
    assert word(scene, thing) == "fill"
    assert scene.stub.traffic(thing.place).each_byte_once(thing.size)
    assert word(scene, other) == "hit"
    assert scene.stub.traffic(other.place).total == 0


@SIZES
def test_what_was_invalidated_is_asked_for_and_not_read(scene: Scene, size: str) -> None:
    thing = scene.thing(size, "forever")
    hit(scene, thing)
    scene.stub.reset()
    order(scene, "invalidate s3://forever")
    assert word(scene, thing) == "revalidated"
    until(lambda: word(scene, thing) == "hit")
    traffic = scene.stub.traffic(thing.place)
    assert traffic.reads == 0
    assert traffic.total >= 1


@SIZES
def test_a_change_behind_an_immutable_mount_is_seen_after_an_invalidation(scene: Scene, size: str) -> None:
    thing = scene.thing(size, "forever")
    hit(scene, thing)
    scene.stub.bump(thing.place)
    assert word(scene, thing) == "hit"
    order(scene, f"invalidate s3://forever/{thing.key[:6]}")
    assert word(scene, thing, 2) == "fill"


def test_orders_outlive_a_kill(tmp_path: Path) -> None:
    with opened(tmp_path, mounts=MOUNTS) as scene:
        evicted, told, kept = (scene.thing("4KiB", "forever") for _ in range(3))
        hit(scene, evicted, told, kept)
        order(scene, f"evict s3://forever/{evicted.key}")
        order(scene, f"invalidate s3://forever/{told.key}")
        order(scene, f"pin s3://forever/{kept.key}")
        scene.node.kill()
        scene.node.restart()
        scene.stub.reset()
        assert (word(scene, evicted), word(scene, told), word(scene, kept)) == ("fill", "revalidated", "hit")
        assert scene.stub.traffic(evicted.place).reads == 1
        assert scene.stub.traffic(told.place).reads == 0
        assert order(scene, f"unpin s3://forever/{kept.key}")["done"] == 1


def test_bytes_are_gone_when_their_life_is_over(scene: Scene) -> None:
    thing = scene.thing("4KiB", "short")
    hit(scene, thing)
    until(lambda: word(scene, thing) == "fill")


def test_a_mount_that_holds_takes_all_while_there_is_room(scene: Scene) -> None:
    hit(scene, scene.thing("4KiB", "hold"), scene.thing("3MiB", "hold"))
