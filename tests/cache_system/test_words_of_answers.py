"""`x-cache` and `age` say where an answer came from, on GET and HEAD, whole, in part and unchanged."""

import pytest

from tests.cache_system.scene import MIB, Scene
from tests.real.wire import Answer, path
from tests.robust.watching import until

pytestmark = pytest.mark.slow


def word(answer: Answer) -> str:
    """The word of an answer that has an age, as all have that tell of an object."""
    assert int(answer.headers["age"]) >= 0
    return answer.headers["x-cache"]


@pytest.mark.parametrize("size", ["0B", "4KiB", "1MiB", "3MiB"])
def test_the_first_get_fills_and_the_second_hits(scene: Scene, size: str) -> None:
    thing = scene.thing(size)
    first, second = scene.get(thing), scene.get(thing)
    assert (first.status, first.body, second.body) == (200, thing.content(), thing.content())
    assert word(second) == "hit"
    if thing.size:
        assert word(first) == "fill"
    assert first.headers["etag"] == second.headers["etag"]
    assert first.headers["last-modified"] == second.headers["last-modified"]


def test_the_first_head_asks_and_the_second_hits(scene: Scene) -> None:
    thing = scene.thing("3MiB")
    first, second = scene.head(thing), scene.head(thing)
    assert (first.status, word(first)) == (200, "fill")
    assert (second.status, word(second)) == (200, "hit")
    assert int(second.headers["content-length"]) == thing.size
    assert word(scene.get(thing)) == "fill", "the bytes are not there yet"


def test_a_head_after_a_get_hits(scene: Scene) -> None:
    thing = scene.thing("3MiB")
    scene.get(thing)
    scene.stub.reset()
    assert word(scene.head(thing)) == "hit"
    assert scene.stub.traffic().total == 0


def test_ranges_say_whether_their_own_bytes_were_there(scene: Scene) -> None:
    thing = scene.thing("40MiB")
    middle = (20 * MIB + 5, 21 * MIB - 5)
    assert word(scene.get(thing, *middle)) == "fill"
    found = scene.get(thing, *middle)
    assert (found.status, word(found)) == (206, "hit")
    assert word(scene.get(thing, 20 * MIB, 22 * MIB)) == "fill"
    tail = scene.wire.request("GET", thing.target, headers={"range": "bytes=-100"})
    assert (tail.body, word(tail)) == (thing.content(1, thing.size - 100), "fill")


def test_a_get_that_has_not_changed_for_the_client_hits_without_bytes(scene: Scene) -> None:
    thing = scene.thing("3MiB")
    etag = scene.get(thing).headers["etag"]
    scene.stub.reset()
    for method in ("GET", "HEAD"):
        same = scene.wire.request(method, thing.target, headers={"if-none-match": etag})
        assert (same.status, same.body, word(same)) == (304, b"", "hit")
    assert scene.wire.request("GET", thing.target, headers={"if-match": '"other"'}).status == 412
    assert scene.stub.traffic().total == 0


def test_always_says_revalidated(scene: Scene) -> None:
    thing = scene.thing("3MiB", "always")
    assert word(scene.get(thing)) == "fill"
    again = scene.get(thing)
    assert (word(again), again.headers["age"]) == ("revalidated", "0")


def test_expired_info_is_confirmed_once_and_then_hits(scene: Scene) -> None:
    thing = scene.thing("3MiB", "brief")
    scene.get(thing)
    words: list[str] = []

    def confirmed() -> bool:
        words.append(word(scene.get(thing)))
        return words[-1] == "revalidated"

    until(confirmed)
    assert set(words[:-1]) <= {"hit"}
    assert scene.stub.traffic(thing.place).reads == 1


def test_what_is_not_cached_says_bypass(scene: Scene) -> None:
    thing = scene.thing("3MiB", "bypassed")
    for _ in range(2):
        assert scene.get(thing).headers["x-cache"] == "bypass"
        assert scene.head(thing).headers["x-cache"] == "bypass"
    assert scene.stub.traffic(thing.place).bytes == 2 * thing.size
    assert scene.wire.put("demo", "in-a-directory", b"x").status == 200
    assert scene.wire.request("GET", path("demo", "in-a-directory")).headers["x-cache"] == "bypass"


def test_age_counts_from_the_last_time_the_backend_confirmed(scene: Scene) -> None:
    thing = scene.thing("4KiB")
    assert int(scene.get(thing).headers["age"]) <= 1
    until(lambda: int(scene.get(thing).headers["age"]) >= 2)
    assert int(scene.head(thing).headers["age"]) >= 2


def test_what_was_just_written_hits(scene: Scene) -> None:
    scene.wire.put("plain", "just-written", bytes(2 * MIB))
    answer = scene.wire.request("GET", path("plain", "just-written"))
    assert word(answer) == "hit"
    assert int(answer.headers["age"]) <= 2
