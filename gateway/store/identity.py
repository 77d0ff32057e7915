"""Who a directory of the store belongs to: the small files at its top."""

import json
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.errors import ConfigInvalid
from gateway.store import medium
from gateway.store.disk import Files
from gateway.store.names import DiskWeight

FORMAT = 1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Super:
    """What SUPER says. `store_uuid` and `secret` are equal on all disks of a node; `shard` is 16 bytes."""

    store_uuid: str
    disk_uuid: str
    shard: bytes
    secret: bytes
    segment_size: int
    disks: tuple[DiskWeight, ...] = ()

    def __repr__(self) -> str:
        return f"Super(store_uuid={self.store_uuid}, disk_uuid={self.disk_uuid})"

    def pack(self) -> bytes:
        """The file's content."""
        fields = {
            "format": FORMAT,
            "store_uuid": self.store_uuid,
            "disk_uuid": self.disk_uuid,
            "shard": self.shard.hex(),
            "secret": self.secret.hex(),
            "segment_size": self.segment_size,
            "disks": [[disk.uuid, disk.weight_bytes] for disk in self.disks],
        }
        return json.dumps(fields, indent=1).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Home:
    """A directory of `store.paths`, held by this process alone as long as `lock` is open."""

    path: Path
    lock: int
    super: Super | None

    @property
    def clean(self) -> Path:
        """The file that is there only after a clean stop."""
        return self.path / "CLEAN"

    @property
    def boot(self) -> Path:
        """The file that names the boot of the last start."""
        return self.path / "BOOT"

    @property
    def super_path(self) -> Path:
        """The file that says whose the directory is."""
        return self.path / "SUPER"

    def directory_of(self, shard: bytes) -> Path:
        """Where a shard lies."""
        return self.path / shard.hex()[:16]


def take(path: Path, files: Files) -> Home:
    """Locks a directory and reads whose it is. Raises `ConfigInvalid`. Blocks."""
    try:
        files.make_directory(path)
        lock = files.lock(path / "LOCK")
    except BlockingIOError as error:
        raise ConfigInvalid([f"store.paths: {path} is in use by another node"]) from error
    except OSError as error:
        raise ConfigInvalid([f"store.paths: {path} cannot be used: {error.strerror}"]) from error
    try:
        _examine(path, files)
        content = files.load(path / "SUPER")
        return Home(path, lock, _parse(path, content) if content is not None else None)
    except OSError as error:
        files.close(lock)
        raise ConfigInvalid([f"store.paths: {path} cannot be read: {error.strerror}"]) from error
    except ConfigInvalid:
        files.close(lock)
        raise


def _examine(path: Path, files: Files) -> None:
    kind = files.file_system(path)
    if kind in medium.NFS:
        raise ConfigInvalid([f"store.paths: {path} lies on {kind}: choose a directory on a disk of this host"])
    if kind in medium.COPYING:
        log.warning("a disk of the store copies on write: it may be full early", extra={"path": path, "kind": kind})


def disk_uuid(path: Path, files: Files) -> str | None:
    """Which disk is at the path now; None if it is none of a store. Raises `OSError`, `ConfigInvalid`. Blocks."""
    content = files.load(path / "SUPER")
    return _parse(path, content).disk_uuid if content is not None else None


def agree(homes: Sequence[Home], weights: Sequence[int], segment_size: int) -> list[Super]:
    """What SUPER is to say on each disk; a new disk joins the others. Raises `ConfigInvalid`."""
    found = [home.super for home in homes if home.super is not None]
    first = found[0] if found else _fresh(segment_size)
    for home in homes:
        if home.super is not None and home.super.store_uuid != first.store_uuid:
            raise ConfigInvalid([f"store.paths: {home.path} and {homes[0].path} belong to different nodes"])
    before = {disk.uuid: disk.weight_bytes for own in found for disk in own.disks}
    agreed = [home.super or _joining(first, is_first=not found and home is homes[0]) for home in homes]
    disks = tuple(
        DiskWeight(own.disk_uuid, before.get(own.disk_uuid, weight))
        for own, weight in zip(agreed, weights, strict=True)
    )
    if len({disk.uuid for disk in disks}) != len(disks):
        raise ConfigInvalid(["store.paths: two of them hold the same disk, copied"])
    return [replace(own, disks=disks) for own in agreed]


def fresh_uuid() -> bytes:
    """A name nobody else has."""
    return secrets.token_bytes(16)


def _fresh(segment_size: int) -> Super:
    return Super(fresh_uuid().hex(), fresh_uuid().hex(), fresh_uuid(), secrets.token_bytes(32), segment_size)


def _joining(first: Super, *, is_first: bool) -> Super:
    return first if is_first else replace(first, disk_uuid=fresh_uuid().hex(), shard=fresh_uuid(), disks=())


def _parse(path: Path, content: bytes) -> Super:
    try:
        fields = json.loads(content)
        if fields["format"] != FORMAT:
            raise ConfigInvalid([f"store.paths: {path} was written by another version, format {fields['format']}"])
        return Super(
            str(fields["store_uuid"]),
            str(fields["disk_uuid"]),
            bytes.fromhex(fields["shard"]),
            bytes.fromhex(fields["secret"]),
            int(fields["segment_size"]),
            tuple(DiskWeight(str(uuid), int(weight)) for uuid, weight in fields["disks"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigInvalid([f"store.paths: {path / 'SUPER'} is not a file of this program"]) from error
