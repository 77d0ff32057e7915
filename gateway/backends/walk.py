"""The order of S3 over a tree of directories: pure decisions, for every store that is one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gateway.backends.base import Entry
from gateway.model import KEY_SIZE_MAX, Key


class Tree(Protocol):
    """Directories, named by the prefix all their keys share: empty for the root, else ending in `/`."""

    def names(self, folder: bytes, start: bytes) -> Iterator[bytes]:
        """What follows the prefix in the directory's keys, ascending, from `start` on: `x` for an object,
        `x/` for a directory, nothing for the object that is the directory itself. No names if it is gone."""
        ...

    def holds_keys(self, folder: bytes) -> bool:
        """Whether there is any key at or below this directory; costs little whatever it holds."""
        ...

    def entry(self, key: Key) -> Entry | None: ...


@dataclass(slots=True)
class _Frame:
    folder: bytes
    names: Iterator[bytes]
    name: bytes | None
    """The name that is next, None at the end."""


class Walk:
    """The keys of a tree that begin with `prefix`, depth first; a `KeySource` for one page.

    A directory sorts as its name and `/`, so depth first is the order of the keys. Directories that lie
    before the start or beside the prefix are never opened, nor are those `is_rolled` says show as one
    common prefix.
    """

    def __init__(self, tree: Tree, prefix: bytes, is_rolled: Callable[[bytes], bool]) -> None:
        self._tree = tree
        self._top = prefix[: prefix.rfind(b"/") + 1]
        self._is_rolled = is_rolled
        self._frames: list[_Frame] | None = None

    def first(self, start: bytes) -> bytes | None:
        """The smallest key from `start` on, or a rolled-up directory (`KeySource`)."""
        if self._frames is None:
            self._frames = [self._frame(self._top, start)]
        while self._frames:
            frame = self._frames[-1]
            _skip_to(frame, start)
            if frame.name is None:
                self._frames.pop()
                continue
            key = frame.folder + frame.name
            if not frame.name.endswith(b"/"):
                return key
            if len(key) > KEY_SIZE_MAX:
                _advance(frame)
            elif key < start or not self._is_rolled(key):
                _advance(frame)
                self._frames.append(self._frame(key, start))
            elif self._tree.holds_keys(key):
                return key
            else:
                _advance(frame)
        return None

    def entry(self, key: Key) -> Entry | None:
        """The entry of a key (`KeySource`)."""
        return self._tree.entry(key) if len(key) <= KEY_SIZE_MAX else None

    def _frame(self, folder: bytes, start: bytes) -> _Frame:
        names = self._tree.names(folder, first_name(folder, start) or b"")
        return _Frame(folder, names, next(names, None))


def first_name(folder: bytes, start: bytes) -> bytes | None:
    """The lowest name in `folder` at or below which keys from `start` on lie; None if all of them do."""
    if start <= folder or not start.startswith(folder):
        return None
    rest = start[len(folder) :]
    return rest[: rest.find(b"/") + 1] or rest


def _skip_to(frame: _Frame, start: bytes) -> None:
    """Passes over the names whose keys all lie before `start`."""
    while frame.name is not None:
        key = frame.folder + frame.name
        if key >= start or (frame.name.endswith(b"/") and start.startswith(key)):
            return
        _advance(frame)


def _advance(frame: _Frame) -> None:
    frame.name = next(frame.names, None)
