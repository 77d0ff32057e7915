"""Index entries: keys and values of the map that says where blocks lie and what is known of objects."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from gateway.model import ContentHeaders, ETag, Info
from gateway.store import extras
from gateway.store.extras import NO_HEADERS, EntryDamaged, Extra, usual_version
from gateway.store.records import Flag
from gateway.store.segments import Kind, Sums

EXTRA_SIZE_MAX = 8 * 1024
"""Bytes of what does not fit into the fixed fields of an info; one with more is not kept."""
SCHEMA = b"1"
SCHEMA_KEY = b"mschema"
TRUST_EPOCH_KEY = b"mtrust_epoch"
NEXT_SEGMENT_KEY = b"mnext_seg"
GATE_MODE_KEY = b"mgate_mode"
PINNED_BYTES_KEY = b"mpinned"
CONTENT_TYPE_PREFIX = b"mctype"
SEGMENT_PREFIX = b"s"
INFO_PREFIX = b"o"
BLOCK_PREFIX = b"b"
SCRUBBED_KEY = b"mscrubbed"

# Plain numbers: arithmetic with members of an enumeration costs ten times as much, and is done for every record.
_PINNED = int(Flag.PINNED)
_TRANSIENT = int(Flag.TRANSIENT)
_PLACE = struct.Struct("<IIHHIIII")
_INFO = struct.Struct("<16sHHIQII16s")
_SEGMENT = struct.Struct("<BBBBIQQQIQ")
_NUMBER = struct.Struct(">I")
_SEGMENT_ID = struct.Struct(">Q")
_COUNTER = struct.Struct("<Q")
_TEXT_ETAG = 0xFFFF
_MD5_HEX_SIZE = 32
_PARTS_MAX = 0xFFFE


class InfoUnfit(Exception):
    """An info with so many headers, or such a time, is not kept."""


class Spot(NamedTuple):
    """Where a record lies, as the index tells; offsets are those of the segment file.

    A tuple, because every hit makes one and a tuple costs a fifth of a dataclass.
    """

    segment: int
    record_offset: int
    ordinal: int
    flags: int
    data_offset: int
    data_size: int
    expires_s: int
    header_crc: int

    @property
    def is_pinned(self) -> bool:
        """Whether it is pinned, or was and nobody noted the end yet."""
        return bool(self.flags & _PINNED)

    @property
    def is_transient(self) -> bool:
        return bool(self.flags & _TRANSIENT)


@dataclass(frozen=True, slots=True)
class InfoEntry:
    """What the index holds of an object: its info, and the spot of its block if it is whole and kept.

    `epoch` is the trust epoch in which it was validated.
    """

    info: Info
    vh: bytes
    spot: Spot | None
    epoch: int
    validated_s: int
    complete: bool


class State(IntEnum):
    """Of a segment."""

    OPEN = 1
    SEALED = 2
    SYNCED = 3
    EVICTING = 4


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """What the index holds of a segment. `log_position` orders the segments for eviction."""

    state: State
    sums: Sums
    first_seq: int
    created_s: int
    log_position: int
    kind: Kind = Kind.MAIN
    suspect: bool = False


def info_key(oh: bytes) -> bytes:
    """The key of an object's info."""
    return INFO_PREFIX + oh


def block_key(vh: bytes, number: int) -> bytes:
    """Pieces of one version lie together."""
    return BLOCK_PREFIX + vh[:12] + _NUMBER.pack(number)


def segment_key(segment: int) -> bytes:
    """The key of a segment; segments lie in the order of their ids."""
    return SEGMENT_PREFIX + _SEGMENT_ID.pack(segment)


def segment_of(key: bytes) -> int:
    """The id in a segment's key. Raises `EntryDamaged`."""
    if len(key) != 1 + _SEGMENT_ID.size:
        raise EntryDamaged("segment key")
    segment: int = _SEGMENT_ID.unpack_from(key, 1)[0]
    return segment


def pack_counter(number: int) -> bytes:
    """The value of a number kept under a name."""
    return _COUNTER.pack(number)


def unpack_counter(value: bytes | None) -> int:
    """A number kept under a name; 0 if there is none. Raises `EntryDamaged`."""
    if value is None:
        return 0
    if len(value) != _COUNTER.size:
        raise EntryDamaged("counter")
    number: int = _COUNTER.unpack(value)[0]
    return number


def pack_spot(spot: Spot) -> bytes:
    """The value of a piece, and the first bytes of an info's."""
    return _PLACE.pack(*spot)


def unpack_spot(value: bytes) -> Spot | None:
    """The spot at the start of a value; None if it holds none. Raises `EntryDamaged`."""
    if len(value) < _PLACE.size:
        raise EntryDamaged("place")
    fields = _PLACE.unpack_from(value)
    return Spot._make(fields) if fields[0] else None


def moved(value: bytes, spot: Spot) -> bytes:
    """The value, of a piece or an info, with another spot."""
    return pack_spot(spot) + value[_PLACE.size :]


def vh_of(value: bytes) -> bytes:
    """The version that an info's value speaks of, without unpacking the rest. Raises `EntryDamaged`."""
    if len(value) < _INFO_SIZE:
        raise EntryDamaged("info")
    return value[_INFO_SIZE - 16 : _INFO_SIZE]


