"""Reads a span of one version, block by block, each from the nearest place: store, fill in progress, draft, backend."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.cache.ahead import Marks
from gateway.cache.blocks import FILL_BLOCKS_MAX, block_span, numbers, runs
from gateway.cache.drafts import Cut, DraftMap
from gateway.cache.fills import Fill, Rider
from gateway.cache.flights import Flights
from gateway.cache.infos import Infos, Seen
from gateway.cache.misses import MissReason
from gateway.cache.openings import Boarding
from gateway.cache.prefetched import Prefetched
from gateway.clock import Clock
from gateway.errors import BackendUnavailable, ObjectMissing, VersionChanged
from gateway.metrics import Metrics
from gateway.model import Info, Key, Known, Span
from gateway.mounts import Mount
from gateway.store.store import BlockStore
from gateway.store.values import Content, Place
from gateway.timing import Stage, each_timed, timed

WINDOW_MAX = 64
"""Blocks that are looked up and fetched ahead of the one that is sent; the first window is one fill."""
TRIES_MAX = 5
"""How often one block is fetched before the reader gives up: each time it was dropped before it could be read."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where a reader looks for blocks."""

    store: BlockStore
    flights: Flights
    drafts: DraftMap
    infos: Infos
    marks: Marks
    prefetched: Prefetched
    clock: Clock
    metrics: Metrics


class Reader:
    """Streams spans of one version for one request. `close` it, so that fills know that nobody waits."""

    def __init__(self, places: Places, mount: Mount, key: Key, seen: Seen, boarding: Boarding | None) -> None:
        self._at = places
        self._mount = mount
        self._key = key
        self._info = seen.info
        self._known = seen.known
        opened = None if boarding is None else boarding.fill.content
        self.content = opened or places.store.content(mount.bucket, key, seen.info.version, seen.info.size)
        self.used_backend = boarding is not None and seen.asked
        self._riders: dict[Fill, Rider] = {} if boarding is None else {boarding.fill: boarding.rider}
        self._missing = MissReason.NOT_KEPT
        self._found: dict[int, Place] = {}
        self._ensured = 0
        self._window = FILL_BLOCKS_MAX
        self._stop = 0
        self._position = 0

    async def pieces(self, span: Span, *, whole: bool) -> AsyncIterator[memoryview]:
        """Exactly the bytes of the span, in order, in pieces of at most a block. `whole`: the client gave no range.

        Raises `VersionChanged` or `ObjectMissing` if the backend has this version no more; it is forgotten then.
        """
        wanted = numbers(span)
        self._ensured = self._position = wanted.start
        self._stop = wanted.stop
        for fill, rider in self._riders.items():
            rider.stop = wanted.stop
            fill.move(rider, wanted.start)
        try:
            for number in wanted:
                if len(wanted) > 1:
                    self._look_ahead(number)
                if number == wanted.start and not whole:
                    read_ahead(self._at, self._mount, self._info, self.content, span)
                block = block_span(number, self._info.size)
                start = max(span.start, block.start) - block.start
                stop = min(span.stop, block.stop) - block.start
                async for view in self._block(number, start, stop):
                    yield view
                self._advance(number + 1)
        except (VersionChanged, ObjectMissing):
            await self._at.infos.contradict(self._mount, self._key, self._info.version)
            raise
        finally:
            self.close()

    async def needs_backend(self, span: Span) -> bool:
        """Whether one of the first blocks of the span, as far as they were not read yet, is not here.

        A block that is about to be kept is waited for: what was called a hit is one after a crash, too.
        """
        if self.used_backend:
            return True
        wanted = numbers(span)[:FILL_BLOCKS_MAX]
        wanted = range(max(wanted.start, self._position), wanted.stop)
        for number in wanted:
            if not self._is_here(number) and not await self._is_settling(number):
                return True
        return False

    def close(self) -> None:
        """Leaves every fill."""
        while self._riders:
            fill, rider = self._riders.popitem()
            fill.leave(rider)

    async def _block(self, number: int, start: int, stop: int) -> AsyncIterator[memoryview]:
        tries = 0
        while tries < TRIES_MAX:
            with timed(Stage.STORE):
                data = await self._stored(number, start, stop)
            if data is None and self._at.flights.find(self.content, number) is None:
                data = await self._drafted(number, start, stop)
            if data is not None:
                self._at.metrics.cache_block_reads_store.inc()
                yield data
                return
            fill = self._at.flights.find(self.content, number)
            if fill is None:
                tries += 1
                fill = self._fetch(self._run_from(number))
            self._board(fill)
            with timed(Stage.BACKEND):
                arrival = await fill.arrival(number)
            if arrival is None:
                continue
            if not self.used_backend and await arrival.is_settled():
                # It came for somebody else and lies in the store by now: a hit, also after a crash.
                continue
            self.used_backend = True
            self._at.metrics.cache_block_reads_backend.inc()
            self._at.prefetched.read(self.content.vh, number)
            async for view in each_timed(Stage.BACKEND, arrival.views(start, stop)):
                yield view
                start += len(view)
            if start == stop:
                return
        raise BackendUnavailable

    async def _stored(self, number: int, start: int, stop: int) -> memoryview | None:
        store = self._at.store
        place = self._found.pop(number, None) or store.places(self.content, number, 1)[0]
        if place is None:
            return None
        data = store.read_now(place, start, stop)
        if data is None:
            data = await store.read(place, start, stop)
        if data is None:
            self._missing = MissReason.DAMAGED
        else:
            self._at.prefetched.read(self.content.vh, number)
        return data

    async def _drafted(self, number: int, start: int, stop: int) -> memoryview | None:
        """The block, put together from drafts and kept under its own name; None if they do not hold all of it."""
        pieces = self._draft_pieces(number)
        if pieces is None:
            return None
        store = self._at.store
        block = bytearray()
        for place, cut in pieces:
            data = await store.read(place, cut.start, cut.stop)
            if data is None:
                return None
            block += data
        known = Known(self._info, 0, complete=self._known.complete) if self.content.whole else None
        outcome = await store.keep(self.content, number, block, known, self._mount.policy.terms)
        self._at.infos.refused(self._mount, self._key, outcome)
        return memoryview(block)[start:stop]

    def _is_here(self, number: int) -> bool:
        return self._at.store.places(self.content, number, 1)[0] is not None or self._is_drafted(number)

    async def _is_settling(self, number: int) -> bool:
        fill = self._at.flights.find(self.content, number)
        arrival = None if fill is None else fill.arrivals.get(number)
        return arrival is not None and await arrival.is_settled()

    def _is_drafted(self, number: int) -> bool:
        return self._draft_pieces(number) is not None

    def _draft_pieces(self, number: int) -> list[tuple[Place, Cut]] | None:
        return draft_pieces(self._at, self.content, self._info, number)

    def _look_ahead(self, number: int) -> None:
        """Has what is missing of the blocks to come fetched, and boards what is on its way."""
        if self._ensured >= self._stop or self._ensured - number > self._window // 2:
            return
        wanted = range(self._ensured, min(self._stop, number + self._window))
        if self._ensured > self._position:
            self._window = min(2 * self._window, WINDOW_MAX)
        self._ensured = wanted.stop
        self._look_up(wanted)
        for run in runs(wanted, self._is_missing):
            self._board(self._fetch(run))

    def _look_up(self, wanted: range) -> None:
        places = self._at.store.places(self.content, wanted.start, len(wanted))
        self._found |= {found: place for found, place in zip(wanted, places, strict=True) if place is not None}

    def _run_from(self, number: int) -> range:
        """The block, and what is missing behind it of the blocks that were looked ahead at: they have been lost."""
        behind = range(number + 1, max(number + 1, min(self._ensured, number + FILL_BLOCKS_MAX)))
        if not behind:
            return range(number, number + 1)
        self._look_up(behind)
        run = next(runs(behind, self._is_missing), range(0))
        return range(number, run.stop if run.start == number + 1 else number + 1)

    def _is_missing(self, number: int) -> bool:
        """Whether nobody has the block or brings it; boards the fill that does."""
        if number in self._found:
            return False
        fill = self._at.flights.find(self.content, number)
        if fill is not None:
            self._board(fill)
            return False
        return not self._is_drafted(number)

    def _fetch(self, run: range) -> Fill:
        if not self.used_backend:
            self._at.infos.misses.note(self._mount.bucket, self._key, self._missing, self._at.clock.now_s())
        # Also when it has arrived before it is looked at, it came for this reader: no hit.
        self.used_backend = True
        return self._at.flights.start(self._mount, self._key, self.content, self._info.version, run, ahead=False)

    def _board(self, fill: Fill) -> None:
        rider = self._riders.get(fill)
        if rider is None:
            self._riders[fill] = fill.board(self._position, self._stop)
        else:
            rider.stop = self._stop

    def _advance(self, position: int) -> None:
        self._position = position
        for fill, rider in list(self._riders.items()):
            if fill.ended and not fill.arrivals:
                fill.leave(self._riders.pop(fill))
            else:
                fill.move(rider, position)


