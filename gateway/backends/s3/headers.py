"""Headers of objects in an S3 store: infos read from answers, and what a write sends beside the bytes. Pure."""

import base64
import binascii
import calendar
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

from gateway.backends.base import WriteSpec
from gateway.errors import BackendBroken
from gateway.model import (
    Algorithm,
    Checksum,
    ChecksumType,
    Condition,
    ContentHeaders,
    ETag,
    IfAbsent,
    IfVersion,
    Info,
    Version,
)

META = "x-amz-meta-"
OWN_META = "forebay"
"""User metadata whose names begin like this is the gateway's: never shown to clients nor taken from them."""
_WRITE_ID = f"{OWN_META}-write"
_TYPE_OF_UNTYPED = "binary/octet-stream"
"""What stores say of an object that was written without a type, as the gateway does to its clients."""
_CHECKSUM = "x-amz-checksum-"
_ALGORITHMS = {algorithm.value.lower(): algorithm for algorithm in Algorithm}
_MONTH_NAMES = "JanFebMarAprMayJunJulAugSepOctNovDec"
_MONTHS = {_MONTH_NAMES[3 * at : 3 * at + 3]: at + 1 for at in range(12)}
_ENCODED_WORDS = re.compile(r"(=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=)(\s+=\?[^?\s]+\?[BbQq]\?[^?\s]*\?=)*")
_WORD = re.compile(r"=\?([^?]+)\?([BbQq])\?([^?]*)\?=")
_QUOTED = re.compile(rb"=([0-9A-Fa-f]{2})")
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


def version_of(etag: str, size: int) -> Version:
    """The version of a content: its ETag and its size, which LIST tells as well as GET."""
    return Version(f"{etag}/{size}".encode("utf-8", "surrogateescape"))


def etag_of_version(version: Version) -> ETag | None:
    """The ETag in a version; None if it is none of this backend's."""
    etag, slash, size = version.decode("utf-8", "surrogateescape").rpartition("/")
    return ETag(etag) if slash and etag and size.isascii() and size.isdigit() else None


def size_of_version(version: Version) -> int:
    """The size in a version of this backend's."""
    return int(version.rpartition(b"/")[2])


def info_of(headers: Mapping[str, str], size: int) -> Info:
    """The info in the head of an answer about an object of `size` bytes; `BackendBroken` if parts are missing."""
    etag = etag_of(headers)
    own, checksums = _own_headers(headers)
    return Info(
        version=version_of(etag, size),
        size=size,
        modified_s=_seconds_of(headers.get("last-modified", "")),
        etag=etag,
        content=_content(headers),
        metadata=tuple(sorted((name, told(value)) for name, value in own if not name.startswith(OWN_META))),
        checksum=_checksum(checksums) if checksums else None,
        write_id=next((value for name, value in own if name == _WRITE_ID), ""),
    )


def etag_of(headers: Mapping[str, str]) -> ETag:
    """The ETag of an answer, without quotes."""
    etag = headers.get("etag", "").strip('"')
    if not etag:
        raise BackendBroken("The store behind this bucket names no ETag.")
    return ETag(etag)


def size_of(headers: Mapping[str, str]) -> int:
    """The length that an answer promises."""
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit()):
        raise BackendBroken("The store behind this bucket promises no length.")
    return int(text)


def range_of(headers: Mapping[str, str]) -> tuple[int, int, int]:
    """Start, stop and size of the object, of an answer to a range."""
    match = _RANGE.fullmatch(headers.get("content-range", ""))
    if match is None:
        raise BackendBroken("The store behind this bucket does not say which bytes it sends.")
    return int(match[1]), int(match[2]) + 1, int(match[3])


def stored_headers(spec: WriteSpec) -> dict[str, str]:
    """What is kept beside the bytes, as headers of the request that makes the object."""
    content = spec.content
    told = {
        "content-type": content.content_type,
        "cache-control": content.cache_control,
        "content-disposition": content.content_disposition,
        "content-encoding": content.content_encoding,
        "content-language": content.content_language,
        "expires": content.expires,
    }
    headers = {name: carried(value) for name, value in told.items() if value is not None}
    for name, value in spec.metadata:
        if not name.startswith(OWN_META):
            headers[META + name] = carried(value)
    if spec.write_id:
        headers[META + _WRITE_ID] = spec.write_id
    if spec.tags:
        headers["x-amz-tagging"] = "&".join(
            f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in spec.tags
        )
    return headers


