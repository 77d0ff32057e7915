"""Looking at a node from outside: its files, its memory, and whether something has come true."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psutil

MIB = 1024 * 1024
POLL_S = 0.01
SAMPLE_S = 0.05
RESERVED = ".forebay"


def until(comes_true: Callable[[], bool], within_s: float = 10) -> None:
    """Returns as soon as it is so. Another process does not say when it writes a file, so this looks often."""
    for _ in range(round(within_s / POLL_S)):
        if comes_true():
            return
        Event().wait(POLL_S)
    raise AssertionError("it never came true")


def visible(root: Path) -> list[Path]:
    """Everything under a bucket's directory, folders too, that is not the gateway's own corner."""
    return [entry for entry in sorted(root.rglob("*")) if entry.relative_to(root).parts[0] != RESERVED]


def objects_on_disk(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every visible entry, by its name in the bucket's directory."""
    stamps = {entry: entry.stat() for entry in visible(root)}
    return {str(entry.relative_to(root)): (stat.st_size, stat.st_mtime_ns) for entry, stat in stamps.items()}


def unfinished(root: Path) -> list[Path]:
    """The files of writes in progress under a bucket's directory."""
    return [file for file in (root / RESERVED / "tmp").rglob("*") if file.is_file()]


@contextmanager
def left_as_it_was(root: Path) -> Iterator[None]:
    """Holds that what happens inside leaves a bucket's directory as it was, with nothing unfinished."""
    before = objects_on_disk(root)
    yield
    until(lambda: not unfinished(root))
    assert objects_on_disk(root) == before


class MemoryWatch:
    """The highest resident memory of a process while this context lasts."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._done = Event()
        self._thread = threading.Thread(target=self._sample)
        self.idle_bytes = self._rss()
        self.peak_bytes = self.idle_bytes

    @property
    def above_idle_bytes(self) -> int:
        """How much more than at the start it was at most."""
        return self.peak_bytes - self.idle_bytes

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self._look()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, self._rss())

    def _rss(self) -> int:
        return int(self._process.memory_info().rss)
