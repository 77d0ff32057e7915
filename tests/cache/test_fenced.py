"""What was asked before a write or a change was seen is not believed after it."""

import asyncio
import contextlib

import pytest

from gateway.backends.base import ListQuery, WriteSpec
from gateway.cache import Demand, Want
from gateway.cache.words import Source
from gateway.errors import (
    BackendBroken,
    BackendUnavailable,
    ConditionFailed,
    GatewayError,
    ObjectMissing,
    VersionChanged,
)
from gateway.model import MIB, ContentHeaders, IfVersion, Span
from gateway.mounts.mount import CachePolicy
from tests.cache.hurrying import hurrying
from tests.cache.scene import KEY, Scene, a_scene, content, ticks
from tests.cache.scripted import At, Step
from tests.contract.bodies import Sent

SMALL = 5000


class Hold:
    """Holds the calls that come to one step until it is opened; `reached` says that one has come."""

    def __init__(self, scene: Scene, step: Step) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        self._step = step
        scene.backend.script = self

    async def __call__(self, at: At) -> None:
        if at.step is self._step:
            self.reached.set()
            await self.opened.wait()


@hurrying
async def test_an_absence_is_not_repeated_while_the_object_is_being_written() -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        with pytest.raises(ObjectMissing):
            await scene.get()
        hold = Hold(scene, Step.WRITTEN)
        data = content(SMALL)
        tasks.create_task(scene.put(data))
        await hold.reached.wait()
        assert await scene.get(demand=Demand.REVALIDATE) == data
        assert await scene.get() == data
        hold.opened.set()


@hurrying
async def test_what_exists_is_not_said_to_be_absent_once_it_was_seen() -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        with pytest.raises(ObjectMissing):
            await scene.get()
        data = await scene.has(SMALL)
        hold = Hold(scene, Step.PIECE)
        seen = tasks.create_task(scene.get(demand=Demand.REVALIDATE))
        await hold.reached.wait()
        also_seen = tasks.create_task(scene.get())
        await ticks(5)
        hold.opened.set()
        assert await seen == await also_seen == data


@hurrying
async def test_a_reader_of_the_version_before_a_write_does_not_make_the_write_forgotten() -> None:
    for size in (SMALL, 2 * MIB):
        async with a_scene() as scene:
            await scene.has(3 * MIB)
            await scene.cache.head(scene.mount, KEY, Demand.NORMAL, complete=False)
            async with scene.opened() as view:
                data = content(size, seed=1)
                await scene.put(data)
                with pytest.raises(GatewayError):
                    [piece async for piece in view.pieces(Span(0, 3 * MIB), whole=True)]
            sent, stats = scene.backend.bytes_sent, scene.backend.calls[Step.STAT]
            assert await scene.get() == data
            assert (scene.backend.bytes_sent, scene.backend.calls[Step.STAT]) == (sent, stats)


@hurrying
async def test_a_reader_of_the_version_before_a_write_does_not_make_a_write_forgotten_that_is_just_ending() -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        await scene.has(SMALL)
        await scene.cache.head(scene.mount, KEY, Demand.NORMAL, complete=False)
        async with scene.opened() as view:
            hold = Hold(scene, Step.WRITTEN)
            data = content(SMALL, seed=1)
            write = tasks.create_task(scene.put(data))
            await hold.reached.wait()
            with pytest.raises(GatewayError):
                [piece async for piece in view.pieces(Span(0, SMALL), whole=True)]
            hold.opened.set()
            await write
        sent = scene.backend.bytes_sent
        assert await scene.get() == data
        assert scene.backend.bytes_sent == sent


@hurrying
async def test_a_changed_object_is_seen_while_a_whole_read_of_the_old_one_goes_on() -> None:
    async def broken_off_or_old() -> None:
        with contextlib.suppress(VersionChanged):
            assert await scene.get() == old

    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        old = await scene.has(80 * MIB)
        hold = Hold(scene, Step.PIECE)
        tasks.create_task(broken_off_or_old())
        await hold.reached.wait()
        new = await scene.has(79 * MIB + 5, seed=1)
        hold.opened.set()
        assert await scene.get(Span(70 * MIB, 71 * MIB)) == new[70 * MIB : 71 * MIB]


