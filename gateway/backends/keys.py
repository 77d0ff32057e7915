"""Key to name in a tree of directories and back: pure, exact or escaped, never anything outside the root."""

import re
from dataclasses import dataclass
from typing import Protocol

from gateway.backends.base import RESERVED
from gateway.errors import KeyTooLong, KeyUnusable
from gateway.model import KEY_SIZE_MAX, Key

NAME_SIZE_MAX = 255
"""Bytes of one file name on every store that is a tree (POSIX NAME_MAX of Linux and macOS, HDFS)."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key lives: the names of the directories below the root, and the file's own name.

    `name` is empty where the directory itself stands for the key.
    """

    folders: tuple[bytes, ...]
    name: bytes


class Naming(Protocol):
    """How keys become names of a tree, and names keys."""

    @property
    def folders_are_keys(self) -> bool:
        """Whether an empty or marked directory is the key `dir/`; else directories are mere structure."""
        ...

    def place(self, key: Key) -> Place:
        """`KeyUnusable` or `KeyTooLong` for what the tree cannot hold exactly; different keys, different places."""
        ...

    def folders(self, prefix: bytes) -> tuple[bytes, ...]:
        """The directories of all keys that begin with `prefix`, which is empty or ends in `/`; raises as `place`."""
        ...

    def step(self, name: bytes, *, is_folder: bool) -> bytes | None:
        """What an entry of a directory adds to the key: `x`, `x/` or nothing; None for a name that is no key's."""
        ...


def check_size(key: bytes) -> None:
    """Raises `KeyTooLong` for more bytes than S3 allows."""
    if len(key) > KEY_SIZE_MAX:
        raise KeyTooLong(Size=len(key), MaxSizeAllowed=KEY_SIZE_MAX)


def check_reserved(key: bytes) -> None:
    """Names that begin with `.forebay` at the root are the gateway's own, whatever the store."""
    if key.startswith(RESERVED):
        raise KeyUnusable


def is_utf8(name: bytes) -> bool:
    """Whether a name found in a store can be a key at all."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


class ExactNaming:
    """Segments are names as they are, so that other programs see the same tree."""

    folders_are_keys = True

    def place(self, key: Key) -> Place:
        check_size(key)
        check_reserved(key)
        *folders, name = key.split(b"/")
        if not folders and not name:
            raise KeyUnusable
        for segment in (*folders, name) if name else folders:
            _check_exact(segment)
        return Place(tuple(folders), name)

    def folders(self, prefix: bytes) -> tuple[bytes, ...]:
        return self.place(Key(prefix)).folders if prefix else ()

    def step(self, name: bytes, *, is_folder: bool) -> bytes | None:
        if not name.isascii() and not is_utf8(name):
            return None
        return name + b"/" if is_folder else name


def _check_exact(segment: bytes) -> None:
    if segment in (b"", b".", b"..") or b"\0" in segment or len(segment) > NAME_SIZE_MAX:
        raise KeyUnusable


class EscapedNaming:
    """Every key has a name: `=XX` for what the tree cannot hold, `=d` ends a directory, `=m` is the key `dir/`.

    So `a` and `a/b` live side by side (`a`, `a=d/b`), `a//b` is `a=d/=d/b`, and no name is an ancestor of another.
    """

    folders_are_keys = False

    def place(self, key: Key) -> Place:
        check_size(key)
        check_reserved(key)
        if not key:
            raise KeyUnusable
        *folders, name = key.split(b"/")
        return Place(tuple(_folder_name(segment) for segment in folders), _checked(_escape(name)) if name else b"=m")

    def folders(self, prefix: bytes) -> tuple[bytes, ...]:
        return self.place(Key(prefix)).folders if prefix else ()

    def step(self, name: bytes, *, is_folder: bool) -> bytes | None:
        if is_folder:
            segment = _unescape(name[:-2]) if name.endswith(b"=d") else None
            return None if segment is None else segment + b"/"
        if name == b"=m":
            return b""
        return _unescape(name) or None


_UNHOLDABLE = re.compile(rb"[=\0]")
_ESCAPED = re.compile(rb"=([0-9A-F]{2})")


def _folder_name(segment: bytes) -> bytes:
    return _checked(_escape(segment) + b"=d")


def _checked(name: bytes) -> bytes:
    if len(name) > NAME_SIZE_MAX:
        raise KeyUnusable
    return name


def _escape(segment: bytes) -> bytes:
    if segment in (b".", b".."):
        return segment.replace(b".", b"=2E")
    return _UNHOLDABLE.sub(lambda match: b"=%02X" % match[0][0], segment)


def _unescape(name: bytes) -> bytes | None:
    """The segment, or None if `_escape` gives no such name: two names never stand for one key."""
    segment = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), name)
    return segment if is_utf8(segment) and _escape(segment) == name else None
