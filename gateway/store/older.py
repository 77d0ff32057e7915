"""Directories of shards that were given up: they count as used until they are removed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.kv import allocated_bytes
from gateway.store.disk import Files
from gateway.store.shard import Shard
from gateway.store.site import is_shard
from gateway.tasks import end


class Older:
    """What lies in a directory of the store besides its shard; made before the shard starts. Making it blocks."""

    def __init__(self, home: Path, shard: Shard) -> None:
        own = shard.site.directory.name
        self._shard = shard
        self._directories = [path for path in home.iterdir() if is_shard(path) and path.name != own]
        self._left_bytes = sum(map(allocated_bytes, self._directories))
        shard.upkeep.space.removing(self._left_bytes)

    @asynccontextmanager
    async def being_removed(self) -> AsyncIterator[None]:
        """Removes it within."""
        # This block owns the task. A TaskGroup would wrap what is raised within into a group of its own.
        task = asyncio.get_running_loop().create_task(self._remove())
        try:
            yield
        finally:
            await end(task)

    async def _remove(self) -> None:
        files = self._shard.site.files
        for directory in self._directories:
            for path in await asyncio.to_thread(_files, directory):
                # One by one, so that a stop need not wait for all of them.
                self._left_bytes -= await asyncio.to_thread(_unlink, path, files)
                self._shard.upkeep.space.removing(self._left_bytes)
            await asyncio.to_thread(files.remove_tree, directory)


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def _unlink(path: Path, files: Files) -> int:
    try:
        size = path.stat().st_blocks * 512
        files.unlink(path)
    except OSError:
        return 0  # it goes on to count; the next start tries again
    return size
