"""Small texts kept with a file: in an extended attribute, else in a sidecar of the gateway's own corner."""

import errno
import hashlib
import os
from enum import Enum

from gateway.backends.local.root import Root, own
from gateway.backends.local.temps import Temp, remove

FOLDER_STAMP = b"folder"
"""The stamp of directories, whose times change with what lies in them."""
NOTE_SIZE_MAX = 1024 * 1024
_META = b"meta"


class Note(Enum):
    """The kinds of texts; the value is the attribute's name."""

    RECORD = "user.forebay"
    TAGS = "user.forebay.tags"
    MADE = "user.forebay.made"


_NO_ROOM = (errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EDQUOT)
_NO_ATTRIBUTES = (errno.EOPNOTSUPP, errno.ENOSYS)


class Notes:
    """Reads and writes notes.

    A sidecar is named by the key and the version it belongs to (`stamp`), so it is written before its object
    takes its place, and one left behind by a crash speaks of nothing.
    """

    def __init__(self, root: Root) -> None:
        self._root = root

    def get(self, fd: int, key: bytes, stamp: bytes, note: Note) -> bytes | None:
        text = _get_attribute(fd, note)
        return self._read_sidecar(_sidecar(key, stamp, note)) if text is None else text

    def put(self, fd: int, key: bytes, stamp: bytes, note: Note, text: bytes) -> None:
        if _set_attribute(fd, note, text):
            if self._has_sidecars():
                remove(self._root, _sidecar(key, stamp, note))
            return
        self._write_sidecar(_sidecar(key, stamp, note), text)
        _drop_attribute(fd, note)

    def drop(self, fd: int, key: bytes, stamp: bytes, note: Note) -> None:
        """The note is gone, wherever it was."""
        _drop_attribute(fd, note)
        remove(self._root, _sidecar(key, stamp, note))

    def forget(self, key: bytes, stamp: bytes) -> None:
        """Removes the sidecars of a content that was replaced or deleted."""
        if self._has_sidecars():
            for note in Note:
                remove(self._root, _sidecar(key, stamp, note))

    def _has_sidecars(self) -> bool:
        try:
            os.stat(own(_META), dir_fd=self._root.fd)
        except FileNotFoundError:
            return False
        return True

    def _read_sidecar(self, name: bytes) -> bytes | None:
        try:
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._root.fd)
        except FileNotFoundError:
            return None
        try:
            return os.pread(fd, NOTE_SIZE_MAX, 0)
        finally:
            os.close(fd)

    def _write_sidecar(self, name: bytes, text: bytes) -> None:
        temp = Temp(self._root)
        try:
            temp.append(text)
            temp.place(name)
        finally:
            temp.close()


def has_attributes(fd: int) -> bool:
    """Whether the file system keeps extended attributes, tried on this file."""
    kept = _set_attribute(fd, Note.MADE, b"")
    _drop_attribute(fd, Note.MADE)
    return kept


def is_made(fd: int) -> bool:
    """Whether this directory was made only because a key needed it: empty, it is no object."""
    return _get_attribute(fd, Note.MADE) is not None


def mark_made(fd: int) -> None:
    """Notes that this directory was made only because a key needed it (`is_made`)."""
    # Without attributes an empty directory that a crash leaves shows as an object; nothing else does.
    _set_attribute(fd, Note.MADE, b"")


def _sidecar(key: bytes, stamp: bytes, note: Note) -> bytes:
    digest = hashlib.blake2b(key, digest_size=16).hexdigest().encode()
    return own(_META, digest[:2], digest + b"-" + stamp + (b".tags" if note is Note.TAGS else b""))


def _get_attribute(fd: int, note: Note) -> bytes | None:
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(fd, note.value)
    except OSError as error:
        if error.errno in (errno.ENODATA, *_NO_ATTRIBUTES):
            return None
        raise


def _set_attribute(fd: int, note: Note, text: bytes) -> bool:
    """False where the file system keeps no attributes, or none so big."""
    if not hasattr(os, "setxattr"):
        return False
    try:
        os.setxattr(fd, note.value, text)
    except OSError as error:
        if error.errno in (*_NO_ROOM, *_NO_ATTRIBUTES):
            return False
        raise
    return True


def _drop_attribute(fd: int, note: Note) -> None:
    if not hasattr(os, "removexattr"):
        return
    try:
        os.removexattr(fd, note.value)
    except OSError as error:
        if error.errno not in (errno.ENODATA, *_NO_ATTRIBUTES):
            raise