@hurrying
async def test_what_a_listing_showed_to_be_changed_is_not_read_from_an_opening_before_it() -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        old = await scene.has(5 * MIB)
        hold = Hold(scene, Step.PIECE)
        slow = tasks.create_task(scene.get())
        await hold.reached.wait()
        scene.clock.advance(2)
        new = await scene.has(5 * MIB, seed=1)
        await scene.cache.list(scene.mount, ListQuery())
        reading = tasks.create_task(scene.get())
        await ticks(20)
        hold.opened.set()
        assert await reading == new
        assert await slow == old


@hurrying
async def test_an_opening_is_shared_no_longer_than_its_info_is_fresh() -> None:
    async with a_scene(CachePolicy(is_cached=True, freshness_s=10)) as scene, asyncio.TaskGroup() as tasks:
        # Infos that are too large are not kept, so only the opening tells of the object.
        large = WriteSpec(content=ContentHeaders(content_disposition="x" * 10_000))
        old, new = content(5 * MIB), content(5 * MIB, seed=1)
        await scene.backend.put_behind(KEY, Sent(old), large)
        hold = Hold(scene, Step.PIECE)
        slow = tasks.create_task(scene.get())
        await hold.reached.wait()
        await scene.backend.put_behind(KEY, Sent(new), large)
        scene.clock.advance(11)
        reading = tasks.create_task(scene.get())
        await ticks(20)
        hold.opened.set()
        assert await reading == new
        assert await slow == old


@pytest.mark.parametrize("error", [ConditionFailed, BackendBroken, BackendUnavailable])
@hurrying
async def test_a_write_that_may_have_come_through_leaves_nothing_trusted(error: type[GatewayError]) -> None:
    async with a_scene() as scene:
        await scene.has(SMALL)
        _, _, info = await scene.answer()
        await scene.rest()

        async def fails_afterwards(at: At) -> None:
            if at.step is Step.WRITTEN:
                raise error

        scene.backend.script = fails_afterwards
        new = content(SMALL, seed=1)
        with pytest.raises(error):
            await scene.put(new, spec=WriteSpec(condition=IfVersion(info.version)))
        assert await scene.get() == new


@hurrying
async def test_a_rewrite_of_the_headers_alone_is_seen_beside_a_fill_that_began_before() -> None:
    async with a_scene(names_contents=True) as scene, asyncio.TaskGroup() as tasks:
        data = content(SMALL)
        await scene.backend.put_behind(KEY, Sent(data), WriteSpec(content=ContentHeaders("text/plain")))
        hold = Hold(scene, Step.PIECE)
        filling = tasks.create_task(scene.get())
        await hold.reached.wait()
        await scene.put(data, spec=WriteSpec(content=ContentHeaders("image/png")))
        hold.opened.set()
        assert await filling == data
        assert (await scene.answer())[2].content == ContentHeaders("image/png")


@hurrying
async def test_what_cannot_be_asked_is_not_served_stale_while_it_is_being_written() -> None:
    policy = CachePolicy(is_cached=True, freshness_s=10, stale_if_error_s=100)
    async with a_scene(policy) as scene, asyncio.TaskGroup() as tasks:
        old = await scene.has(SMALL)
        assert await scene.get() == old
        await scene.rest()
        hold = Hold(scene, Step.WRITTEN)
        new = content(SMALL, seed=1)
        write = tasks.create_task(scene.put(new))
        await hold.reached.wait()
        assert await scene.get() == new

        async def down(at: At) -> None:
            if at.step in (Step.STAT, Step.READ):
                raise BackendUnavailable

        scene.backend.script = down
        with pytest.raises(BackendUnavailable):
            await scene.get()
        hold.opened.set()
        await write
        assert await scene.answer() == (new, Source.HIT, (await scene.answer())[2])


@hurrying
async def test_a_listing_asked_before_a_write_neither_confirms_nor_drops_what_was_written() -> None:
    async with a_scene(names_contents=True) as scene, asyncio.TaskGroup() as tasks:
        await scene.has(SMALL)
        hold = Hold(scene, Step.LISTED)
        listing = tasks.create_task(scene.cache.list(scene.mount, ListQuery()))
        await hold.reached.wait()
        new = content(SMALL, seed=1)
        await scene.put(new)
        hold.opened.set()
        await listing
        calls = scene.backend.calls.copy()
        assert await scene.answer(Want()) == (new, Source.HIT, (await scene.answer())[2])
        assert scene.backend.calls == calls
