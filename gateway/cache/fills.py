"""A fill: one GET at the backend, cut into blocks that go to the store and to everybody who waits for them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from crc32c import crc32c

from gateway.backends.base import Reading
from gateway.budget import Budget
from gateway.cache.arrivals import Arrival
from gateway.cache.blocks import block_span
from gateway.cache.infos import Infos
from gateway.errors import BackendUnavailable, GatewayError, InternalError, SlowDown
from gateway.model import BLOCK_SIZE, MIB, Algorithm, ChecksumType, Info, Key, Known, Span, Version
from gateway.mounts import Mount
from gateway.store.store import BlockStore
from gateway.store.values import Content, Outcome

STREAM_MEMORY = MIB // 2
"""What a stream from a backend may hold before we take it: twice its read buffer."""
MEMORY_WAIT_MAX_S = 5.0
"""How long a fill waits for the memory of its first block; then its readers are told to slow down."""
MORE_WAIT_MAX_S = 0.5
"""How long it waits for that of the next one; then it ends early, so that nobody waits for what it holds."""
RUN_AHEAD_MAX = 64
"""Blocks that a fill may be ahead of its fastest reader."""
HELD_MAX = 4
"""Blocks that a fill holds in memory because the store does not take them; its readers are that near."""
PAUSE_MAX_S = 5.0
"""How long a fill waits for its readers with an open connection; then it ends early, and they start another."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Errand:
    """What one GET is to bring: a span of a version, or with `span` None all of whatever is there."""

    mount: Mount
    key: Key
    span: Span | None
    pin: Version | None


@dataclass(frozen=True, slots=True)
class Means:
    """What every fill works with."""

    store: BlockStore
    infos: Infos
    memory: Budget
    tasks: asyncio.TaskGroup


class Rider:
    """A reader that wants the blocks [position, stop) of a fill, in order."""

    __slots__ = ("position", "stop")

    def __init__(self, position: int, stop: int) -> None:
        self.position = position
        self.stop = stop


@dataclass(frozen=True, slots=True)
class Head:
    """What the backend's answer begins: blocks of a content.

    `known` says what is to be kept as known of a whole object, asked when its block is kept.
    """

    content: Content
    blocks: range
    known: Callable[[], Known | None]


OnHead = Callable[["Fill", Info], Awaitable[Head]]
"""What is done when the backend has answered, before the first block."""


