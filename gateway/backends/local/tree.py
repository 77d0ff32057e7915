"""The names in directories, ascending, in bounded memory however many there are."""

import os
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from time import time_ns

from gateway.backends.base import RESERVED, Entry
from gateway.backends.keys import Naming
from gateway.backends.listing import after_key, entry_of
from gateway.backends.local.folders import Folders
from gateway.backends.local.notes import is_made
from gateway.backends.local.objects import Objects
from gateway.backends.local.root import OPEN_FOLDER, Root
from gateway.errors import AccessRefused, KeyTooLong, KeyUnusable, ObjectMissing
from gateway.model import Key

WINDOW_SIZE = 65_536
"""Names of one directory held at a time."""
WINDOWS_KEPT = 4
WORTH_KEEPING = 1_000
"""Smaller directories are read again for every page."""
SETTLED_NS = 1_000_000_000
"""A directory changed within this time before it was read may change again without its time telling."""

_Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Window:
    """The smallest names of a directory from `start` on; `is_last` if there are no more."""

    start: bytes
    names: list[bytes]
    is_last: bool

    def covers(self, start: bytes) -> bool:
        return self.start <= start and (self.is_last or start <= self.names[-1])


class Windows:
    """The windows read last, for the pages that follow. Used by many threads."""

    def __init__(self) -> None:
        self._windows: OrderedDict[tuple[_Identity, bytes], Window] = OrderedDict()
        self._lock = Lock()

    def find(self, identity: _Identity, start: bytes) -> Window | None:
        with self._lock:
            for name, window in self._windows.items():
                if name[0] == identity and window.covers(start):
                    self._windows.move_to_end(name)
                    return window
        return None

    def keep(self, identity: _Identity, window: Window) -> None:
        with self._lock:
            self._windows[identity, window.start] = window
            while len(self._windows) > WINDOWS_KEPT:
                self._windows.popitem(last=False)


class LocalTree:
    """The directories below a root, as `walk` wants them."""

    def __init__(self, root: Root, naming: Naming, folders: Folders, objects: Objects, windows: Windows) -> None:
        self._root = root
        self._naming = naming
        self._folders = folders
        self._objects = objects
        self._windows = windows

    def names(self, folder: bytes, start: bytes) -> Iterator[bytes]:
        if not start and self._is_key(folder):
            yield b""
        while True:
            window = self._window(folder, start)
            yield from islice(window.names, bisect_left(window.names, start), None)
            if window.is_last:
                return
            start = after_key(window.names[-1])

    def holds_keys(self, folder: bytes) -> bool:
        """A directory that others made holds keys or is one; of ours a crash may have left an empty one."""
        # Keys may lie deeper than functions may call each other.
        left = [folder]
        while left:
            inner = left.pop()
            names = self._some_names(inner)
            if names is None or any(not name.endswith(b"/") for name in names):
                return True
            left += [inner + name for name in reversed(names)]
        return False

    def _some_names(self, folder: bytes) -> list[bytes] | None:
        """Names in a directory, not all if there are many; None if it is known to hold a key, or to be one."""
        try:
            with self._root.folder(self._naming.folders(folder)) as fd:
                if self._naming.folders_are_keys and (not is_made(fd) or self._folders.is_marked(fd, Key(folder))):
                    return None
                return list(islice(self._steps(fd, folder), WORTH_KEEPING))
        except _GONE:
            return []

    def entry(self, key: Key) -> Entry | None:
        try:
            return entry_of(key, self._objects.look(key).info)
        except (ObjectMissing, KeyUnusable, KeyTooLong, AccessRefused):
            return None

    def _is_key(self, folder: bytes) -> bool:
        if not folder or not self._naming.folders_are_keys:
            return False
        try:
            with self._root.folder(self._naming.folders(folder)) as fd:
                return self._folders.info(fd, Key(folder)) is not None
        except _GONE:
            return False

    def _window(self, folder: bytes, start: bytes) -> Window:
        try:
            with self._root.folder(self._naming.folders(folder)) as fd:
                status = os.fstat(fd)
                changed_ns = max(status.st_mtime_ns, status.st_ctime_ns)
                identity = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
                window = self._windows.find(identity, start)
                if window is None:
                    # The time is taken before the names are: what changes meanwhile counts as unsettled.
                    is_settled = changed_ns < time_ns() - SETTLED_NS
                    names, is_last = smallest((name for name in self._steps(fd, folder) if name >= start), WINDOW_SIZE)
                    window = Window(start, names, is_last)
                    if is_settled and len(names) >= WORTH_KEEPING:
                        self._windows.keep(identity, window)
                return window
        except _GONE:
            return Window(start, [], is_last=True)

    def _steps(self, fd: int, folder: bytes) -> Iterator[bytes]:
        """What the entries of a directory add to its keys, in any order."""
        is_loop = _Loops(self._root, self._naming.folders(folder))
        with os.scandir(fd) as entries:
            for entry in entries:
                try:
                    name = entry.name.encode()
                except UnicodeEncodeError:
                    # Not UTF-8: no key can name it.
                    continue
                if not folder and name.startswith(RESERVED):
                    continue
                is_folder = _is_folder(entry)
                if is_folder is None or (is_folder and entry.is_symlink() and is_loop(fd, name)):
                    continue
                step = self._naming.step(name, is_folder=is_folder)
                if step is not None:
                    yield step


_GONE = (FileNotFoundError, NotADirectoryError, KeyUnusable, KeyTooLong)


def _is_folder(entry: os.DirEntry[str]) -> bool | None:
    """None for what is neither directory nor regular file, symlinks followed."""
    try:
        return True if entry.is_dir() else (False if entry.is_file() else None)
    except OSError:
        # A symlink that leads nowhere.
        return None


class _Loops:
    """Tells of symlinks to directories which of them lead outside the root or back to where they lie."""

    def __init__(self, root: Root, folders: tuple[bytes, ...]) -> None:
        self._root = root
        self._folders = folders
        self._above: set[tuple[int, int]] | None = None

    def __call__(self, parent: int, name: bytes) -> bool:
        try:
            fd = os.open(name, OPEN_FOLDER, dir_fd=parent)
        except OSError:
            # Gone, or not to be entered: no keys either way.
            return True
        try:
            return not self._root.is_inside(fd) or _identity(fd) in self._ancestors()
        finally:
            os.close(fd)

    def _ancestors(self) -> set[tuple[int, int]]:
        if self._above is None:
            self._above = set()
            for depth in range(len(self._folders) + 1):
                with self._root.folder(self._folders[:depth]) as fd:
                    self._above.add(_identity(fd))
        return self._above


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def smallest(names: Iterable[bytes], count: int) -> tuple[list[bytes], bool]:
    """The `count` smallest, ascending, and whether they are all; holds twice as many at most."""
    kept: list[bytes] = []
    bound: bytes | None = None
    for name in names:
        if bound is None or name < bound:
            kept.append(name)
            if len(kept) == 2 * count:
                kept.sort()
                del kept[count:]
                bound = kept[-1]
    kept.sort()
    is_all = bound is None and len(kept) <= count
    return kept[:count], is_all
