"""What of an info has no fixed field in its index entry, as JSON; most infos have nothing of it."""

import json
from dataclasses import dataclass

from gateway.model import Algorithm, Checksum, ChecksumType, ContentHeaders, Info, PartRun, Version

NO_HEADERS = ContentHeaders()


class EntryDamaged(Exception):
    """This value is none that the index holds under such a key."""


def usual_version(etag: str, size: int) -> Version:
    """The version of nearly every object in an S3 store; it is not stored a second time."""
    return Version(f"{etag}/{size}".encode())


def pack(info: Info, *, complete: bool, etag_is_short: bool, type_is_short: bool) -> bytes:
    """What does not fit, as JSON; usually nothing. Bytes are text with one character per byte."""
    content = info.content
    fields: dict[str, object] = {}
    if not etag_is_short:
        fields["e"] = info.etag
    if info.version != usual_version(info.etag, info.size):
        fields["v"] = info.version.decode("latin-1")
    if not complete:
        fields["n"] = 1
    if content != NO_HEADERS:
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
class Extra:
    """The JSON behind the fixed fields. Every method raises `EntryDamaged`."""

    fields: dict[str, object]

    @classmethod
    def parse(cls, packed: bytes) -> "Extra":
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
