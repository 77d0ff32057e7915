"""Blocks and infos of one object that meet in the store: what is not known from the backend just now gives way."""

import asyncio
import errno
from dataclasses import replace
from pathlib import Path

from gateway.model import ContentHeaders, Known
from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, Small, body, name

SIZE = 10_000


async def keep_untrusted(small: Small, version: int) -> bool:
    """Keeps a block as a fill does that goes by what was known before."""
    known = replace(small.known("k", version, SIZE), validated_s=0, complete=False)
    return bool(await small.store.keep(small.content("k", version, SIZE), 0, body("k", version, 0, SIZE), known))


@asynchronous
async def test_a_block_whose_info_is_not_news_does_not_put_out_another_version_on_its_way(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 1, SIZE)
        async with asyncio.TaskGroup() as tasks:
            news = tasks.create_task(small.keep("k", 2, SIZE))
            await asyncio.sleep(0)
            old = tasks.create_task(keep_untrusted(small, 1))
        assert (news.result(), old.result()) == (True, False)
        assert small.store.known(BUCKET, name("k")) == small.known("k", 2, SIZE)
        assert await small.read(small.content("k", 2, SIZE)) == body("k", 2, 0, SIZE)


@asynchronous
async def test_a_block_whose_info_is_not_news_does_not_replace_another_version(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        await small.keep("k", 2, SIZE)
        assert not await keep_untrusted(small, 1)
        assert small.store.known(BUCKET, name("k")) == small.known("k", 2, SIZE)
        assert await small.read(small.content("k", 2, SIZE)) == body("k", 2, 0, SIZE)


@asynchronous
async def test_a_refused_block_whose_info_is_not_news_leaves_the_info_trusted(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        for version in (1, 2):
            await small.store.install(BUCKET, name("k"), small.known("k", version, SIZE))
            small.files.fails = lambda step, _number: errno.ENOSPC if step == "write" else None
            assert not await keep_untrusted(small, 1)
            assert small.store.known(BUCKET, name("k")) == small.known("k", version, SIZE)


@asynchronous
async def test_an_info_installed_while_a_block_of_its_version_is_on_its_way_stays(tmp_path: Path) -> None:
    async with Small(tmp_path) as small:
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(small.keep("k", 1, SIZE))
            await asyncio.sleep(0)
            rewritten = small.known("k", 1, SIZE)
            rewritten = Known(
                replace(rewritten.info, content=ContentHeaders("image/png"), modified_s=1), rewritten.validated_s
            )
            await small.store.install(BUCKET, name("k"), rewritten)
        assert keeping.result()
        assert small.store.known(BUCKET, name("k")) == rewritten
        assert await small.read(small.content("k", 1, SIZE)) == body("k", 1, 0, SIZE)