class Fill:
    """Blocks [first, stop) of one content on their way, `next` being the next to begin. `stop` may shrink.

    Lives in a task of its own, so whoever asked for it may leave. Without riders it ends after the block
    in progress, unless it is `ahead` of need. Blocks that the store refuses stay for riders that are near;
    where none is, it ends early. Nobody learns of a failure of one that is `ahead`: who waits fetches for himself.
    """

    def __init__(self, errand: Errand, means: Means, on_over: Callable[["Fill"], None], *, ahead: bool = False) -> None:
        self.errand = errand
        self.content: Content | None = None
        self.first = self.next = self.stop = 0
        self.ended = False
        self.failure: GatewayError | None = None
        self.arrivals: dict[int, Arrival] = {}
        self._means = means
        self._on_over = on_over
        self._ahead = ahead
        self._known: Callable[[], Known | None] = _nothing
        self._riders: set[Rider] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._news: list[asyncio.Future[None]] = []
        self._moved = asyncio.Event()
        self._crc32c: int | None = None
        self._spare = 0
        self._shortened = False
        self._refused = False

    # For readers.

    def has(self, number: int) -> bool:
        """Whether this fill holds the block or will bring it."""
        return number in self.arrivals or (not self.ended and self.next <= number < self.stop)

    def board(self, position: int, stop: int) -> Rider:
        """Takes a rider on, for as long as the fill goes or until it leaves."""
        rider = Rider(position, stop)
        self._riders.add(rider)
        self._moved.set()
        return rider

    def move(self, rider: Rider, position: int) -> None:
        """The rider needs nothing before `position` any more."""
        rider.position = position
        self._drop_unneeded()
        self._moved.set()

    def leave(self, rider: Rider) -> None:
        """The rider needs nothing any more."""
        self._riders.discard(rider)
        self._drop_unneeded()
        self._moved.set()

    def shorten(self, stop: int) -> None:
        """The blocks from `stop` on will not come from here."""
        self.stop = max(self.next, min(self.stop, stop))
        self._shortened = True
        self._tell()

    async def arrival(self, number: int) -> Arrival | None:
        """The block as it comes; None if it does not come from here (any more). Raises the fill's failure."""
        while True:
            arrival = self.arrivals.get(number)
            if arrival is not None:
                return arrival
            if self.failure is not None:
                raise self.failure
            if not self.has(number):
                return None
            waiter = asyncio.get_running_loop().create_future()
            self._news.append(waiter)
            await waiter

    # The work.

    def starts_with(self, content: Content, blocks: range) -> None:
        """Says which blocks of which content it brings."""
        self.content = content
        self.first = self.next = blocks.start
        self.stop = blocks.stop
        self._tell()

    async def run(self, on_head: OnHead) -> None:
        """Fetches; ends when all blocks are kept, held for riders, or given up. Never raises an expected failure."""
        failure: GatewayError | None = None
        try:
            last = await self._fetch(on_head)
            if last is not None and last.complete:
                await self._keep(last)
            if self._keeping is not None:
                await self._keeping
        except GatewayError as error:
            failure = None if self._ahead else error
        except asyncio.CancelledError:
            failure = BackendUnavailable("The node is stopping.")
            raise
        except Exception:
            log.exception("a fill failed")
            failure = InternalError()
        finally:
            self._end(failure)

    async def _fetch(self, on_head: OnHead) -> Arrival | None:
        """Streams until the last block is here, which is returned to be kept: by then the backend is done."""
        errand, memory = self.errand, self._means.memory
        span = errand.span
        # Where its size is known the first block's memory comes with the stream's: streams that waited for it would
        # hold what the others wait for.
        stream, block = (
            (STREAM_MEMORY, 0) if span is None else (min(span.size, STREAM_MEMORY), min(span.size, BLOCK_SIZE))
        )
        lent = await memory.take(stream + block, MEMORY_WAIT_MAX_S)
        try:
            async with errand.mount.backend.read(errand.key, span, errand.pin) as reading:
                head = await on_head(self, reading.info)
                self._known, self._crc32c = head.known, _crc32c_of(reading.info)
                stream = min(stream, reading.info.size, lent)
                self._spare, lent = lent - stream, stream
                return await self._stream(reading)
        finally:
            memory.give_back(lent + self._spare)
            self._spare = 0

    async def _stream(self, reading: Reading) -> Arrival | None:
        arrival = await self._begun()
        if arrival is None:
            return None
        async for piece in reading.pieces():
            view = memoryview(piece)
            while view and not arrival.complete:
                view = view[arrival.take(view) :]
                if arrival.complete and self.next < self.stop:
                    await self._keep_beside(arrival)
                    # Before more is asked of the backend, which would be thrown away if this is the end.
                    arrival = await self._begun()
                    if arrival is None:
                        return None
            if arrival.complete and self._shortened:
                return arrival
        return arrival

    async def _begun(self) -> Arrival | None:
        """The next block, in memory that was waited for; None if the fill is to end here."""
        assert self.content is not None
        number = self.next
        if not await self._is_wanted():
            return None
        size = block_span(number, self.content.size).size
        cost = await self._paid(size)
        if cost is None:
            return None
        if number >= self.stop:
            # Somebody else has taken it over while the memory was waited for.
            self._means.memory.give_back(cost)
            return None
        self.next += 1
        self.arrivals[number] = arrival = Arrival(number, size, cost)
        self._tell()
        return arrival

    async def _paid(self, size: int) -> int | None:
        """Memory for a block: what is lent already, or comes free soon."""
        memory, spare = self._means.memory, self._spare
        self._spare = 0
        if spare >= size:
            memory.give_back(spare - size)
            return size
        memory.give_back(spare)
        try:
            return await memory.take(size, MORE_WAIT_MAX_S)
        except SlowDown:
            return None

    async def _is_wanted(self) -> bool:
        """Waits until the next block may be begun; False if nobody needs it, or comes near it in time."""
        assert self.content is not None
        while self.next < self.stop:
            if self.content.whole:
                return True
            if self._ahead:
                return not self._refused
            wanting = [
                rider.position for rider in self._riders if rider.position < self.stop and self.next < rider.stop
            ]
            if not wanting:
                return False
            if len(self.arrivals) < HELD_MAX:
                if self._refused and not self.first <= max(wanting) > self.next - HELD_MAX:
                    # It would be refused and dropped as well, before anybody comes to it.
                    return False
                if self.next - max(*wanting, self.first) < RUN_AHEAD_MAX:
                    return True
            self._moved.clear()
            try:
                async with asyncio.timeout(PAUSE_MAX_S):
                    await self._moved.wait()
            except TimeoutError:
                return False
        return False

    async def _keep_beside(self, arrival: Arrival) -> None:
        """One block is written while the next one comes."""
        if self._keeping is not None:
            await self._keeping
        self._keeping = self._means.tasks.create_task(self._keep(arrival))

    async def _keep(self, arrival: Arrival) -> None:
        assert self.content is not None
        arrival.settling = True
        kept = self._is_sound(arrival) and await self._is_kept(self.content, arrival)
        self._refused = not kept
        arrival.settle(refused=not kept)
        if kept or not self._is_needed(arrival):
            self._drop(arrival)

    async def _is_kept(self, content: Content, arrival: Arrival) -> bool:
        mount, means = self.errand.mount, self._means
        keeping = means.store.keep(content, arrival.number, arrival.buffer, self._known(), mount.policy.terms)
        outcome = await kept_or_refused(keeping)
        means.infos.refused(mount, self.errand.key, outcome)
        return bool(outcome)

    def _is_sound(self, arrival: Arrival) -> bool:
        assert self.content is not None
        if self._crc32c is None or not self.content.whole or crc32c(arrival.buffer) == self._crc32c:
            return True
        log.error("an object is not what its checksum at the backend says, and is not kept")
        return False

    def _is_needed(self, arrival: Arrival) -> bool:
        number = arrival.number
        return any(
            self.first <= rider.position <= number < min(rider.stop, rider.position + HELD_MAX)
            for rider in self._riders
        )

    def _drop_unneeded(self) -> None:
        for arrival in [each for each in self.arrivals.values() if each.ended]:
            if not self._is_needed(arrival):
                self._drop(arrival)

    def _drop(self, arrival: Arrival) -> None:
        if self.arrivals.pop(arrival.number, None) is not None:
            self._means.memory.give_back(arrival.cost)
            self._moved.set()
            self._tell_if_over()

    def _end(self, failure: GatewayError | None) -> None:
        self.ended = True
        self.stop = self.next
        self.failure = failure
        for arrival in list(self.arrivals.values()):
            if not arrival.settling:
                arrival.end(None if arrival.complete else failure)
                self._drop(arrival)
        self._drop_unneeded()
        self._tell()
        self._tell_if_over()

    def _tell_if_over(self) -> None:
        if self.ended and not self.arrivals:
            self._on_over(self)

    def _tell(self) -> None:
        news, self._news = self._news, []
        for waiter in news:
            if not waiter.done():
                waiter.set_result(None)


async def kept_or_refused(keeping: Awaitable[Outcome]) -> Outcome:
    """What the store says; a mistake of its own costs the block, not the node that shares its tasks."""
    try:
        return await keeping
    except Exception:
        log.exception("a block could not be kept")
        return Outcome.UNWRITTEN


def _crc32c_of(info: Info) -> int | None:
    checksum = info.checksum
    if checksum is None or checksum.algorithm is not Algorithm.CRC32C or checksum.type is not ChecksumType.FULL_OBJECT:
        return None
    return int.from_bytes(checksum.value, "big")


def _nothing() -> None:
    return None


def blocks_within(span: Span | None, size: int) -> range:
    """The numbers of the blocks that a fill of `span` brings whole; None is all of the object."""
    start, stop = (0, size) if span is None else (span.start, min(span.stop, size))
    return range(start // BLOCK_SIZE, -(-stop // BLOCK_SIZE))