def draft_pieces(at: Places, content: Content, info: Info, number: int) -> list[tuple[Place, Cut]] | None:
    """The pieces of drafts that make up a block, and what of each; None if one is not here (any more)."""
    bucket, key = content.bucket, content.key
    cuts = at.drafts.cuts(bucket, key, info.version, block_span(number, info.size), at.clock.monotonic_s())
    if cuts is None:
        return None
    pieces: list[tuple[Place, Cut]] = []
    for cut in cuts:
        place = at.store.places(at.store.draft(bucket, key, cut.op), cut.number, 1)[0]
        if place is None:
            return None
        pieces.append((place, cut))
    return pieces


def read_ahead(at: Places, mount: Mount, info: Info, content: Content, span: Span) -> None:
    """Starts fills behind a range that is read, where the reads so far say that it goes on."""
    if content.whole or not mount.policy.reads_ahead:
        return
    advice = at.marks.advise((content.bucket, content.key, info.version), span, info.size)
    if advice is None:
        return
    wanted = numbers(advice)
    found = at.store.places(content, wanted.start, len(wanted))
    here = {number for number, place in zip(wanted, found, strict=True) if place is not None}

    def is_missing(number: int) -> bool:
        if number in here or at.flights.find(content, number) is not None:
            return False
        return draft_pieces(at, content, info, number) is None

    for run in runs(wanted, is_missing):
        at.flights.start(mount, content.key, content, info.version, run, ahead=True)
        at.prefetched.filled(content.bucket, content.vh, run)