def condition_headers(condition: Condition) -> dict[str, str] | None:
    """The condition of a write as headers; None for one that cannot hold, since no version here looks like that."""
    match condition:
        case IfAbsent():
            return {"if-none-match": "*"}
        case IfVersion(version):
            etag = etag_of_version(version)
            return None if etag is None else {"if-match": f'"{etag}"'}
        case _:
            return {}


def checksum_headers(checksum: Checksum | None) -> dict[str, str]:
    """A proven checksum, for a store that keeps it."""
    if checksum is None or checksum.type is not ChecksumType.FULL_OBJECT:
        return {}
    name = checksum.algorithm.value
    return {
        "x-amz-sdk-checksum-algorithm": name,
        _CHECKSUM + name.lower(): base64.b64encode(checksum.value).decode(),
    }


def carried(text: str) -> str:
    """Header text as it is sent: what is not ASCII becomes an encoded word (RFC 2047, section 2)."""
    if text.isascii():
        return text
    raw = text.encode("latin-1")
    try:
        raw.decode()
    except UnicodeDecodeError:
        charset = "ISO-8859-1"
    else:
        charset = "UTF-8"
    return f"=?{charset}?B?{base64.b64encode(raw).decode()}?="


def told(text: str) -> str:
    """Header text as it was meant, one character per byte: the inverse of `carried`.

    Only a value that wholly consists of encoded words is decoded; others may only look like it.
    """
    if not text.isascii():
        return text.encode("utf-8", "surrogateescape").decode("latin-1")
    if text[:2] != "=?" or not _ENCODED_WORDS.fullmatch(text):
        return text
    try:
        return "".join(_word_bytes(*word).decode("latin-1") for word in _WORD.findall(text))
    except (binascii.Error, LookupError, UnicodeError):
        return text


def _word_bytes(charset: str, encoding: str, text: str) -> bytes:
    raw = text.encode()
    if encoding in "Bb":
        raw = base64.b64decode(raw, validate=True)
    else:
        raw = _QUOTED.sub(lambda match: bytes([int(match[1], 16)]), raw.replace(b"_", b" "))
    if charset.upper() in ("UTF-8", "ISO-8859-1", "US-ASCII"):
        return raw
    return raw.decode(charset).encode()


def _content(headers: Mapping[str, str]) -> ContentHeaders:
    get = headers.get
    content_type = get("content-type")
    return _content_headers(
        None if content_type == _TYPE_OF_UNTYPED else content_type,
        get("cache-control"),
        get("content-disposition"),
        get("content-encoding"),
        get("content-language"),
        get("expires"),
    )


@lru_cache(maxsize=1024)
def _content_headers(*values: str | None) -> ContentHeaders:
    return ContentHeaders(*(None if value is None else told(value) for value in values))


def _own_headers(headers: Mapping[str, str]) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """User metadata, and what is told of checksums, by the names behind their prefixes; in one pass, for speed."""
    metadata: list[tuple[str, str]] = []
    checksums: dict[str, str] = {}
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith(META):
            metadata.append((lower[len(META) :], value))
        elif lower.startswith(_CHECKSUM):
            checksums[lower[len(_CHECKSUM) :]] = value
    return metadata, checksums


def _checksum(told_of: Mapping[str, str]) -> Checksum | None:
    for name, text in told_of.items():
        algorithm = _ALGORITHMS.get(name)
        if algorithm is not None:
            return checksum_of(algorithm, text, told_of.get("type"))
    return None


def checksum_of(algorithm: Algorithm, text: str, kind: str | None) -> Checksum | None:
    """A checksum as the store writes it: base64, for composites with the number of parts behind; None if unreadable."""
    encoded, _, count = text.partition("-")
    try:
        value = base64.b64decode(encoded, validate=True)
        if kind == ChecksumType.COMPOSITE.value or (kind is None and count):
            return Checksum(algorithm, value, ChecksumType.COMPOSITE, int(count or 0))
    except ValueError:
        return None
    return Checksum(algorithm, value)


@lru_cache(maxsize=1024)
def _seconds_of(text: str) -> int:
    """An IMF-fixdate (RFC 9110, section 5.6.7) as unix time."""
    try:
        day, month, year = int(text[5:7]), _MONTHS[text[8:11]], int(text[12:16])
        return calendar.timegm((year, month, day, int(text[17:19]), int(text[20:22]), int(text[23:25])))
    except (ValueError, KeyError) as error:
        raise BackendBroken("The store behind this bucket does not say when the object was changed.") from error
