"""The examinations of `forebay doctor` that look at the block store: its directories, their file systems, the room."""

import os
from collections.abc import Iterator
from pathlib import Path

from gateway.cli.findings import Finding, Health, nearest_existing, writable
from gateway.cli.status import size_text
from gateway.config import Config
from gateway.store import capacity
from gateway.store.disk import SYSTEM_FILES
from gateway.store.medium import COPYING, NFS, REMOTE, file_system_at

SUBJECT = "store.paths"
VOLATILE = frozenset({"tmpfs", "ramfs"})


def store(config: Config) -> Iterator[Finding]:
    """Whether each directory of the store can be used, lies on a local disk of its own, and has room for its share."""
    usable = []
    for path in config.store.paths:
        finding = writable(SUBJECT, path)
        yield finding
        if finding.health is Health.GOOD:
            yield _local(path, file_system_at(nearest_existing(path)))
            usable.append(path)
    if len(usable) == len(config.store.paths):
        yield from _room(config)
    yield from _together(config)


_LOCAL_ADVICE = "Choose a directory on a disk of this host."


def _local(path: Path, kind: str) -> Finding:
    finding = f"{path} lies on {kind or 'a file system of unknown kind'}"
    if kind in NFS:
        return Finding(SUBJECT, Health.BAD, finding, _LOCAL_ADVICE)
    if kind in REMOTE:
        return Finding(SUBJECT, Health.WARNING, finding, _LOCAL_ADVICE)
    if kind in COPYING:
        return Finding(SUBJECT, Health.WARNING, finding, "ext4 or XFS keep the room that the store sets aside.")
    if kind in VOLATILE:
        return Finding(SUBJECT, Health.WARNING, finding, "It is memory: choose a disk to be warm after a restart.")
    return Finding(SUBJECT, Health.GOOD, finding)


def _room(config: Config) -> Iterator[Finding]:
    files, paths = SYSTEM_FILES, config.store.paths
    totals = [files.total_bytes(nearest_existing(path)) for path in paths]
    shares = capacity.shares(config.store.capacity, totals)
    for path, total, share in zip(paths, totals, shares, strict=True):
        free = files.free_bytes(nearest_existing(path))
        limit = capacity.limit_bytes(_taken_bytes(path), free, total, config.store.min_free)
        segment = capacity.segment_size(config.store.segment_size, share)
        room = capacity.Room(min(share, limit), limit, segment, capacity.SLACK_MIN_BYTES)
        finding = f"{path} has room for {size_text(max(0, min(share, limit)))} of its share of {size_text(share)}"
        if room.missing_bytes > 0:
            advice = "Nothing can be kept. Make room on this disk, lower store.min_free, or choose another disk."
            yield Finding(SUBJECT, Health.BAD, finding, advice)
        elif limit < share:
            advice = f"Make room, or lower store.capacity; {config.store.min_free} % of the disk stay free (min_free)."
            yield Finding(SUBJECT, Health.WARNING, finding, advice)
        else:
            yield Finding(SUBJECT, Health.GOOD, finding)


def _taken_bytes(path: Path) -> int:
    """What the store has on this disk already."""
    taken = 0
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                taken += os.lstat(os.path.join(directory, name)).st_blocks * 512
            except FileNotFoundError:
                # A running node removes files meanwhile; what is gone takes no room.
                continue
    return taken


def _together(config: Config) -> Iterator[Finding]:
    by_device: dict[int, list[Path]] = {}
    for path in config.store.paths:
        by_device.setdefault(nearest_existing(path).stat().st_dev, []).append(path)
    for paths in by_device.values():
        if len(paths) > 1:
            finding = f"{', '.join(map(str, paths))} lie on one file system"
            yield Finding(SUBJECT, Health.WARNING, finding, "One directory per disk: more share its room and its end.")
