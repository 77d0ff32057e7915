"""What the block store trades in: the names of blocks, the places they lie in, and how full it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from gateway.model import BLOCK_SIZE, Bucket, Key, Known
from gateway.store.health import DiskState


class Admission(Enum):
    """Which blocks are let in once the store is full."""

    AUTO = "auto"
    """All, or hardly any, whichever has been the better of late."""
    CHURN = "churn"
    """All."""
    HOLD = "hold"
    """Hardly any: what is there stays."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a block is kept.

    `life_s` is how long at most, 0 for as long as there is room. `pinned_until_s`: it is no victim of eviction
    until then (unix seconds, 0 for good); None: not pinned.
    """

    admission: Admission = Admission.AUTO
    life_s: int = 0
    pinned_until_s: int | None = None


NORMAL_TERMS = Terms()


class Pool(Enum):
    """What the bytes of blocks are part of, for those who look at the store as a whole."""

    SMALL = "small"
    MAIN = "main"
    PINNED = "pinned"


class Outcome(Enum):
    """What became of a block that was to be kept; true if it can be found. The value of a refusal says why."""

    KEPT = "kept"
    DROPPED = "dropped"
    """Its object was forgotten or given another version meanwhile, or its caller left."""
    NOT_ADMITTED = "not admitted: what is here is read more often"
    TOO_LARGE = "too large to be kept"
    NO_ROOM = "no room to keep it"
    UNWRITTEN = "not written: the disk fails, or does not keep up"

    def __bool__(self) -> bool:
        return self is Outcome.KEPT

    @property
    def is_refusal(self) -> bool:
        return self not in (Outcome.KEPT, Outcome.DROPPED)


class Content(NamedTuple):
    """One content of one object, or a draft of one, as the store names it; made by `BlockStore.content` and `draft`.

    `oh` names the object and `vh` this content of it, 16 bytes each. Blocks are numbered from 0. An object
    that is not larger than one block is `whole`: its only block is number 0. A draft has pieces of any
    length up to a block under any numbers; nobody knows its `size` yet, which is 0.
    """

    bucket: Bucket
    key: Key
    oh: bytes
    vh: bytes
    size: int
    is_draft: bool = False

    @property
    def whole(self) -> bool:
        return self.size <= BLOCK_SIZE and not self.is_draft


class Place(NamedTuple):
    """Where a block lies. Good for one request: a place may be gone, and then reads as a miss.

    All offsets are those of the segment file. `header_crc` binds the place to that very record. A tuple, as is
    its content: every hit makes one, and a tuple costs a fifth of a dataclass.
    """

    content: Content
    number: int
    shard: int
    segment: int
    record_offset: int
    ordinal: int
    data_offset: int
    data_size: int
    header_crc: int


class Held(NamedTuple):
    """What one look at an object tells: its info, and the place of its block if it is whole and here."""

    known: Known
    content: Content
    place: Place | None


@dataclass(frozen=True, slots=True)
class Disk:
    """How one disk of the store does. `scrubbed_s` is when all of it was last verified, unix time, 0 for never.

    `scrub_progress` goes from 0 to 1 while that is done, and is 0 in between.
    """

    state: DiskState
    scrubbed_s: int
    scrub_progress: float


@dataclass(frozen=True, slots=True)
class Usage:
    """How full the store is and what it did since it was opened, over all disks.

    `used_bytes` is all that counts against `capacity_bytes`: segments, those still open after their end,
    index and the rest. `live_bytes` can be found; `pools` says how many of them are pinned, and in which log the
    others lie. `moved_bytes_total` were written again, as evictions found them worth keeping.
    """

    capacity_bytes: int
    used_bytes: int
    live_bytes: int
    index_bytes: int
    segments: int
    kept_bytes_total: int = 0
    evicted_bytes_total: int = 0
    refused_total: int = 0
    damaged_total: int = 0
    moved_bytes_total: int = 0
    pools: Mapping[Pool, int] = field(default_factory=dict)
    disks: tuple[Disk, ...] = ()
    """In the order of `store.paths`."""
