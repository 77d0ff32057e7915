"""The thread in which a shard does what blocks, and descriptors of segments that stay open meanwhile."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

from gateway.store.site import Site
from gateway.store.table import Segment, Segments
from gateway.store.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")


class Tending:
    """Of one shard. Belongs to the event loop."""

    def __init__(self, site: Site, table: Segments, thread: Threads) -> None:
        self._site = site
        self._table = table
        self._thread = thread

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the function returns or raises, called in the thread; `OSError` also when the disk is given up."""
        return await self._thread.run(function, *args, **kwargs)

    @asynccontextmanager
    async def reading(self, segment: Segment) -> AsyncIterator[int]:
        """A descriptor of the segment that stays open within. Raises `OSError`."""
        self._table.used(segment)
        try:
            if segment.fd < 0:
                self._table.opened(segment, await self.call(self._site.files.open, segment.path))
            yield segment.fd
        finally:
            self._table.released(segment)
