"""The first read of an object of which nothing is known: one GET that brings its info and its first blocks."""

import asyncio
import sys
from dataclasses import dataclass, replace

from gateway.cache.blocks import numbers, opening
from gateway.cache.fence import Question
from gateway.cache.fills import Errand, Fill, Head, Rider, blocks_within
from gateway.cache.flights import Flights
from gateway.cache.freshness import Demand, Trust, judge
from gateway.cache.infos import Infos, Name, Seen
from gateway.clock import Clock
from gateway.errors import GatewayError, ObjectMissing
from gateway.model import Info, Key, Known, Span
from gateway.mounts import Mount
from gateway.store.store import BlockStore
from gateway.store.values import Content


@dataclass(frozen=True, slots=True)
class _Opening:
    fill: Fill
    question: Question
    head: asyncio.Future[Known | GatewayError]
    asked_s: int


@dataclass(frozen=True, slots=True)
class Boarding:
    """A place in the fill that opened an object; it goes on for as long as the rider stays."""

    seen: Seen
    fill: Fill
    rider: Rider


class Openings:
    """Openings in progress: who asks for the same object meanwhile shares the answer."""

    def __init__(
        self, store: BlockStore, infos: Infos, flights: Flights, clock: Clock, tasks: asyncio.TaskGroup
    ) -> None:
        self._store = store
        self._infos = infos
        self._flights = flights
        self._clock = clock
        self._tasks = tasks
        self._openings: dict[Name, _Opening] = {}

    def is_there(self, mount: Mount, key: Key) -> bool:
        """Whether an opening of the object is in progress, and nothing newer was seen since it began."""
        return self._there(mount, key) is not None

    def can_ride(self, mount: Mount, key: Key) -> bool:
        """Whether its answer will do: the blocks may come for long after it, and it grows old as any info does."""
        there = self._there(mount, key)
        if there is None:
            return False
        head = there.head.result() if there.head.done() else None
        return (
            not isinstance(head, Known) or judge(head, mount.policy, Demand.NORMAL, self._clock.now_s()) is Trust.FRESH
        )

    async def begun(self, mount: Mount, key: Key) -> None:
        """Returns when no opening of the object waits for its answer, so that all blocks that come are in flight."""
        there = self._openings.get((mount.bucket, key))
        if there is not None and not there.head.done():
            await asyncio.shield(there.head)

    async def open(self, mount: Mount, key: Key, span: Span | None) -> Boarding:
        """The object as the backend has it now, with the blocks of `span` (None: all) on their way."""
        there = self._there(mount, key) or self._start(mount, key, opening(span))
        answered = there.head.done()
        wanted = range(sys.maxsize) if span is None else numbers(span)
        rider = there.fill.board(wanted.start, wanted.stop)
        try:
            head = await asyncio.shield(there.head)
            if isinstance(head, GatewayError):
                raise head
        except BaseException:
            there.fill.leave(rider)
            raise
        return Boarding(Seen(head, asked=not answered, is_new=not answered), there.fill, rider)

    def _there(self, mount: Mount, key: Key) -> _Opening | None:
        there = self._openings.get((mount.bucket, key))
        return None if there is None or there.question.spoiled else there

    def _start(self, mount: Mount, key: Key, span: Span | None) -> _Opening:
        name = (mount.bucket, key)
        there = _Opening(
            self._flights.opened(Errand(mount, key, span, None)),
            self._infos.fence.ask(*name),
            asyncio.get_running_loop().create_future(),
            int(self._clock.now_s()),
        )
        self._openings[name] = there
        self._tasks.create_task(self._run(there, name))
        return there

    async def _run(self, there: _Opening, name: Name) -> None:
        asked_monotonic_s = self._clock.monotonic_s()

        async def on_head(fill: Fill, info: Info) -> Head:
            return await self._begin(there, info)

        try:
            await there.fill.run(on_head)
            failure = there.fill.failure
            if isinstance(failure, ObjectMissing) and not there.question.spoiled:
                self._infos.absences.note(*name, asked_monotonic_s)
        finally:
            self._infos.fence.close(there.question)
            if self._openings.get(name) is there:
                del self._openings[name]
            if not there.head.done():
                assert there.fill.failure is not None
                there.head.set_result(there.fill.failure)

    async def _begin(self, there: _Opening, info: Info) -> Head:
        errand = there.fill.errand
        content = self._store.content(errand.mount.bucket, errand.key, info.version, info.size)
        known = Known(info, there.asked_s, complete=errand.span is None)
        blocks = self._still_missing(content, blocks_within(errand.span, info.size))
        self._flights.register(there.fill, content, blocks)
        there.head.set_result(known)
        self._infos.absences.drop(errand.mount.bucket, errand.key)
        if content.whole and blocks:
            # It becomes known together with its block: one write to the index, not two.
            untrusted = replace(known, validated_s=0)
            return Head(content, blocks, lambda: untrusted if there.question.spoiled else known)
        await self._infos.learn(there.question, known)
        return Head(content, blocks, lambda: None)

    def _still_missing(self, content: Content, blocks: range) -> range:
        """The blocks up to the first that is here already, or comes with another fill."""
        if content.whole:
            return blocks
        window = blocks[:64]
        places = self._store.places(content, window.start, len(window))
        for number, place in zip(window, places, strict=True):
            if place is not None or self._flights.find(content, number) is not None:
                return range(blocks.start, number)
        return blocks
