"""Memory for bytes in flight and space on the disk stay within what the configuration allows."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event

import pytest

from tests.cache_system.readers import Reader, read_things, reader
from tests.cache_system.scene import MIB, Scene, opened
from tests.clients.contents import content
from tests.real.memory import MemoryWatch
from tests.real.wire import path
from tests.robust.watching import until

pytestmark = pytest.mark.slow

TRANSFER_MEMORY = 16 * MIB
RSS_ABOVE_IDLE_MAX = 300 * MIB
"""The store's 128 MiB, the transfer memory, the heads and buffers of two hundred connections, and slack."""
CAPACITY = 768 * MIB
SAMPLE_S = 0.1
DISK_BLOCK_SIZE = 512
"""What `st_blocks` counts."""
CROWD = 20
"""Readers that stand still, and as many writers."""
WRITTEN_SIZE = 8 * MIB
WRITTEN = content(WRITTEN_SIZE)
BEGINNING_SIZE = MIB // 4
"""What a writer sends before it stands still: so little that it is sent even if nobody reads it."""


@contextmanager
def sampled(look: Callable[[], float]) -> Iterator[list[float]]:
    """What `look` finds, about ten times a second, while the context lasts."""
    found: list[float] = []
    done = Event()

    def sample() -> None:
        while not done.wait(SAMPLE_S):
            found.append(look())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
    found.append(look())


def test_fills_uploads_and_clients_that_stand_still_stay_within_transfer_memory(tmp_path: Path) -> None:
    with opened(tmp_path, limits=f'transfer_memory = "{TRANSFER_MEMORY // MIB}MiB"') as scene:
        scene.get(scene.thing("3MiB"))

        def used() -> float:
            return scene.metric("forebay_transfer_memory_bytes", state="used")

        with MemoryWatch(scene.node.pid) as watch, sampled(used) as samples:
            codes = asyncio.run(crowd(scene))
        assert 0 < max(samples) <= TRANSFER_MEMORY
        assert watch.above_idle_bytes < RSS_ABOVE_IDLE_MAX
        assert "SlowDown" in codes
        until(lambda: used() == 0)
        after = scene.thing("24MiB")
        assert scene.get(after).body == after.content()


async def crowd(scene: Scene) -> list[str]:
    """Readers and writers that stand still, and more cold reads than there is memory for.

    Returns the codes of the refused ones; every other answer was right.
    """
    async with AsyncExitStack() as stack:
        still = [await stack.enter_async_context(reader(scene, scene.thing("16MiB"))) for _ in range(CROWD)]
        writers = [await stack.enter_async_context(a_put(scene, number)) for number in range(CROWD)]
        for one in still:
            await one.begin()
            await one.take(1)
        scene.stub.fault("hold", count=10 * CROWD)
        cold = [await stack.enter_async_context(reader(scene, scene.thing("2MiB"))) for _ in range(2 * CROWD)]
        refused, calm = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for one in writers:
                tasks.create_task(put_with_a_pause(one, calm))
            for one in cold:
                tasks.create_task(finish(one, refused))
            await refused.wait()
            scene.stub.calm()
            calm.set()
            for one in still:
                tasks.create_task(one.take())
    assert all(one.taken.matches for one in still)
    assert all(one.taken.status in (200, 503) for one in (*cold, *writers))
    return [one.taken.code for one in (*cold, *writers) if one.taken.status == 503]


async def finish(one: Reader, refused: asyncio.Event) -> None:
    """Takes the whole answer; tells if it was a refusal."""
    await one.begin()
    await one.take()
    if one.taken.status == 503:
        refused.set()


async def put_with_a_pause(one: Reader, go_on: asyncio.Event) -> None:
    """Sends the beginning of a body, and the rest when it is told to, unless the answer has come before."""
    await one.send(WRITTEN[:BEGINNING_SIZE])
    async with asyncio.TaskGroup() as tasks:
        answered = tasks.create_task(one.begin())
        told = tasks.create_task(go_on.wait())
        await asyncio.wait({answered, told}, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        if not answered.done():
            await one.send(WRITTEN[BEGINNING_SIZE:])
    await one.take()


def a_put(scene: Scene, number: int) -> Reader:
    """A PUT whose body its sender sends."""
    target = path("plain", f"slow-{number}")
    return Reader(scene.wire, scene.wire.head("PUT", target, {"content-length": str(WRITTEN_SIZE)}))


def test_a_store_of_768_mib_never_takes_more_whatever_is_read_and_written(tmp_path: Path) -> None:
    with opened(tmp_path, capacity=f"{CAPACITY // MIB}MiB") as scene:
        things = [scene.thing("24MiB") for _ in range(2 * CAPACITY // (24 * MIB))]
        store = tmp_path / "store"
        with sampled(lambda: taken_by(store, scene.node.pid)) as samples:
            assert all(taken.right for taken in asyncio.run(read_things(scene, things, 4)))
            for number in range(CAPACITY // len(WRITTEN)):
                assert scene.wire.put("plain", f"w{number}", WRITTEN).status == 200
        assert max(samples) <= CAPACITY
        assert max(samples) > CAPACITY // 2, "it is used, too"
        last = scene.wire.request("GET", path("plain", f"w{number}"))
        assert (last.body, last.headers["x-cache"]) == (WRITTEN, "hit")


def taken_by(store: Path, pid: int) -> int:
    """Bytes on the disk of everything under `store`, and of what the process holds open there after unlinking it."""
    taken = 0
    for directory, _, names in os.walk(store):
        for name in [".", *names]:
            with suppress(FileNotFoundError):
                taken += os.lstat(os.path.join(directory, name)).st_blocks * DISK_BLOCK_SIZE
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            if str(descriptor.readlink()).startswith(str(store)) and descriptor.stat().st_nlink == 0:
                taken += descriptor.stat().st_blocks * DISK_BLOCK_SIZE
    return taken
