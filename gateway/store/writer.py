"""The writer of a shard: blocks that wait become records, many by one call, and are then told to the shard."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from gateway.store import records, segments
from gateway.store.disk import Buffer
from gateway.store.health import Health
from gateway.store.making import Making
from gateway.store.pending import OpenSegment, Pending, Written
from gateway.store.records import Flag, Record
from gateway.store.site import Site
from gateway.store.upkeep import Upkeep
from gateway.store.values import Outcome

DRAFT_LIFE_S = 24 * 3600
_TIME_MAX_S = 0xFFFFFFFF

GATHER_S = 0.002
"""How long a small batch waits for more; who was told `kept` has long had his bytes."""

log = logging.getLogger(__name__)


class Writer:
    """Writes one batch at a time; `found` is called when a batch lies on the disk, and resolves its blocks."""

    def __init__(
        self,
        site: Site,
        thread: Executor,
        making: Making,
        upkeep: Upkeep,
        health: Health,
        found: Callable[[OpenSegment, Sequence[Written]], None],
    ) -> None:
        self._site = site
        self._thread = thread
        self._making = making
        self._upkeep = upkeep
        self._health = health
        self._found = found
        self._open: OpenSegment | None = None
        self._waiting: deque[Pending] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.pending_bytes = 0
        self.last_seq = 0

    def submit(self, pending: Pending) -> None:
        """Takes a block, in order; its outcome is set sooner or later."""
        self._waiting.append(pending)
        self.pending_bytes += len(pending.data)
        self._arrived.set()
        self._idle.clear()

    async def run(self) -> None:
        """Writes what arrives, until it is cancelled between two batches."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                if self.pending_bytes < self._site.geometry.gather_below_bytes:
                    # Small blocks in company cost a third: a change of threads, a call, a batch of the index for all.
                    await asyncio.sleep(GATHER_S)
                try:
                    await self._write_some()
                except Exception:
                    # A mistake in one batch must not leave everybody who waits, now and later, without an answer.
                    log.exception("a batch of blocks was not kept")
                    self._retire()
                    self._refuse_waiting()
            self._idle.set()

    async def drain(self) -> None:
        """Returns when nothing waits, with the open segment given back."""
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
                self._end(written.pending, Outcome.UNWRITTEN)

    async def _written(self, opened: OpenSegment, batch: Sequence[Written]) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, _write, self._site, opened, batch)
        except OSError as error:
            # What lies behind `offset` is unknown, and no byte is ever written twice: the segment ends here.
            self._health.write_failed(error, self._site.clock.monotonic_s())
            self._retire()
            return
        self._health.write_worked()
        opened.add(batch)
        self._found(opened, batch)

    def _take(self, opened: OpenSegment) -> list[Written]:
        """The blocks that come next, given their places."""
        geometry, batch, size = self._site.geometry, list[Written](), 0
        offset, ordinal = opened.offset, opened.records
        while self._waiting and len(batch) < geometry.batch_records_max and size < geometry.batch_bytes_max:
            pending = self._waiting[0]
            if pending.is_unwanted:
                self._end(self._waiting.popleft(), Outcome.DROPPED)
                continue
            record = self._record(pending)
            shape = records.layout(offset, len(record.name), len(pending.data))
            if segments.is_full(offset, shape.size, ordinal, self._site.segment_size):
                break
            batch.append(Written(self._waiting.popleft(), record, offset, shape, ordinal))
            offset += shape.size
            ordinal += 1
            size += shape.data_size
        return batch

    def _record(self, pending: Pending) -> Record:
        self.last_seq += 1
        content, now_s = pending.content, self._site.now_s()
        flags = Flag.WHOLE if content.whole else Flag.PIECE
        modified_s = pending.known.info.modified_s if pending.known is not None else 0
        return Record(
            flags=int(flags | Flag.TRANSIENT if content.is_draft else flags),
            seq=self.last_seq,
            oh=content.oh,
            vh=content.vh,
            size=content.size,
            number=records.WHOLE if content.whole else pending.number,
            modified_s=modified_s if 0 <= modified_s <= _TIME_MAX_S else 0,
            created_s=now_s,
            expires_s=now_s + DRAFT_LIFE_S if content.is_draft else 0,
            name=content.bucket.encode() + b"\0" + content.key,
        )

    async def _roll(self) -> None:
        self._retire()
        if not self._waiting:
            return
        self._open = await self._making.next_segment(self._upkeep.space, self.last_seq + 1)
        if self._open is None:
            self._refuse_waiting()

    def _retire(self) -> None:
        if self._open is not None:
            self._upkeep.full(self._open)
            self._open = None

    def _refuse_waiting(self) -> None:
        while self._waiting:
            self._end(self._waiting.popleft(), Outcome.NO_ROOM)

    def _end(self, pending: Pending, outcome: Outcome) -> None:
        self.pending_bytes -= len(pending.data)
        if not pending.outcome.done():
            pending.outcome.set_result(outcome)


def _write(site: Site, opened: OpenSegment, batch: Sequence[Written]) -> None:
    buffers: list[Buffer] = []
    for written in batch:
        data, shape = written.pending.data, written.layout
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
