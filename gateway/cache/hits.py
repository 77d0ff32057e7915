"""Hits that need nobody: an info that is trusted, and blocks whose bytes can be sent at once. Nothing here waits."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.cache.blocks import block_span, numbers
from gateway.cache.freshness import Demand, Trust, age_s, judge
from gateway.cache.reader import Places, read_ahead
from gateway.cache.staleness import Staleness
from gateway.model import Info, Key, Span
from gateway.mounts import Mount
from gateway.store.resident import Slice
from gateway.store.values import Held


class Fresh(NamedTuple):
    """What is known of an object and may be used; `age_s` as `View.age_s`."""

    held: Held
    age_s: int

    @property
    def info(self) -> Info:
        return self.held.known.info


class Hits:
    """Looks without leaving a trace; what came of it is told with `served`."""

    def __init__(self, at: Places, staleness: Staleness) -> None:
        self._at = at
        self._staleness = staleness

    def find(self, mount: Mount, key: Key, *, complete: bool) -> Fresh | None:
        """The info of an object, if `Cache.head` would use it without asking anybody."""
        at = self._at
        held = at.store.held(mount.bucket, key)
        if held is None:
            return None
        known, now_s = held.known, at.clock.now_s()
        if judge(known, mount.policy, Demand.NORMAL, now_s) is not Trust.FRESH or (complete and not known.complete):
            return None
        if at.infos.fence.is_open(mount.bucket, key):
            return None
        return Fresh(held, age_s(known, now_s))

    def slices(self, fresh: Fresh, span: Span, copy_max: int) -> list[Slice] | None:
        """The bytes of a span, to be released; None unless all of them can be sent at once."""
        held = fresh.held
        if not held.content.whole:
            return self._pieces(held, span, copy_max)
        if span.start == span.stop:
            return []
        here = None if held.place is None else self._at.store.slice_now(held.place, span.start, span.stop, copy_max)
        return None if here is None else [here]

    def _pieces(self, held: Held, span: Span, copy_max: int) -> list[Slice] | None:
        store, size, wanted = self._at.store, held.content.size, numbers(span)
        found: list[Slice] = []
        for number, place in zip(wanted, store.places(held.content, wanted.start, len(wanted)), strict=True):
            block = block_span(number, size)
            start, stop = max(span.start, block.start) - block.start, min(span.stop, block.stop) - block.start
            here = None if place is None else store.slice_now(place, start, stop, copy_max)
            if here is None:
                for earlier in found:
                    earlier.release()
                return None
            found.append(here)
        return found

    def served(self, mount: Mount, fresh: Fresh) -> None:
        """An answer goes out that goes by this info."""
        self._staleness.note(mount, fresh.age_s)

    def read(self, mount: Mount, fresh: Fresh, span: Span, slices: Sequence[Slice], *, whole: bool) -> None:
        """The bytes of a span go out. `whole`: the client gave no range."""
        at, content = self._at, fresh.held.content
        for piece in slices:
            piece.count()
        at.metrics.cache_block_reads_store.value += len(slices)
        if content.whole:
            return
        for number in numbers(span):
            at.prefetched.read(content.vh, number)
        if not whole:
            read_ahead(at, mount, fresh.info, content, span)
