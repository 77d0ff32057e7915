"""Made content: the bytes of an object of any size, told by its name and version and never held."""

import hashlib
import random
import re
from collections.abc import Iterator

SLICE_SIZE = 256 * 1024
"""The longest slice that is handed out at once."""
PERIOD = 1024 * 1024 + 7
"""Content repeats after this many bytes. It is a prime, so no two blocks of 1 MiB of one object are alike."""
UNITS = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

_PATTERN = random.Random("made content").randbytes(PERIOD)
_TWICE = memoryview(_PATTERN + _PATTERN[:SLICE_SIZE])
_SIZED = re.compile(r"-(\d+)(B|KiB|MiB|GiB)$")


def size_named(name: str) -> int | None:
    """The size an object's name tells, as `bucket/key-64MiB` does; None for names that tell none."""
    found = _SIZED.search(name)
    return int(found[1]) * UNITS[found[2]] if found else None


def made_etag(name: str, version: int) -> str:
    """An entity tag that looks like an MD5, as it would be of a plain upload."""
    return hashlib.md5(f"{name}/{version}".encode()).hexdigest()


def slices(name: str, version: int, start: int, stop: int) -> Iterator[memoryview]:
    """The bytes [start, stop) of one version in order, in slices of at most 256 KiB that cost nothing to make."""
    shift = _shift(name, version)
    while start < stop:
        place = (start + shift) % PERIOD
        size = min(SLICE_SIZE, stop - start)
        yield _TWICE[place : place + size]
        start += size


def made(name: str, version: int, start: int, stop: int) -> bytes:
    """The same bytes in one."""
    return b"".join(slices(name, version, start, stop))


def _shift(name: str, version: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{name}/{version}".encode(), digest_size=8).digest()) % PERIOD
