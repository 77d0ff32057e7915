"""Files of a disk: every call of the store to the operating system that may fail, but for the index's.

All methods block, and raise `OSError`.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gateway.store import medium

Buffer = bytes | bytearray | memoryview

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
PROBE_SIZE = 4096
_NO_WAITING = getattr(os, "RWF_NOWAIT", None)


class Files:
    """The operating system's files; tests break a copy of it."""

    def create(self, path: Path, size: int, head: bytes) -> int:
        """Makes a file of `size` bytes that surely have room, begins it with `head`, and returns its descriptor."""
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        try:
            self.allocate(fd, size)
            self.write(fd, [head], 0)
            self.sync_directory(path.parent)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                os.unlink(path)
            raise
        _read_at_random(fd)
        return fd

    def open(self, path: Path) -> int:
        """A descriptor for reading and writing a file that is there."""
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        _read_at_random(fd)
        return fd

    def close(self, fd: int) -> None:
        os.close(fd)

    def allocate(self, fd: int, size: int) -> None:
        # macOS has no such call; the bytes are counted all the same.
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, size)
        else:
            os.ftruncate(fd, size)

    def write(self, fd: int, buffers: Sequence[Buffer], offset: int) -> None:
        """Writes all of the buffers, one after the other."""
        left = sum(map(len, buffers))
        while left:
            written = self.write_some(fd, buffers, offset)
            left -= written
            offset += written
            if left:
                buffers = _after(buffers, written)

    def write_some(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        """One call to the system; returns how many bytes it took."""
        return os.pwritev(fd, buffers, offset)

    def read(self, fd: int, buffer: bytearray | memoryview, offset: int) -> int:
        """Fills `buffer`; fewer bytes than it holds mean that the file ends there."""
        view, filled = memoryview(buffer), 0
        while filled < len(view):
            count = os.preadv(fd, [view[filled:]], offset + filled)
            if count == 0:
                break
            filled += count
        return filled

    def sync(self, fd: int) -> None:
        """The bytes of the file outlive a loss of power."""
        getattr(os, "fdatasync", os.fsync)(fd)

    def unlink(self, path: Path) -> None:
        """Removes a file; it may be gone."""
        path.unlink(missing_ok=True)

    def names(self, directory: Path) -> list[str]:
        return os.listdir(directory)

    def make_directory(self, directory: Path) -> None:
        """Makes a directory with its parents, for this user alone; it may be there."""
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)

    def sync_directory(self, directory: Path) -> None:
        """The names in a directory outlive a loss of power."""
        fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove_tree(self, directory: Path) -> None:
        """Removes all there is, as far as it can."""
        shutil.rmtree(directory, ignore_errors=True)

    def load(self, path: Path) -> bytes | None:
        """A small file; None where there is none."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, path: Path, content: bytes) -> None:
        """Writes a small file so that at any time the old one or the new one is there, whole."""
        fresh = path.with_name(path.name + ".new")
        fd = os.open(fresh, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        try:
            self.write(fd, [content], 0)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(fresh, path)
        self.sync_directory(path.parent)

    def lock(self, path: Path) -> int:
        """Takes a file for this process alone until the descriptor is closed. Raises `BlockingIOError`: it is taken."""
        fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise
        return fd

    def lock_again(self, path: Path, held: int) -> None:
        """As `lock`, for a file that may be another one since `held` was taken; the descriptor stays the same."""
        now, before = os.stat(path), os.fstat(held)
        if (now.st_dev, now.st_ino) != (before.st_dev, before.st_ino):
            fresh = self.lock(path)
            os.dup2(fresh, held, inheritable=False)
            os.close(fresh)

    def probe(self, path: Path) -> None:
        """Finds whether the disk takes bytes and gives them back, with a file that is gone afterwards."""
        content, found = os.urandom(PROBE_SIZE), bytearray(PROBE_SIZE)
        fd = os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        try:
            self.write(fd, [content], 0)
            os.fsync(fd)
            self.drop_cached(fd, 0, PROBE_SIZE)
            self.read(fd, found, 0)
        finally:
            os.close(fd)
            os.unlink(path)
        if found != content:
            raise OSError(errno.EIO, "gives back other bytes than it was given", str(path))

    def drop_cached(self, fd: int, start: int, size: int) -> None:
        """Lets the page cache give up pages, so that the next read comes from the medium."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, start, size, os.POSIX_FADV_DONTNEED)

    def is_cached(self, fd: int, start: int, size: int) -> bool:
        """Whether the first and the last of these bytes are in the page cache, as far as the system tells."""
        if _NO_WAITING is None:
            return True
        try:
            return all(os.preadv(fd, [bytearray(1)], at, _NO_WAITING) == 1 for at in (start, start + size - 1))
        except OSError:
            return False

    def boot_id(self) -> str:
        """Names the run of the machine since it was started; empty where it has no name."""
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""

    def file_system(self, directory: Path) -> str:
        """The kind of file system it lies on; empty where the system does not say."""
        return medium.file_system_at(directory)

    def free_bytes(self, directory: Path) -> int:
        """What this user may still write on the file system."""
        room = os.statvfs(directory)
        return room.f_bavail * room.f_frsize

    def total_bytes(self, directory: Path) -> int:
        """The size of the file system."""
        room = os.statvfs(directory)
        return room.f_blocks * room.f_frsize


SYSTEM_FILES = Files()


def _after(buffers: Sequence[Buffer], count: int) -> list[Buffer]:
    """What is left of the buffers behind their first `count` bytes."""
    left: list[Buffer] = []
    for buffer in buffers:
        if count < len(buffer):
            left.append(memoryview(buffer)[count:])
        count = max(0, count - len(buffer))
    return left


def _read_at_random(fd: int) -> None:
    # What the kernel reads ahead would be in the page cache without having been checked.
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
