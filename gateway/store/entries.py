"""Index entries: keys and values of the map that says where blocks lie and what is known of objects."""

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from gateway.model import Algorithm, Checksum, ChecksumType, ContentHeaders, ETag, Info, PartRun, Version
from gateway.store.segments import KIND_MAIN, Sums

EXTRA_SIZE_MAX = 8 * 1024
"""Bytes of what does not fit into the fixed fields of an info; one with more is not kept."""
SCHEMA = b"1"
SCHEMA_KEY = b"mschema"
TRUST_EPOCH_KEY = b"mtrust_epoch"
NEXT_SEGMENT_KEY = b"mnext_seg"
CONTENT_TYPE_PREFIX = b"mctype"
SEGMENT_PREFIX = b"s"

_PLACE = struct.Struct("<IIHHIIII")
_INFO = struct.Struct("<16sHHIQII16s")
_SEGMENT = struct.Struct("<BBBBIQQQIQ")
_NUMBER = struct.Struct(">I")
_SEGMENT_ID = struct.Struct(">Q")
_COUNTER = struct.Struct("<Q")
_TEXT_ETAG = 0xFFFF
_MD5_HEX_SIZE = 32
_PARTS_MAX = 0xFFFE


class EntryDamaged(Exception):
    """This value is none that the index holds under such a key."""


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
    suspect: bool = False


def info_key(oh: bytes) -> bytes:
    return b"o" + oh


def block_key(vh: bytes, number: int) -> bytes:
    """Pieces of one version lie together."""
    return b"b" + vh[:12] + _NUMBER.pack(number)


def segment_key(segment: int) -> bytes:
    return SEGMENT_PREFIX + _SEGMENT_ID.pack(segment)


def segment_of(key: bytes) -> int:
    """The id in a segment's key. Raises `EntryDamaged`."""
    if len(key) != 1 + _SEGMENT_ID.size:
        raise EntryDamaged("segment key")
    segment: int = _SEGMENT_ID.unpack_from(key, 1)[0]
    return segment


def pack_counter(number: int) -> bytes:
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
    return _PLACE.pack(*spot)


def unpack_spot(value: bytes) -> Spot | None:
    """The spot at the start of a value; None if it holds none. Raises `EntryDamaged`."""
    if len(value) < _PLACE.size:
        raise EntryDamaged("place")
    fields = _PLACE.unpack_from(value)
    return Spot._make(fields) if fields[0] else None


def vh_of(value: bytes) -> bytes:
    """The version that an info's value speaks of, without unpacking the rest. Raises `EntryDamaged`."""
    if len(value) < _INFO_SIZE:
        raise EntryDamaged("info")
    return value[_INFO_SIZE - 16 : _INFO_SIZE]


def lies_at(value: bytes, segment: int, record_offset: int) -> bool:
    """Whether a value points at that very record."""
    return value[:8] == _LOCATION.pack(segment, record_offset)


def without_spot(value: bytes) -> bytes:
    """An info's value that has lost its block."""
    return _NO_PLACE + value[_PLACE.size :]


