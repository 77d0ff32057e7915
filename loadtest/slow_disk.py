"""Makes a disk slow for one process: the kernel's own limits on what a control group may read."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
OLD_LIMIT, NEW_LIMIT = "blkio.throttle.read_bps_device", "io.max"
"""The file of a group that takes the limit: of version 1 and version 2 of control groups."""


class CannotSlow(Exception):
    """Not on this machine, or not without root; the text says why."""


@contextmanager
def slowed(pid: int, directory: Path, bytes_per_s: int) -> Iterator[None]:
    """While within, the process reads no more than so much from the disk of `directory`. Raises `CannotSlow`."""
    old = (GROUPS / "blkio").is_dir()
    group = (GROUPS / "blkio" if old else GROUPS) / f"forebay-bench-{os.getpid()}"
    device = os.stat(directory).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    before = _group_of(pid, "blkio" if old else "")
    try:
        group.mkdir()
        limit = f"{number} {bytes_per_s}" if old else f"{number} rbps={bytes_per_s}"
        (group / (OLD_LIMIT if old else NEW_LIMIT)).write_text(limit)
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        _remove(group)
        raise CannotSlow(f"no control group can slow the disk of {directory}: {error}") from error
    try:
        yield
    finally:
        ((GROUPS / "blkio" if old else GROUPS) / before / "cgroup.procs").write_text(str(pid))
        _remove(group)


def _group_of(pid: int, controller: str) -> str:
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return path.lstrip("/")
    return ""


def _remove(group: Path) -> None:
    try:
        group.rmdir()
    except OSError as error:
        print(f"{group} stays: {error}", file=sys.stderr)


def drop_page_cache(paths: Iterable[Path]) -> None:
    """Writes the files back and drops their pages: the next reads come from the disk. Files that vanish are skipped."""
    for path in paths:
        try:
            fd = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
