"""Checksums of the S3 API: digests, the wire's text, and the checksum of a whole from those of its parts.

Source: "Amazon S3 User Guide", Checking object integrity.
"""

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from typing import Protocol

from awscrt import checksums as crt

from gateway.errors import DigestWrong, RequestInvalid
from gateway.model import Algorithm, Checksum, ChecksumSpec, ChecksumType

HEADER_PREFIX = "x-amz-checksum-"
SIZES = {
    Algorithm.CRC32: 4,
    Algorithm.CRC32C: 4,
    Algorithm.CRC64NVME: 8,
    Algorithm.SHA1: 20,
    Algorithm.SHA256: 32,
}
"""Bytes of a raw value."""


class Digest(Protocol):
    """A running checksum, as hashlib's objects are."""

    def update(self, data: bytes | memoryview, /) -> None: ...

    def digest(self) -> bytes: ...


def digest_of(algorithm: Algorithm) -> Digest:
    """A new running checksum."""
    match algorithm:
        case Algorithm.SHA1:
            return hashlib.sha1()
        case Algorithm.SHA256:
            return hashlib.sha256()
        case Algorithm.CRC32 | Algorithm.CRC32C | Algorithm.CRC64NVME:
            return _Crc(_CRC_STEPS[algorithm], SIZES[algorithm])


def algorithm_of(name: str) -> Algorithm:
    """The algorithm of this name, in any case. Raises `RequestInvalid`."""
    try:
        return Algorithm(name.upper())
    except ValueError:
        raise RequestInvalid(f"The checksum algorithm {name} is not supported.") from None


def parse(algorithm: Algorithm, text: str) -> Checksum:
    """Read base64 of a raw value, with `-N` behind it for a composite one of N parts.

    Raises `DigestWrong` for what cannot be a value of this algorithm.
    """
    encoded, dash, count = text.partition("-")
    try:
        value = b64decode(encoded, validate=True)
    except ValueError:
        raise _not_a_value(algorithm) from None
    if len(value) != SIZES[algorithm]:
        raise _not_a_value(algorithm)
    if not dash:
        return Checksum(algorithm, value)
    if not (count.isascii() and count.isdigit() and 0 < len(count) <= 5 and int(count) > 0):
        raise _not_a_value(algorithm)
    return Checksum(algorithm, value, ChecksumType.COMPOSITE, int(count))


def text_of(checksum: Checksum) -> str:
    """The value as headers and documents have it: base64, and `-N` behind a composite one."""
    encoded = b64encode(checksum.value).decode()
    return encoded if checksum.type is ChecksumType.FULL_OBJECT else f"{encoded}-{checksum.part_count}"


def header_of(algorithm: Algorithm) -> str:
    """The name of the header or trailer that carries it."""
    return HEADER_PREFIX + algorithm.value.lower()


def wire(checksum: Checksum, *, with_type: bool = False) -> list[tuple[str, str]]:
    """The header fields that tell a client this checksum; `with_type` for answers to GET and HEAD."""
    fields = [(header_of(checksum.algorithm), text_of(checksum))]
    if with_type:
        fields.append(("x-amz-checksum-type", checksum.type.value))
    return fields


def combine(spec: ChecksumSpec, parts: Iterable[tuple[Checksum | None, int]]) -> Checksum | None:
    """The checksum of an object from the checksums and sizes of its parts, in order.

    None if a part has none of this algorithm, or the algorithm cannot be combined without the bytes.
    """
    values: list[tuple[bytes, int]] = []
    for checksum, size in parts:
        if checksum is None or checksum.algorithm is not spec.algorithm:
            return None
        values.append((checksum.value, size))
    if not values:
        return None
    if spec.type is ChecksumType.COMPOSITE:
        composite = digest_of(spec.algorithm)
        for value, _ in values:
            composite.update(value)
        return Checksum(spec.algorithm, composite.digest(), ChecksumType.COMPOSITE, len(values))
    join = _CRC_JOINS.get(spec.algorithm)
    return None if join is None else Checksum(spec.algorithm, _joined(join, values))


def _joined(join: Callable[[int, int, int], int], values: list[tuple[bytes, int]]) -> bytes:
    first = values[0][0]
    total = int.from_bytes(first, "big")
    for value, size in values[1:]:
        total = join(total, int.from_bytes(value, "big"), size)
    return total.to_bytes(len(first), "big")


class _Crc:
    def __init__(self, step: Callable[[bytes | memoryview, int], int], size: int) -> None:
        self._step = step
        self._size = size
        self._value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


# zlib's CRC32 is faster than the one of awscrt; the other two exist only there.
_CRC_STEPS: dict[Algorithm, Callable[[bytes | memoryview, int], int]] = {
    Algorithm.CRC32: zlib.crc32,
    Algorithm.CRC32C: crt.crc32c,
    Algorithm.CRC64NVME: crt.crc64nvme,
}
_CRC_JOINS: dict[Algorithm, Callable[[int, int, int], int]] = {
    Algorithm.CRC32: crt.combine_crc32,
    Algorithm.CRC32C: crt.combine_crc32c,
    Algorithm.CRC64NVME: crt.combine_crc64nvme,
}


def _not_a_value(algorithm: Algorithm) -> DigestWrong:
    return DigestWrong(f"The value of {header_of(algorithm)} is not a valid {algorithm.value}.")
