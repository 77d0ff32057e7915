"""Files nobody sees until they are put in their place, and the removal of those that never were."""

import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import time
from contextlib import suppress
from threading import Event

from gateway.backends.local.root import Root, own
from gateway.model import PIECE_SIZE_MAX, ETag

TEMPS = b"tmp"
_COPY_MAX = 64 * 1024 * 1024
"""Bytes that one system call copies at most."""
_NO_COPYING = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Temp:
    """One new content on its way. Made on the loop, used in threads, by one at a time.

    While it is being written its file is locked, which tells other nodes that it is not a leftover.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self._fd = -1
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._abandoned = Event()
        self.name = b""

    @property
    def fd(self) -> int:
        """The file, opened on first use."""
        while self._fd < 0:
            self.name = own(TEMPS, secrets.token_hex(16).encode())
            fd = self._root.create(self.name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                self._fd = fd
            else:
                # Another node took it for a leftover before it was locked.
                os.close(fd)
        return self._fd

    def append(self, piece: bytes | memoryview) -> None:
        """Writes the bytes and adds them to the MD5."""
        self.hash(piece)
        self.write(piece)

    def hash(self, piece: bytes | memoryview) -> None:
        self._md5.update(piece)

    def write(self, piece: bytes | memoryview) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self.fd, rest) :]

    def append_file(self, source: int, start: int, stop: int) -> None:
        """Copies bytes of another file inside the kernel where it can; the MD5 does not see them."""
        while start < stop:
            count = _copy_range(source, self.fd, start, min(stop - start, _COPY_MAX))
            if count == 0:
                raise EOFError
            start += count

    @property
    def etag(self) -> ETag:
        """The MD5 of what was appended."""
        return ETag(self._md5.hexdigest())

    def stamp(self) -> os.stat_result:
        """Ends the writing. The time is the clock's own: the kernel's may stand still over several writes,
        which would then share a version."""
        now_ns = time.time_ns()
        os.utime(self.fd, ns=(now_ns, now_ns))
        return os.fstat(self.fd)

    def abandon(self) -> None:
        """Whoever asked for this content is gone: it must not be put in its place any more."""
        self._abandoned.set()

    @property
    def is_abandoned(self) -> bool:
        return self._abandoned.is_set()

    @property
    def is_open(self) -> bool:
        return self._fd >= 0

    def close(self) -> None:
        """Gives the file up; removes it if it still has its temporary name. May be called again."""
        if self._fd >= 0:
            try:
                # Of a root that was closed meanwhile, the next `sweep` removes it.
                if self.name and not self._root.is_closed:
                    remove(self._root, self.name)
            finally:
                os.close(self._fd)
                self._fd = -1

    def placed(self) -> None:
        """The file has its final name now; the temporary one is no longer ours."""
        self.name = b""

    def place(self, name: bytes) -> None:
        """Puts the file into the gateway's own corner, where directories are made as they are needed."""
        os.fsync(self.fd)
        try:
            os.replace(self.name, name, src_dir_fd=self._root.fd, dst_dir_fd=self._root.fd)
        except FileNotFoundError:
            self._root.make_own(os.path.dirname(name))
            os.replace(self.name, name, src_dir_fd=self._root.fd, dst_dir_fd=self._root.fd)
        self.placed()
        with self._root.folder([os.path.dirname(name)]) as folder:
            os.fsync(folder)


def remove(root: Root, name: bytes) -> None:
    """Removes a temporary file, which may be gone already."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=root.fd)


def sweep(root: Root) -> None:
    """Removes what writers that died have left; a living one still holds the lock of its file."""
    try:
        with root.folder([own(TEMPS)]) as folder:
            for entry in os.scandir(folder):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.name, dir_fd=folder, ignore_errors=True)
                else:
                    _sweep_file(folder, entry.name)
    except FileNotFoundError:
        return


def _sweep_file(folder: int, name: str) -> None:
    try:
        fd = os.open(name, os.O_RDWR | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=folder)
    except (BlockingIOError, FileNotFoundError):
        return
    finally:
        os.close(fd)


def _copy_range(source: int, target: int, start: int, count: int) -> int:
    if not hasattr(os, "copy_file_range"):
        return os.write(target, os.pread(source, min(count, PIECE_SIZE_MAX), start))
    try:
        return os.copy_file_range(source, target, count, start)
    except OSError as error:
        if error.errno not in _NO_COPYING:
            raise
        return os.write(target, os.pread(source, min(count, PIECE_SIZE_MAX), start))