def pack_info(entry: InfoEntry, type_number: int) -> bytes:
    """The value of an info. `type_number` stands for its content type, 0: spell it out. Raises `InfoUnfit`."""
    info = entry.info
    if not 0 <= info.modified_s <= _U32_MAX:
        raise InfoUnfit
    digest, form = _short_etag(info.etag)
    fixed = _INFO.pack(digest, form, type_number, info.modified_s, info.size, entry.epoch, entry.validated_s, entry.vh)
    place = pack_spot(entry.spot) if entry.spot is not None else _NO_PLACE
    extra = _extra(entry, etag_is_short=form != _TEXT_ETAG, type_is_short=type_number != 0)
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
        content = _NO_HEADERS if content_type is None else ContentHeaders(content_type)
        return InfoEntry(Info(_usual(etag, size), size, modified_s, etag, content), vh, spot, epoch, validated_s, True)
    extra = _Extra.parse(value[_INFO_SIZE:])
    etag = ETag(extra.text("e")) if form == _TEXT_ETAG else _long_etag(digest, form)
    info = Info(
        version=extra.version() or _usual(etag, size),
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
    sums = entry.sums
    return _SEGMENT.pack(
        entry.state,
        KIND_MAIN,
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
    if len(value) != _SEGMENT.size or value[0] not in _STATES:
        raise EntryDamaged("segment")
    state, _, _, flags, records, data_bytes, first_seq, last_seq, created_s, log_position = _SEGMENT.unpack(value)
    sums = Sums(records, data_bytes, last_seq)
    return SegmentEntry(State(state), sums, first_seq, created_s, log_position, bool(flags & 1))


_INFO_SIZE = _PLACE.size + _INFO.size
_NO_PLACE = bytes(_PLACE.size)
_NO_HEADERS = ContentHeaders()
_LOCATION = struct.Struct("<II")
_STATES = frozenset(State)
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


def _usual(etag: str, size: int) -> Version:
    # What S3 stores make of it; an info whose version reads so does not store it a second time.
    return Version(f"{etag}/{size}".encode())


def _extra(entry: InfoEntry, *, etag_is_short: bool, type_is_short: bool) -> bytes:
    """What does not fit, as JSON; usually nothing. Bytes are text with one character per byte."""
    info, content = entry.info, entry.info.content
    fields: dict[str, object] = {}
    if not etag_is_short:
        fields["e"] = info.etag
    if info.version != _usual(info.etag, info.size):
        fields["v"] = info.version.decode("latin-1")
    if not entry.complete:
        fields["n"] = 1
    if content != _NO_HEADERS:
        if content.content_type is not None and not type_is_short:
            fields["t"] = content.content_type
        others = [
            content.cache_control,
            content.content_disposition,
            content.content_encoding,
            content.content_language,
            content.expires,
        ]
        if any(header is not None for header in others):
            fields["h"] = others
    if info.metadata:
        fields["m"] = info.metadata
    if info.checksum is not None:
        checksum = info.checksum
        fields["c"] = [checksum.algorithm.value, checksum.value.hex(), checksum.type.value, checksum.part_count]
    if info.parts:
        fields["p"] = [[run.count, run.size] for run in info.parts]
    return json.dumps(fields, separators=(",", ":")).encode() if fields else b""


@dataclass(frozen=True, slots=True)
class _Extra:
    """The JSON behind the fixed fields. Every method raises `EntryDamaged`."""

    fields: dict[str, object]

    @classmethod
    def parse(cls, packed: bytes) -> "_Extra":
        try:
            fields = json.loads(packed)
        except (ValueError, RecursionError) as error:
            raise EntryDamaged("extra") from error
        if not isinstance(fields, dict):
            raise EntryDamaged("extra")
        return cls(fields)

    def text(self, name: str) -> str:
        return _text(self.fields.get(name))

    def version(self) -> Version | None:
        if "v" not in self.fields:
            return None
        try:
            return Version(self.text("v").encode("latin-1"))
        except UnicodeEncodeError as error:
            raise EntryDamaged("version") from error

    def headers(self, content_type: str | None) -> ContentHeaders:
        if "t" in self.fields:
            content_type = self.text("t")
        others = [None if header is None else _text(header) for header in self._list("h")]
        if others and len(others) != 5:
            raise EntryDamaged("headers")
        return ContentHeaders(content_type, *others)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        pairs = [_pair(pair) for pair in self._list("m")]
        return tuple((_text(name), _text(value)) for name, value in pairs)

    def parts(self) -> tuple[PartRun, ...]:
        pairs = [_pair(pair) for pair in self._list("p")]
        return tuple(PartRun(_number(count), _number(size)) for count, size in pairs)

    def checksum(self) -> Checksum | None:
        fields = self._list("c")
        if not fields:
            return None
        try:
            algorithm, value, kind, part_count = (*map(_text, fields[:3]), fields[3])
            return Checksum(Algorithm(algorithm), bytes.fromhex(_text(value)), ChecksumType(kind), _number(part_count))
        except (ValueError, IndexError) as error:
            raise EntryDamaged("checksum") from error

    def _list(self, name: str) -> list[object]:
        value = self.fields.get(name, [])
        if not isinstance(value, list):
            raise EntryDamaged(name)
        return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise EntryDamaged("text")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise EntryDamaged("number")
    return value


def _pair(value: object) -> tuple[object, object]:
    if not isinstance(value, list) or len(value) != 2:
        raise EntryDamaged("pair")
    return value[0], value[1]
