"""Files that know what a loss of power would take from them, and what may be left of a store after one."""

import os
import shutil
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Generic, TypeVar

from gateway.store.disk import Buffer, Files

T = TypeVar("T")

PAGE_SIZE = 4096


@dataclass
class Unsettled:
    """What is not on the medium yet: pages of segments by their durable bytes, and names by the file they had."""

    pages: dict[Path, dict[int, bytes]] = field(default_factory=dict)
    names: dict[Path, Path | None] = field(default_factory=dict)
    """A file that was there before the name was given to another one, or taken away; None: there was none."""


@dataclass(frozen=True)
class Moment(Generic[T]):
    """A store as it was between two operations: a copy of all its files, and what of them was unsettled."""

    copy: Path
    unsettled: Unsettled
    acknowledged: T
    """What the store had answered by then, as whoever asked for the moment told it."""


class RecordingFiles(Files, Generic[T]):
    """The operating system's files in `root`; of the moments in `wanted`, counted in operations, it keeps copies."""

    def __init__(self, root: Path, copies: Path, wanted: Collection[int], acknowledged: Callable[[], T]) -> None:
        self._root = root
        self._copies = copies
        self._wanted = frozenset(wanted)
        self._acknowledged = acknowledged
        self._unsettled = Unsettled()
        self._lock = threading.RLock()
        self.operations = 0
        self.moments: list[Moment[T]] = []
        copies.mkdir()

    def boot_id(self) -> str:
        return "before"

    def allocate(self, fd: int, size: int) -> None:
        super().allocate(fd, size)
        with self._lock:
            path = _path_of(fd)
            self._unsettled.names.setdefault(path, None)
            self._unsettled.pages[path] = {}
            self._operated()

    def write_some(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        with self._lock:
            pages = self._unsettled.pages.get(_path_of(fd))
            if pages is not None:
                last = offset + sum(map(len, buffers))
                for page in range(offset // PAGE_SIZE, -(-last // PAGE_SIZE)):
                    if page not in pages:
                        pages[page] = os.pread(fd, PAGE_SIZE, page * PAGE_SIZE)
            written = super().write_some(fd, buffers, offset)
            self._operated()
            return written

    def sync(self, fd: int) -> None:
        with self._lock:
            super().sync(fd)
            self._unsettled.pages.setdefault(_path_of(fd), {}).clear()
            self._operated()

    def unlink(self, path: Path) -> None:
        with self._lock:
            if path.exists():
                self._remember(path)
            super().unlink(path)
            self._operated()

    def replace(self, path: Path, content: bytes) -> None:
        with self._lock:
            self._remember(path)
            super().replace(path, content)
            self._operated()

    def _remember(self, path: Path) -> None:
        # What the medium knows is the oldest that the name stood for since its directory was synced.
        if path in self._unsettled.names:
            return
        kept = self._copies / f"name-{self.operations}-{path.name}"
        with suppress(FileNotFoundError):
            os.link(path, kept)
        self._unsettled.names[path] = kept if kept.exists() else None

    def sync_directory(self, directory: Path) -> None:
        with self._lock:
            self._operated()
            super().sync_directory(directory)
            for path in [path for path in self._unsettled.names if path.parent == directory]:
                del self._unsettled.names[path]
            self._operated()

    def _operated(self) -> None:
        self.operations += 1
        if self.operations in self._wanted:
            acknowledged = self._acknowledged()
            copy = self._copies / f"moment-{self.operations}"
            copy_of(self._root, copy)
            pages = {path: dict(pages) for path, pages in self._unsettled.pages.items()}
            unsettled = Unsettled(pages, dict(self._unsettled.names))
            self.moments.append(Moment(copy, unsettled, acknowledged))


class FilesAfterwards(Files):
    """Those of the machine once it has power again."""

    def boot_id(self) -> str:
        return "afterwards"


def remains(moment: Moment[T], root: Path, directory: Path, chance: Random) -> None:
    """Makes `directory` what a loss of power at a moment may leave of the store in `root`."""
    copy_of(moment.copy, directory)
    for path, before in moment.unsettled.names.items():
        if chance.random() < 0.5:
            _give_back(directory / path.relative_to(root), before)
    for path, pages in moment.unsettled.pages.items():
        left = directory / path.relative_to(root)
        if left.exists():
            _lose_pages(left, pages, chance)
    _cut_log(directory, chance)


def _give_back(path: Path, before: Path | None) -> None:
    path.unlink(missing_ok=True)
    if before is not None:
        shutil.copyfile(before, path)


def _lose_pages(path: Path, pages: dict[int, bytes], chance: Random) -> None:
    share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    with path.open("r+b") as file:
        for page, before in pages.items():
            if chance.random() < share:
                file.seek(page * PAGE_SIZE)
                file.write(before if chance.random() < 0.5 else bytes(PAGE_SIZE))


def _cut_log(directory: Path, chance: Random) -> None:
    """Cuts the log of the index anywhere, more often near its end."""
    logs = sorted(directory.rglob("idx/*.log"))
    if logs and chance.random() < 0.8:
        size = logs[-1].stat().st_size
        os.truncate(logs[-1], chance.choice((chance.randint(0, size), max(0, size - chance.randrange(4_000)))))


def copy_of(root: Path, directory: Path) -> None:
    """Copies files that others may be at work on; those that vanish meanwhile are left out."""
    for parent, _, names in os.walk(root):
        there = directory / Path(parent).relative_to(root)
        there.mkdir(parents=True, exist_ok=True)
        for name in names:
            with suppress(FileNotFoundError):
                shutil.copyfile(Path(parent, name), there / name)


def _path_of(fd: int) -> Path:
    return Path(os.readlink(f"/proc/self/fd/{fd}"))
