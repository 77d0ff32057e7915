"""The index of a shard: typed reads of its entries, writes that fail quietly, and updates that are final."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from gateway.clock import Clock
from gateway.kv import Kv, KvFailed, KvStalled
from gateway.model import Known
from gateway.store import entries
from gateway.store.absent import AbsentKv
from gateway.store.entries import InfoEntry, SegmentEntry
from gateway.store.extras import EntryDamaged

RETRY_EVERY_S = 0.01
UPDATE_TRIES_MAX = 500
"""After so many an update goes into force by distrust: whatever the index says at the next start is asked again."""
WAITING_MAX = 10_000
"""Updates that may wait; one more goes into force at once, by distrust of all there is."""
CONTENT_TYPES_MAX = 4096
CLOCK_SKEW_MAX_S = 300
"""What claims to be validated later than this ahead of now comes from a clock that jumped."""

T = TypeVar("T")
Item = tuple[bytes, bytes | None]


class InThread(Protocol):
    """Calls a function in a thread, and returns what it returns."""

    def __call__(self, function: Callable[[], T], /) -> Awaitable[T]: ...


Heard = Callable[[KvFailed, bool], None]
"""Is told of a failure, and whether it was one of reading."""

log = logging.getLogger(__name__)


class Index:
    """Belongs to the event loop. A read that fails is a miss; `failures` counts reads and writes that failed.

    `opened` opens the map once more, after it was closed.
    """

    def __init__(self, kv: Kv, clock: Clock, opened: Callable[[], Kv]) -> None:
        self._kv = kv
        self._opened = opened
        self._clock = clock
        self._heard: Heard = _nobody
        self._waiting: dict[bytes, bytes | None] = {}
        self._trusted_from_s = 0
        self.failures = 0
        self._failing = False
        self.trust_epoch = self._written_epoch = entries.unpack_counter(kv.get(entries.TRUST_EPOCH_KEY))
        self._types = _content_types(kv)
        self._type_numbers = {text: number for number, text in self._types.items()}

    def value(self, key: bytes) -> bytes | None:
        """An entry as it stands, None where there is none."""
        try:
            return self._kv.get(key)
        except KvFailed as error:
            self._failed("lookup", error, reads=True)
            return None

    def values(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The entries of a slice of keys, as `value`."""
        try:
            return self._kv.get_many(keys)
        except KvFailed as error:
            self._failed("lookup", error, reads=True)
            return [None] * len(keys)

    def object_value(self, oh: bytes) -> bytes | None:
        """The entry of an object, None also while an update of it waits."""
        if self._waiting and oh in self._waiting:
            return None
        return self.value(entries.info_key(oh))

    def latest_value(self, oh: bytes) -> bytes | None:
        """The entry of an object as its last update leaves it, written or waiting."""
        return self._waiting[oh] if oh in self._waiting else self.value(entries.info_key(oh))

    def known(self, oh: bytes) -> Known | None:
        """The info of an object; `validated_s` is 0 if it is not to be trusted."""
        value = self.object_value(oh)
        entry = self.entry(value) if value is not None else None
        return None if entry is None else Known(entry.info, entry.validated_s, entry.complete)

    def entry(self, value: bytes) -> InfoEntry | None:
        """An object's entry unpacked, its `validated_s` as far as it is trusted; None if it is damaged."""
        try:
            entry = entries.unpack_info(value, self._types.get)
        except EntryDamaged:
            return None
        trusted_s = self._trusted_s(entry.epoch, entry.validated_s)
        return InfoEntry(entry.info, entry.vh, entry.spot, self.trust_epoch, trusted_s, entry.complete)

    def pack(self, entry: InfoEntry) -> bytes:
        """The value of an object's entry. Raises `InfoUnfit`."""
        # An epoch that is not written down yet is the next start's, too, which trusts nothing of now.
        if entry.validated_s < self._trusted_from_s or self.trust_epoch != self._written_epoch:
            entry = replace(entry, validated_s=0)
        return entries.pack_info(entry, self._type_number(entry.info.content.content_type))

    def _trusted_s(self, epoch: int, validated_s: int) -> int:
        if epoch != self.trust_epoch:
            return 0
        return validated_s if validated_s <= self._clock.now_s() + CLOCK_SKEW_MAX_S else 0

    def _type_number(self, text: str | None) -> int:
        if not text:
            return 0
        number = self._type_numbers.get(text)
        if number is None:
            number = len(self._types) + 1
            key = entries.CONTENT_TYPE_PREFIX + number.to_bytes(2, "big")
            if number > CONTENT_TYPES_MAX or not self.write([(key, text.encode("utf-8", "surrogatepass"))]):
                return 0
            self._types[number] = text
            self._type_numbers[text] = number
        return number

    def write(self, items: Iterable[Item]) -> bool:
        """Writes all items, or none and returns False."""
        try:
            self._kv.write(items)
        except KvFailed as error:
            self._failed("write", error, reads=False)
            return False
        if self._failing:
            self._failing = False
            log.info("the index works again")
        return True

    def is_hidden(self, oh: bytes) -> bool:
        """Whether an update of the object waits to be written; until then nobody finds it."""
        return oh in self._waiting

    async def update(self, oh: bytes, value: bytes | None) -> bool:
        """Gives an object an entry that must be final, or none; of updates that meet the last one stays.

        False if the index does not take it for seconds: the object stays hidden until `write_waiting`, and the
        caller must see to it that nothing is trusted at the next start. So it stays, too, if the caller leaves.
        False at once if `WAITING_MAX` others wait: then no info is trusted any more, this one least of all.
        """
        if oh not in self._waiting:
            if self.write([(entries.info_key(oh), value)]):
                return True
            if len(self._waiting) >= WAITING_MAX:
                self.distrust()
                return False
        self._waiting[oh] = value
        for _ in range(UPDATE_TRIES_MAX):
            await asyncio.sleep(RETRY_EVERY_S)
            if oh not in self._waiting or self._write_waiting(oh):
                return True
        return False

    def write_waiting(self) -> bool:
        """Tries again what waits, distrust too; False if some still does: nothing may be trusted at a start."""
        return self._epoch_is_written() and all(self._write_waiting(oh) for oh in list(self._waiting))

    def _write_waiting(self, oh: bytes) -> bool:
        written = self.write([(entries.info_key(oh), self._waiting[oh])])
        if written:
            del self._waiting[oh]
        return written

    def distrust(self) -> bool:
        """No info validated up to now is trusted; False if this could not be written down."""
        self.trust_epoch += 1
        self._trusted_from_s = int(self._clock.now_s())
        return self._epoch_is_written()

    def _epoch_is_written(self) -> bool:
        epoch = self.trust_epoch
        if epoch != self._written_epoch and self.write([(entries.TRUST_EPOCH_KEY, entries.pack_counter(epoch))]):
            self._written_epoch = epoch
        return epoch == self._written_epoch

    def heed(self, heard: Heard) -> None:
        """From now on `heard` is told of every failure."""
        self._heard = heard

    def swap(self, kv: Kv) -> Kv:
        """Goes on with another map; returns the one before, which somebody in a thread may still be in."""
        before, self._kv = self._kv, kv
        return before

    async def open_again(self, in_thread: InThread) -> None:
        """Closes the map and opens it; lookups meanwhile are misses, and updates wait.

        Raises `KvFailed`: it stays closed until this is called again. `in_thread` runs what blocks.
        """
        before = self.swap(AbsentKv(stalls=True))
        await in_thread(before.close)
        self.swap(await in_thread(self._opened))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All entries of a kind, as `Kv.scan`; to be taken in slices, in a thread. Raises `KvFailed`."""
        return self._kv.scan(prefix)

    def counter(self, key: bytes) -> int:
        """A number kept under a name; 0 if there is none, or it cannot be told."""
        try:
            return entries.unpack_counter(self.value(key))
        except EntryDamaged:
            return 0

    def segments(self) -> dict[int, SegmentEntry]:
        """What it holds of segments; rows that cannot be read are deleted. Raises `KvFailed`. Blocks."""
        found: dict[int, SegmentEntry] = {}
        for key, value in self._kv.scan(entries.SEGMENT_PREFIX):
            try:
                found[entries.segment_of(key)] = entries.unpack_segment(value)
            except EntryDamaged:
                self._kv.write([(key, None)])
        return found

    def reserved_id(self) -> int:
        """Ids of segments below it may have been used. Raises `KvFailed`, `EntryDamaged`."""
        return entries.unpack_counter(self._kv.get(entries.NEXT_SEGMENT_KEY))

    def sync(self) -> bool:
        """What is written now outlives a loss of power; False if not. Blocks."""
        try:
            self._kv.sync()
        except KvFailed as error:
            self._failed("sync", error, reads=False)
            return False
        return True

    def size_bytes(self) -> int:
        """What it takes on the disk. Blocks."""
        return self._kv.size()

    def close(self) -> None:
        """Nobody may be in a call. Blocks."""
        self._kv.close()

    def _failed(self, what: str, error: KvFailed, *, reads: bool) -> None:
        self.failures += 1
        if isinstance(error, KvStalled):
            return
        if not self._failing:
            self._failing = True
            log.error("the index fails: misses and refusals until it works", extra={"what": what, "error": str(error)})
        self._heard(error, reads)


def _nobody(_error: KvFailed, _reads: bool) -> None:
    """Failures while a disk is being opened are raised or met again."""


def _content_types(kv: Kv) -> dict[int, str]:
    prefix = entries.CONTENT_TYPE_PREFIX
    return {
        int.from_bytes(key[len(prefix) :], "big"): value.decode("utf-8", "surrogatepass")
        for key, value in kv.scan(prefix)
    }