def validated_s_of(value: bytes) -> int:
    """When an info was validated, without unpacking the rest; in which epoch is not asked. Raises `EntryDamaged`."""
    if len(value) < _INFO_SIZE:
        raise EntryDamaged("info")
    validated_s: int = _INFO.unpack_from(value, _PLACE.size)[6]
    return validated_s


def without_spot(value: bytes) -> bytes:
    """The value of an info that has lost its block."""
    return _NO_PLACE + value[_PLACE.size :]


def lies_at(value: bytes, segment: int, record_offset: int) -> bool:
    """Whether a value points at that very record."""
    return value[:8] == _LOCATION.pack(segment, record_offset)


def pack_info(entry: InfoEntry, type_number: int) -> bytes:
    """The value of an info. `type_number` stands for its content type, 0: spell it out. Raises `InfoUnfit`."""
    info = entry.info
    if not 0 <= info.modified_s <= _U32_MAX:
        raise InfoUnfit
    digest, form = _short_etag(info.etag)
    fixed = _INFO.pack(digest, form, type_number, info.modified_s, info.size, entry.epoch, entry.validated_s, entry.vh)
    place = pack_spot(entry.spot) if entry.spot is not None else _NO_PLACE
    extra = extras.pack(info, complete=entry.complete, etag_is_short=form != _TEXT_ETAG, type_is_short=type_number != 0)
    if len(extra) > EXTRA_SIZE_MAX:
        raise InfoUnfit
    return place + fixed + extra


def unpack_info(value: bytes, type_of: Callable[[int], str | None]) -> InfoEntry:
    """What `pack_info` packed; `type_of` tells the content type of a number. Raises `EntryDamaged`."""
    if len(value) < _INFO_SIZE:
        raise EntryDamaged("info")
    digest, form, type_number, modified_s, size, epoch, validated_s, vh = _INFO.unpack_from(value, _PLACE.size)
    spot = unpack_spot(value)
    content_type = None
    if type_number:
        content_type = type_of(type_number)
        if content_type is None:
            raise EntryDamaged("content type")
    if len(value) == _INFO_SIZE:
        if form == _TEXT_ETAG:
            raise EntryDamaged("no etag")
        etag = _long_etag(digest, form)
        content = NO_HEADERS if content_type is None else ContentHeaders(content_type)
        return InfoEntry(
            Info(usual_version(etag, size), size, modified_s, etag, content), vh, spot, epoch, validated_s, True
        )
    extra = Extra.parse(value[_INFO_SIZE:])
    etag = ETag(extra.text("e")) if form == _TEXT_ETAG else _long_etag(digest, form)
    version = extra.version()
    info = Info(
        version=version if version is not None else usual_version(etag, size),
        size=size,
        modified_s=modified_s,
        etag=etag,
        content=extra.headers(content_type),
        metadata=extra.metadata(),
        checksum=extra.checksum(),
        parts=extra.parts(),
    )
    return InfoEntry(info, vh, spot, epoch, validated_s, "n" not in extra.fields)


def pack_segment(entry: SegmentEntry) -> bytes:
    """The value of a segment."""
    sums = entry.sums
    return _SEGMENT.pack(
        entry.state,
        entry.kind,
        0,
        int(entry.suspect),
        sums.records,
        sums.data_bytes,
        entry.first_seq,
        sums.last_seq,
        entry.created_s,
        entry.log_position,
    )


def unpack_segment(value: bytes) -> SegmentEntry:
    """Raises `EntryDamaged`."""
    if len(value) != _SEGMENT.size or value[0] not in _STATES or value[1] not in _KINDS:
        raise EntryDamaged("segment")
    state, kind, _, flags, records, data_bytes, first_seq, last_seq, created_s, log_position = _SEGMENT.unpack(value)
    sums = Sums(records, data_bytes, last_seq)
    return SegmentEntry(State(state), sums, first_seq, created_s, log_position, Kind(kind), bool(flags & 1))


_INFO_SIZE = _PLACE.size + _INFO.size
_NO_PLACE = bytes(_PLACE.size)
_LOCATION = struct.Struct("<II")
_STATES = frozenset(State)
_KINDS = frozenset(Kind)
_U32_MAX = 0xFFFFFFFF


def _short_etag(etag: str) -> tuple[bytes, int]:
    digest, dash, count = etag[:_MD5_HEX_SIZE], etag[_MD5_HEX_SIZE : _MD5_HEX_SIZE + 1], etag[_MD5_HEX_SIZE + 1 :]
    parts = int(count) if count.isascii() and count.isdigit() and len(count) <= 5 else 0
    try:
        raw = bytes.fromhex(digest)
    except ValueError:
        return bytes(16), _TEXT_ETAG
    if (dash and not 0 < parts <= _PARTS_MAX) or len(raw) != 16 or _long_etag(raw, parts) != etag:
        return bytes(16), _TEXT_ETAG
    return raw, parts


def _long_etag(digest: bytes, form: int) -> ETag:
    return ETag(f"{digest.hex()}-{form}" if form else digest.hex())
