"""What was seen to be otherwise is no longer said of an object."""

import asyncio

import pytest

from gateway.backends.base import ListQuery
from gateway.cache import Demand
from gateway.errors import BackendUnavailable, ObjectMissing
from gateway.model import MIB, Span
from tests.cache.hurrying import hurrying
from tests.cache.scene import BUCKET, KEY, a_scene
from tests.cache.scripted import At, Step

SMALL = 5000


@hurrying
async def test_what_a_listing_has_shown_is_not_said_to_be_absent() -> None:
    async with a_scene() as scene:
        with pytest.raises(ObjectMissing):
            await scene.get()
        data = await scene.has(SMALL)
        page = await scene.cache.list(scene.mount, ListQuery())
        assert [entry.key for entry in page.entries] == [KEY]
        assert await scene.get() == data


@hurrying
async def test_an_object_whose_bytes_are_found_gone_is_forgotten() -> None:
    async with a_scene() as scene:
        data = await scene.has(3 * MIB)
        assert await scene.get(Span(0, 10)) == data[:10]
        await scene.rest()
        await scene.backend.delete_behind(KEY)
        with pytest.raises(ObjectMissing):
            await scene.get(Span(2 * MIB, 3 * MIB))
        with pytest.raises(ObjectMissing):
            await scene.cache.head(scene.mount, KEY, Demand.NORMAL, complete=False)


@hurrying
async def test_an_info_that_lacks_something_still_lacks_it_after_a_write_that_failed_beside_it() -> None:
    async with a_scene() as scene, asyncio.TaskGroup() as tasks:
        data = await scene.has(SMALL)
        reached, opened = asyncio.Event(), asyncio.Event()

        async def script(at: At) -> None:
            if at.step is Step.PIECE:
                reached.set()
                await opened.wait()
            if at.step is Step.WRITE:
                raise BackendUnavailable

        scene.backend.script = script
        reading = tasks.create_task(scene.get(Span(0, SMALL)))
        await reached.wait()
        with pytest.raises(BackendUnavailable):
            await scene.put(b"other")
        opened.set()
        assert await reading == data
        await scene.rest()
        known = scene.cache.store.known(BUCKET, KEY)
        assert known is not None
        assert not known.complete
