"""The root of a mount: opens what lies under it and nothing else, locks, and the gateway's own corner."""

import errno
import fcntl
import hashlib
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.backends.base import RESERVED
from gateway.backends.keys import Place
from gateway.errors import ObjectMissing, RootMissing
from gateway.model import Version

_OPEN_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Without O_NONBLOCK a FIFO would hold its thread until somebody writes into it."""
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
"""The flags with which directories are opened."""
_NO_OBJECT = (errno.ENXIO, errno.ELOOP, errno.ENODEV)


class Root:
    """A directory held open. All paths are relative to it; symlinks count where they end, which must be inside."""

    def __init__(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)
        self.fd = os.open(path, OPEN_FOLDER)
        self._real = path_of(self.fd)

    @property
    def is_closed(self) -> bool:
        return self.fd < 0

    def close(self) -> None:
        # The number may soon be that of another directory.
        fd, self.fd = self.fd, -1
        os.close(fd)

    def open_file(self, place: Place) -> tuple[int, os.stat_result]:
        """The regular file at `place`, opened for reading; `ObjectMissing` for whatever else is there."""
        assert place.name
        try:
            fd = os.open(path(*place.folders, place.name), _OPEN_FILE, dir_fd=self.fd)
        except (FileNotFoundError, NotADirectoryError) as error:
            self.check()
            raise ObjectMissing from error
        except OSError as error:
            # A socket is ENXIO, a circle of symlinks ELOOP: neither is an object.
            if error.errno in _NO_OBJECT:
                raise ObjectMissing from error
            raise
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or not self.is_inside(fd):
                raise ObjectMissing
        except BaseException:
            os.close(fd)
            raise
        return fd, status

    @contextmanager
    def folder(self, folders: Sequence[bytes]) -> Iterator[int]:
        """The directory, open for as long as the context lasts.

        `FileNotFoundError` or `NotADirectoryError` where there is none inside the root.
        """
        fd = os.open(path(*folders), OPEN_FOLDER, dir_fd=self.fd)
        try:
            if folders and not self.is_inside(fd):
                raise NotADirectoryError(errno.ENOTDIR, "a symlink leads out of the root")
            yield fd
        finally:
            os.close(fd)

    def is_inside(self, fd: int) -> bool:
        """Whether what was opened lies under the root, wherever symlinks have led."""
        if _is_under(path_of(fd), self._real):
            return True
        # The root may have been renamed since it was opened.
        self._real = path_of(self.fd)
        return _is_under(path_of(fd), self._real)

    def check(self) -> None:
        """`RootMissing` if the root was removed; called where something else was not found."""
        if os.fstat(self.fd).st_nlink == 0:
            raise RootMissing

    @contextmanager
    def lock(self, key: bytes) -> Iterator[None]:
        """Keeps all other writers of `key` away, those of other nodes on this directory too. Not reentrant."""
        stripe = hashlib.blake2b(key, digest_size=1).hexdigest().encode()
        name = own(b"locks", stripe)
        fd = self.create(name, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def create(self, name: bytes, flags: int) -> int:
        """Opens a file in the gateway's own corner, and makes the directory around it if that is missing."""
        try:
            return os.open(name, flags | os.O_CLOEXEC, 0o666, dir_fd=self.fd)
        except FileNotFoundError:
            self.make_own(os.path.dirname(name))
            return os.open(name, flags | os.O_CLOEXEC, 0o666, dir_fd=self.fd)

    def make_own(self, name: bytes) -> None:
        """Makes a directory of the gateway's own corner, and those around it."""
        self.check()
        steps = name.split(b"/")
        for depth in range(1, len(steps) + 1):
            try:
                os.mkdir(path(*steps[:depth]), dir_fd=self.fd)
            except FileExistsError:
                continue


def path(*names: bytes) -> bytes:
    """The names joined to a path below the root; without names the root itself."""
    return b"/".join(names) or b"."


def own(*names: bytes) -> bytes:
    """A name in the gateway's own corner of the root."""
    return path(RESERVED, *names)


def version_of(status: os.stat_result) -> Version:
    """Not of `st_dev`, which differs between nodes and reboots."""
    return Version(b"%x-%x-%x" % (status.st_ino, status.st_mtime_ns, status.st_size))


def path_of(fd: int) -> bytes:
    """Where an open file lies now, all symlinks resolved."""
    if sys.platform == "darwin":
        return fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")
    return os.readlink(b"/proc/self/fd/%d" % fd)


def _is_under(inner: bytes, outer: bytes) -> bool:
    return inner.startswith(outer.rstrip(b"/") + b"/") or inner == outer
