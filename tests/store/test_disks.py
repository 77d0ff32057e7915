"""Stores of several disks: what one of them missed while it was away is not trusted."""

from pathlib import Path

from tests.contract.stores import asynchronous
from tests.store.small import BUCKET, Small, name

KEYS = [f"k{number}" for number in range(24)]
SIZE = 1_000


@asynchronous
async def test_a_disk_that_comes_back_tells_no_info_that_may_have_been_replaced_meanwhile(tmp_path: Path) -> None:
    paths = tuple(tmp_path / str(number) for number in range(3))
    small = Small(*paths)
    async with small:
        for key in KEYS:
            await small.store.install(BUCKET, name(key), small.known(key, 1, SIZE))
    small.directories = paths[:2]
    async with small:
        for key in KEYS:
            await small.store.install(BUCKET, name(key), small.known(key, 2, SIZE))
    small.directories = paths
    async with small:
        for key in KEYS:
            known = small.store.known(BUCKET, name(key))
            assert known is None or known.validated_s == 0
