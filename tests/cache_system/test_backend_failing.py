"""A backend that fails in every way: right bytes or a clean error in time, never an answer that only looks whole."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cache_system.readers import Reader
from tests.cache_system.scene import MIB, Scene, Thing, opened, range_header
from tests.clients.contents import content
from tests.robust.watching import until

pytestmark = pytest.mark.slow

ANSWER_MAX_S = 30
"""Four tries, each with a second of silence before the first byte or three in the middle, and the pauses between."""
RECOVERY_MAX_S = 30
"""A breaker that has opened twice."""
ALWAYS = 100_000


@dataclass(frozen=True, slots=True)
class Trouble:
    """One way to fail, and whether it may still give the right bytes if it never ends."""

    kind: str
    more: dict[str, int] = field(default_factory=dict)
    passes: bool = False

    def __str__(self) -> str:
        return "-".join([self.kind, *(f"{name}{value}" for name, value in self.more.items())])


TROUBLES = (
    Trouble("status", {"status": 503}),
    Trouble("status", {"status": 500}),
    Trouble("reset"),
    Trouble("reset", {"after": 300_000}, passes=True),
    Trouble("cut", {"after": 300_000}, passes=True),
    Trouble("cut", {"after": 0}),
    Trouble("short", {"after": 300_000}),
    Trouble("drip", {"rate": MIB}, passes=True),
    Trouble("hold"),
    Trouble("hold", {"after": 1_500_000}, passes=True),
)


@pytest.fixture
def frail(tmp_path: Path) -> Iterator[Scene]:
    """A node that waits one second for a first byte and three in the middle, before a stub of its own."""
    with opened(tmp_path, options='silence_timeout = "3s"') as scene:
        yield scene


def outcome(scene: Scene, thing: Thing, start: int = 0, stop: int | None = None) -> str:
    """`right`, `refused` (an S3 error document) or `broken` (right bytes, then the end); fails on anything else."""
    promised = thing.content(1, start, stop)
    head = scene.wire.head("GET", thing.target, range_header(start, stop))

    async def run() -> Reader:
        async with asyncio.timeout(ANSWER_MAX_S), Reader(scene.wire, head, promised) as one:
            await one.begin()
            await one.take()
            return one

    taken = asyncio.run(run()).taken
    if taken.status in (200, 206):
        assert taken.matches
        assert int(taken.headers["content-length"]) == len(promised)
        return "right" if taken.complete else "broken"
    assert taken.status in (500, 503)
    assert taken.headers["content-type"] == "application/xml"
    assert taken.complete
    return "refused"


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_a_read_while_the_backend_fails_is_right_or_cleanly_refused(frail: Scene, trouble: Trouble) -> None:
    once, always, partly = frail.thing("3MiB"), frail.thing("3MiB"), frail.thing("40MiB")
    for thing in (once, always):
        # Only who knows the size can tell a wrong length.
        assert frail.head(thing).status == 200
    frail.stub.fault(trouble.kind, once.place, **trouble.more)
    assert outcome(frail, once) == "right", "one failure is tried again"
    frail.stub.fault(trouble.kind, always.place, count=ALWAYS, **trouble.more)
    started = time.monotonic()
    assert outcome(frail, always) in ({"right", "refused", "broken"} if trouble.passes else {"refused", "broken"})
    assert time.monotonic() - started < ANSWER_MAX_S
    frail.stub.fault(trouble.kind, partly.place, skip=1, count=ALWAYS, **trouble.more)
    outcome(frail, partly)
    frail.stub.calm()
    for thing in (always, partly):
        until(lambda thing=thing: outcome(frail, thing) == "right", RECOVERY_MAX_S)  # type: ignore[misc]
    assert outcome(frail, once) == "right"
    assert outcome(frail, partly, 15 * MIB, 17 * MIB) == "right"


def test_heads_and_listings_of_a_failing_backend_are_tried_again_or_refused(frail: Scene) -> None:
    thing = frail.thing("4KiB")
    frail.stub.declare_one(thing.place)
    for method in ("HEAD", "GET"):
        frail.stub.fault("status", method=method, count=2)
    assert frail.head(thing).status == 200
    assert frail.wire.keys(thing.bucket) == [thing.key]
    frail.stub.fault("status", method="HEAD", count=ALWAYS)
    assert frail.head(frail.thing("4KiB")).status in (500, 503)


def test_a_write_that_the_backend_refuses_is_refused_and_leaves_the_old_object(frail: Scene) -> None:
    thing = frail.thing("3MiB")
    assert frail.get(thing).body == thing.content()
    frail.stub.fault("status", thing.place, method="PUT", count=ALWAYS)
    for size in (10, 3 * MIB):
        refused = frail.wire.request("PUT", thing.target, body=content(size))
        assert refused.status in (500, 503)
        assert refused.code
    frail.stub.calm()
    until(lambda: frail.get(thing).status == 200, RECOVERY_MAX_S)
    assert frail.get(thing).body == thing.content()


def test_a_herd_on_an_object_that_fails_is_refused_together_without_a_herd_at_the_backend(frail: Scene) -> None:
    thing = frail.thing("3MiB")
    frail.stub.fault("status", thing.place, status=500, count=ALWAYS)
    head = frail.wire.head("GET", thing.target)

    async def one() -> int:
        async with Reader(frail.wire, head) as reader:
            await reader.begin()
            await reader.take()
            return reader.taken.status

    async def run() -> set[int]:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one()) for _ in range(100)]
        return {task.result() for task in running}

    assert asyncio.run(run()) <= {500, 503}
    assert frail.stub.traffic(thing.place).total <= 20, "a few flights of four tries"
