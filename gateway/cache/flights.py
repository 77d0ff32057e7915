"""The fills in progress: who wants a block that is on its way waits for it, and asks the backend for no second one."""

from gateway.cache.blocks import block_span
from gateway.cache.fills import Errand, Fill, Head, Means
from gateway.errors import VersionChanged
from gateway.model import Info, Key, Known, Span, Version
from gateway.mounts import Mount
from gateway.store.values import Content

APART_MAX = 64
"""Blocks between what a fill brings next and what a reader wants, beyond which the reader does not wait for it."""


class Flights:
    """All fills of this node that have blocks to bring or to hand out, by the content they belong to."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._fills: dict[bytes, list[Fill]] = {}

    def find(self, content: Content, number: int) -> Fill | None:
        """The fill that has the block or will soon bring it."""
        for fill in self._fills.get(content.vh, ()):
            if not fill.has(number):
                continue
            if number - fill.next <= APART_MAX:
                return fill
            # A reader far ahead would wait for everything in between: the block is fetched on its own.
            fill.shorten(number)
        return None

    def start(self, mount: Mount, key: Key, content: Content, version: Version, blocks: range, *, ahead: bool) -> Fill:
        """Begins to fetch these blocks of this very version."""
        span = Span(block_span(blocks.start, content.size).start, block_span(blocks[-1], content.size).stop)
        fill = Fill(Errand(mount, key, span, version), self._means, self._forget, ahead=ahead)
        self.register(fill, content, blocks)
        self._means.tasks.create_task(fill.run(self._expected))
        return fill

    def register(self, fill: Fill, content: Content, blocks: range) -> None:
        """From now on `find` finds the fill for these blocks."""
        fill.starts_with(content, blocks)
        self._fills.setdefault(content.vh, []).append(fill)

    def opened(self, errand: Errand) -> Fill:
        """A fill of an object of which nothing is known; who makes it runs it and registers it."""
        return Fill(errand, self._means, self._forget)

    def _forget(self, fill: Fill) -> None:
        if fill.content is None:
            return
        fills = self._fills.get(fill.content.vh)
        if fills is not None and fill in fills:
            fills.remove(fill)
            if not fills:
                del self._fills[fill.content.vh]

    async def _expected(self, fill: Fill, info: Info) -> Head:
        assert fill.content is not None
        if info.version != fill.errand.pin:
            raise VersionChanged
        # What is known of the object was known before; whoever forgot it meanwhile is right.
        known = Known(info, 0, complete=False) if fill.content.whole else None
        return Head(fill.content, range(fill.first, fill.stop), lambda: known)
