"""The writer of a shard: blocks that wait become records, many by one call, and are then told to the shard."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from gateway.store import records, segments
from gateway.store.disk import Buffer
from gateway.store.ground import Ground
from gateway.store.making import Making
from gateway.store.pending import Keeper, OpenSegment, Pending, Written
from gateway.store.records import Flag, Record
from gateway.store.segments import Kind
from gateway.store.site import Site
from gateway.store.threads import Threads
from gateway.store.values import Outcome

DRAFT_LIFE_S = 24 * 3600
_TIME_MAX_S = 0xFFFFFFFF

GATHER_S = 0.002
"""How long a small batch waits for more; who was told `kept` has long had his bytes."""

log = logging.getLogger(__name__)


class Writer:
    """Writes to one segment of each log; `found` is called when a batch lies on the disk, and resolves its blocks."""

    def __init__(
        self, ground: Ground, thread: Threads, making: Making, found: Callable[[OpenSegment, Sequence[Written]], None]
    ) -> None:
        self.ground = ground
        self.thread = thread
        self.making = making
        self.found = found
        self.pending_bytes = 0
        """Of new blocks; what evictions move is not counted."""
        self.last_seq = 0
        self._heads = {kind: _Head(self, kind) for kind in Kind}

    def submit(self, kind: Kind, pending: Pending) -> None:
        """Takes a new block, in the order of its log; its outcome is set sooner or later."""
        self.pending_bytes += len(pending.data)
        self._heads[kind].add(pending)

    def move(self, kind: Kind, keepers: Iterable[Keeper]) -> None:
        """Takes what outlives its segment, ahead of what is new; the outcomes are set sooner or later."""
        for keeper in keepers:
            self._heads[kind].add(keeper)

    async def run(self) -> None:
        """Writes what arrives, until it is cancelled between two batches."""
        async with asyncio.TaskGroup() as tasks:
            for head in self._heads.values():
                tasks.create_task(head.run())

    async def drain(self) -> None:
        """Returns when nothing waits, with the open segments given back."""
        for head in self._heads.values():
            await head.drain()

    def record(self, block: Pending | Keeper) -> Record:
        """What a block is to become."""
        if isinstance(block, Keeper):
            return block.record
        self.last_seq += 1
        content, now_s = block.content, self.ground.now_s
        flags = Flag.WHOLE if content.whole else Flag.PIECE
        modified_s = block.known.info.modified_s if block.known is not None else 0
        life_s = block.terms.life_s
        if content.is_draft:
            life_s = min(life_s or DRAFT_LIFE_S, DRAFT_LIFE_S)
        return Record(
            flags=int(flags | Flag.TRANSIENT if content.is_draft else flags),
            seq=self.last_seq,
            oh=content.oh,
            vh=content.vh,
            size=content.size,
            number=records.WHOLE if content.whole else block.number,
            modified_s=modified_s if 0 <= modified_s <= _TIME_MAX_S else 0,
            created_s=now_s,
            expires_s=min(now_s + life_s, _TIME_MAX_S) if life_s else 0,
            name=content.bucket.encode() + b"\0" + content.key,
        )

    def end(self, block: Pending | Keeper, outcome: Outcome) -> None:
        """Nothing more is done for a block."""
        if isinstance(block, Pending):
            self.pending_bytes -= len(block.data)
        if not block.outcome.done():
            block.outcome.set_result(outcome)


class _Head:
    """Where one log grows: its open segment, and what waits to be written to it. Writes one batch at a time."""

    def __init__(self, writer: Writer, kind: Kind) -> None:
        self._writer = writer
        self._kind = kind
        self._open: OpenSegment | None = None
        self._new: deque[Pending] = deque()
        self._moving: deque[Keeper] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._has_ended = False

    def add(self, block: Pending | Keeper) -> None:
        if self._has_ended:
            self._writer.end(block, Outcome.UNWRITTEN)
            return
        if isinstance(block, Keeper):
            self._moving.append(block)
            # Who waits for room on behalf of new blocks need not wait any more: for these some is kept free.
            self._writer.ground.space.look_again()
        else:
            self._new.append(block)
        self._arrived.set()
        self._idle.clear()

    async def run(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                await self._write_all()
                self._idle.set()
        finally:
            self._has_ended = True
            self._refuse_waiting(Outcome.UNWRITTEN)
            self._idle.set()

    async def _write_all(self) -> None:
        while self._new or self._moving:
            if self._may_gather():
                # Small blocks in company cost a third: a change of threads, a call, a batch of the index for all.
                await asyncio.sleep(GATHER_S)
            try:
                await self._write_some()
            except Exception:
                # A mistake in one batch must not leave everybody who waits, now and later, without an answer.
                log.exception("a batch of blocks was not kept")
                self._retire()
                self._refuse_waiting(Outcome.UNWRITTEN)

    def _may_gather(self) -> bool:
        return not self._moving and self._writer.pending_bytes < self._writer.ground.site.geometry.gather_below_bytes

    async def drain(self) -> None:
        await self._idle.wait()
        self._retire()

    async def _write_some(self) -> None:
        opened = self._open
        batch = self._take(opened) if opened is not None else []
        if opened is None or not batch:
            await self._roll()
            return
        try:
            await self._written(opened, batch)
        finally:
            # Those that the index did not take; and nobody waits for ever, whatever went wrong.
            for written in batch:
                self._writer.end(written.block, Outcome.UNWRITTEN)

    async def _written(self, opened: OpenSegment, batch: Sequence[Written]) -> None:
        writer = self._writer
        try:
            await writer.thread.run(_write, writer.ground.site, opened, batch)
        except OSError as error:
            # What lies behind `offset` is unknown, and no byte is ever written twice: the segment ends here.
            writer.ground.health.write_failed(error, writer.ground.monotonic_s)
            self._retire()
            return
        opened.add(batch)
        writer.found(opened, batch)

    def _take(self, opened: OpenSegment) -> list[Written]:
        """The blocks that come next, given their places."""
        geometry, batch, size = self._writer.ground.site.geometry, list[Written](), 0
        offset, ordinal = opened.offset, opened.records
        while len(batch) < geometry.batch_records_max and size < geometry.batch_bytes_max:
            queue: deque[Keeper] | deque[Pending] = self._moving or self._new
            if not queue:
                break
            block = queue[0]
            if block.is_unwanted:
                self._writer.end(queue.popleft(), Outcome.DROPPED)
                continue
            record = self._writer.record(block)
            shape = records.layout(offset, len(record.name), len(block.data))
            if segments.is_full(offset, shape.size, ordinal, self._writer.ground.site.segment_size):
                break
            batch.append(Written(queue.popleft(), record, offset, shape, ordinal))
            offset += shape.size
            ordinal += 1
            size += shape.data_size
        return batch

    async def _roll(self) -> None:
        self._retire()
        if not self._new and not self._moving:
            return
        first_seq = self._writer.last_seq + 1
        self._open = await self._writer.making.next_segment(self._kind, first_seq, moves=lambda: bool(self._moving))
        if self._open is None:
            self._refuse_waiting(Outcome.NO_ROOM)

    def _retire(self) -> None:
        if self._open is not None:
            self._writer.ground.space.full(self._open)
            self._open = None

    def _refuse_waiting(self, outcome: Outcome) -> None:
        for queue in (self._moving, self._new):
            while queue:
                self._writer.end(queue.popleft(), outcome)


def _write(site: Site, opened: OpenSegment, batch: Sequence[Written]) -> None:
    buffers: list[Buffer] = []
    for written in batch:
        data, shape = written.block.data, written.layout
        crcs = records.chunk_crcs(data)
        head, written.header_crc = records.header(opened.segment.id, written.offset, written.record, shape, crcs)
        buffers += (head, data)
        if padding := shape.size - shape.data_start - shape.data_size:
            buffers.append(bytes(padding))
    site.files.write(opened.segment.fd, buffers, opened.offset)
    opened.unsynced_bytes += sum(map(len, buffers))
    if opened.unsynced_bytes >= site.geometry.sync_every_bytes:
        site.files.sync(opened.segment.fd)
        opened.unsynced_bytes = 0
