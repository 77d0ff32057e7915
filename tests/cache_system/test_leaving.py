"""Clients that hang up: nobody else notices, and nothing goes on for their sake."""

import asyncio

import pytest

from tests.cache_system.readers import Reader, reader
from tests.cache_system.scene import MIB, Scene
from tests.robust.watching import until

pytestmark = pytest.mark.slow

SLOW_RATE = 50 * MIB


def test_a_client_that_leaves_spoils_nothing_for_those_who_wait_for_the_same_bytes(scene: Scene) -> None:
    thing = scene.thing("32MiB")
    scene.stub.pace(rate=SLOW_RATE)

    async def run() -> list[Reader]:
        async with reader(scene, thing) as first:
            await first.begin()
            stayed = [reader(scene, thing) for _ in range(10)]

            async def stay(one: Reader) -> None:
                async with one:
                    await one.begin()
                    await one.take()

            async with asyncio.TaskGroup() as tasks:
                for one in stayed:
                    tasks.create_task(stay(one))
                await first.take(2 * MIB)
                await first.__aexit__()
            return stayed

    assert all(one.taken.right for one in asyncio.run(run()))
    # On a busy machine a fill may end early and another go on; what was on its way then is read twice.
    traffic = scene.stub.traffic(thing.place)
    assert traffic.total <= 2
    assert thing.size <= traffic.bytes <= thing.size + MIB


def test_a_client_that_leaves_before_the_first_byte_leaves_the_object_readable(scene: Scene) -> None:
    thing = scene.thing("4KiB")
    scene.stub.fault("hold", thing.place)

    async def run() -> None:
        async with reader(scene, thing):
            await asyncio.to_thread(until, lambda: scene.stub.traffic(thing.place).total > 0)

    asyncio.run(run())
    scene.stub.calm()
    assert scene.get(thing).body == thing.content()


def test_the_fill_of_a_huge_object_ends_with_its_only_reader(scene: Scene) -> None:
    thing = scene.thing("10GiB")
    scene.stub.pace(rate=4 * SLOW_RATE)

    async def run() -> None:
        async with Reader(scene.wire, scene.wire.head("GET", thing.target)) as one:
            await one.begin()
            await one.take(8 * MIB)

    asyncio.run(run())
    sent = [scene.stub.traffic(thing.place).bytes]

    def still() -> bool:
        sent.append(scene.stub.traffic(thing.place).bytes)
        return len(sent) > 50 and sent[-1] == sent[-50]

    until(still, 20)
    assert sent[-1] < 256 * MIB


def test_the_blocks_a_leaver_paid_for_are_there_for_the_next(scene: Scene) -> None:
    thing = scene.thing("32MiB")

    async def run() -> None:
        async with reader(scene, thing) as one:
            await one.begin()
            await one.take(8 * MIB)

    asyncio.run(run())
    assert scene.get(thing).body == thing.content()
    blocks = scene.stub.traffic(thing.place).blocks
    assert all(blocks[number] == MIB for number in range(8))
