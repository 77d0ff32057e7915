"""Looking at a node from outside: its files, and whether something has come true."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

MIB = 1024 * 1024
POLL_S = 0.01
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
