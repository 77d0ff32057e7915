"""Names in the store: keyed hashes of objects and their contents, and the disk each of them lies on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from gateway.model import Bucket, Key, Version

NAME_SIZE = 16
SLOT_COUNT = 16_384
"""Slots of the table that maps hashes to disks; the first 14 bits of a hash choose one."""
STRIPE_BLOCKS = 64
"""Neighbouring pieces of a large object that lie on one disk."""
NO_PURGE = bytes(4)


def object_hash(secret: bytes, bucket: Bucket, key: Key, serial: int = 0) -> bytes:
    """The name of an object since the newest purge that covers it; `serial` is that purge's, 0 if there was none.

    Keyed with the store's secret, so nobody can craft two keys of one name.
    """
    since = serial.to_bytes(4, "little") if serial else NO_PURGE
    return blake2b(since + bucket.encode() + b"\0" + key, digest_size=NAME_SIZE, key=secret).digest()


def content_hash(secret: bytes, oh: bytes, version: Version) -> bytes:
    """The name of one content of an object."""
    return blake2b(oh + version, digest_size=NAME_SIZE, key=secret).digest()


def draft_hash(secret: bytes, oh: bytes, op: bytes) -> bytes:
    """The name of a draft; no version begins with a zero byte and 16 random ones."""
    return blake2b(oh + b"\0" + op, digest_size=NAME_SIZE, key=secret).digest()


def stripe_hash(secret: bytes, vh: bytes, number: int) -> bytes:
    """What chooses the disk of a piece."""
    stripe = (number // STRIPE_BLOCKS).to_bytes(4, "little")
    return blake2b(vh + stripe, digest_size=NAME_SIZE, key=secret).digest()


def key_hash(index_key: bytes) -> int:
    """64 bits that stand for a block in whatever remembers many of them: from the key of its index entry."""
    name = index_key[1:]
    return whole_hash(name) if index_key[:1] == b"o" else piece_hash(name, int.from_bytes(name[12:], "big"))


def whole_hash(oh: bytes) -> int:
    """The `key_hash` of a whole object."""
    return int.from_bytes(oh[:8], "little")


def piece_hash(vh: bytes, number: int) -> int:
    """The `key_hash` of a piece."""
    return (int.from_bytes(vh[:8], "little") ^ (number + 1) * _GOLDEN) & _U64_MAX


def slot_of(name: bytes) -> int:
    """The slot of a hash."""
    return name[0] << 6 | name[1] >> 2


_GOLDEN = 0x9E3779B97F4A7C15
_U64_MAX = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class DiskWeight:
    """A disk and its part: `weight_bytes` is what it could hold when it joined."""

    uuid: str
    weight_bytes: int


def slots(disks: Sequence[DiskWeight]) -> list[int]:
    """For each slot the index of its disk.

    Weighted rendezvous: a disk that comes takes, and one that goes leaves, its own share and no other.
    """
    if len(disks) == 1:
        return [0] * SLOT_COUNT
    return [max(range(len(disks)), key=lambda disk: _score(disks[disk], slot)) for slot in range(SLOT_COUNT)]


def _score(disk: DiskWeight, slot: int) -> float:
    digest = blake2b(f"{disk.uuid}/{slot}".encode(), digest_size=8).digest()
    chance = (int.from_bytes(digest, "little") + 1) / (2**64 + 2)
    return -max(disk.weight_bytes, 1) / math.log(chance)
