"""Directories: made when a key needs them, gone with their last key, objects where they are the key `dir/`."""

import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TypeVar

from gateway.backends.checks import check_condition
from gateway.backends.etags import opaque_etag
from gateway.backends.keys import Naming
from gateway.backends.local.notes import FOLDER_STAMP, Note, Notes, is_made, mark_made
from gateway.backends.local.records import Record, record_of, tags_to_json
from gateway.backends.local.renaming import rename_new
from gateway.backends.local.root import OPEN_FOLDER, Root, own
from gateway.backends.local.temps import TEMPS
from gateway.errors import ConditionFailed, Conflict, ObjectMissing
from gateway.model import Condition, ContentHeaders, Info, Key, Tags, Version

T = TypeVar("T")

FOLDER_TYPE = "application/x-directory"
TRIES = 8
"""How often a writer makes directories anew that others remove at the same time."""


class Folders:
    """The directories below a root.

    One made because a key needed it carries a mark: should a crash leave it empty, it is no object.
    """

    def __init__(self, root: Root, naming: Naming, notes: Notes) -> None:
        self._root = root
        self._naming = naming
        self._notes = notes

    def within(self, folders: Sequence[bytes], act: Callable[[int], T]) -> T:
        """Calls `act` with the directory, open; makes it and calls again where it is missing.

        `act` says with `FileNotFoundError` that the directory has gone meanwhile.
        """
        for _ in range(TRIES):
            try:
                with self._root.folder(folders) as folder:
                    return act(folder)
            except FileNotFoundError:
                self._root.check()
                with suppress(FileNotFoundError):
                    self._make(folders)
        raise Conflict

    def prune(self, folders: Sequence[bytes]) -> None:
        """Removes the directory and those around it, up to the first that is not empty or was written as `dir/`."""
        for depth in range(len(folders), 0, -1):
            if not self._remove(folders[:depth]):
                return

    def clear(self, parent: int, name: bytes) -> bool:
        """Removes a directory that stands in the way of a file, if a crash has left it."""
        folder = os.open(name, OPEN_FOLDER, dir_fd=parent)
        try:
            if not is_made(folder):
                return False
            os.rmdir(name, dir_fd=parent)
        except OSError:
            # Not empty: it holds keys.
            return False
        finally:
            os.close(folder)
        return True

    def info(self, folder: int, key: Key) -> Info | None:
        """The info of an open directory as the object `dir/`; None if it is only structure."""
        record = self._record(folder, key)
        if record is not None:
            return record.info
        if is_made(folder) or not is_empty(folder):
            return None
        status = os.fstat(folder)
        version = Version(b"folder-%x" % status.st_ino)
        return Info(
            version=version,
            size=0,
            modified_s=status.st_mtime_ns // 1_000_000_000,
            etag=opaque_etag(version),
            content=ContentHeaders(content_type=FOLDER_TYPE),
        )

    def is_marked(self, folder: int, key: Key) -> bool:
        """Whether the directory was written as the object `dir/`."""
        return self._record(folder, key) is not None

    def look(self, key: Key, folders: Sequence[bytes], act: Callable[[int, Info], T]) -> T:
        """Calls `act` with the directory, open, and its info; `ObjectMissing` if it is no object."""
        try:
            with self._root.folder(folders) as folder:
                info = self.info(folder, key)
                if info is None:
                    raise ObjectMissing
                return act(folder, info)
        except (FileNotFoundError, NotADirectoryError) as error:
            self._root.check()
            raise ObjectMissing from error

    def mark(self, key: Key, folders: Sequence[bytes], info: Info, tags: Tags, condition: Condition) -> Info:
        """Makes the directory the object `dir/`; returns its info."""
        info = replace(info, version=Version(b"folder-%s" % secrets.token_hex(16).encode()))

        def act(folder: int) -> None:
            with self._root.lock(key):
                if os.fstat(folder).st_nlink == 0:
                    raise FileNotFoundError
                current = self.info(folder, key)
                check_condition(None if current is None else current.version, condition)
                self._notes.put(folder, key, FOLDER_STAMP, Note.RECORD, Record(info).to_json())
                self.set_tags(folder, key, tags)
                os.fsync(folder)

        self.within(folders, act)
        return info

    def unmark(self, key: Key, folders: Sequence[bytes], pin: Version | None) -> None:
        """Deletes the object `dir/`; the directory stays while it holds keys."""
        try:
            with self._root.folder(folders) as folder, self._root.lock(key):
                current = self.info(folder, key)
                if current is None:
                    return
                if pin is not None and current.version != pin:
                    raise ConditionFailed
                mark_made(folder)
                self._notes.drop(folder, key, FOLDER_STAMP, Note.RECORD)
                self._notes.drop(folder, key, FOLDER_STAMP, Note.TAGS)
                os.fsync(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        self.prune(folders)

    def tags_text(self, folder: int, key: Key) -> bytes | None:
        return self._notes.get(folder, key, FOLDER_STAMP, Note.TAGS)

    def set_tags(self, folder: int, key: Key, tags: Tags) -> None:
        if tags:
            self._notes.put(folder, key, FOLDER_STAMP, Note.TAGS, tags_to_json(tags))
        else:
            self._notes.drop(folder, key, FOLDER_STAMP, Note.TAGS)

    def _record(self, folder: int, key: Key) -> Record | None:
        text = self._notes.get(folder, key, FOLDER_STAMP, Note.RECORD)
        return None if text is None else record_of(text)

    def _make(self, folders: Sequence[bytes]) -> None:
        made = [depth for depth in range(len(folders)) if self._make_missing(folders, depth)]
        # The first of these writes all of them on a file system with a journal; the others cost little.
        for depth in made:
            with self._root.folder(folders[:depth]) as parent:
                os.fsync(parent)

    def _make_missing(self, folders: Sequence[bytes], depth: int) -> bool:
        """Makes `folders[depth]` in those before it; False if it was there."""
        with self._root.folder(folders[:depth]) as parent:
            try:
                os.close(os.open(folders[depth], OPEN_FOLDER, dir_fd=parent))
            except FileNotFoundError:
                with suppress(FileExistsError):
                    self._make_one(parent, folders[depth])
                return True
            return False

    def _make_one(self, parent: int, name: bytes) -> None:
        if not self._naming.folders_are_keys:
            os.mkdir(name, dir_fd=parent)
            return
        # Marked before it has its name, else a reader might take it for the object `dir/`.
        self._root.make_own(own(TEMPS))
        temp = own(TEMPS, secrets.token_hex(16).encode())
        os.mkdir(temp, dir_fd=self._root.fd)
        try:
            fd = os.open(temp, OPEN_FOLDER, dir_fd=self._root.fd)
            try:
                mark_made(fd)
            finally:
                os.close(fd)
            rename_new(self._root.fd, temp, parent, name)
        except FileExistsError:
            os.rmdir(temp, dir_fd=self._root.fd)
            raise

    def _remove(self, folders: Sequence[bytes]) -> bool:
        key = Key(b"".join(name + b"/" for name in folders))
        are_keys = self._naming.folders_are_keys
        try:
            with self._root.folder(folders[:-1]) as parent, self._root.lock(key) if are_keys else nullcontext():
                if are_keys and self._is_kept(folders, key):
                    return False
                os.rmdir(folders[-1], dir_fd=parent)
        except FileNotFoundError:
            # Somebody else removed it; those around it may still be ours to remove.
            return True
        except OSError:
            # Not empty, a symlink, or not ours to remove: mere structure may stay.
            return False
        return True

    def _is_kept(self, folders: Sequence[bytes], key: Key) -> bool:
        with self._root.folder(folders) as folder:
            return not is_empty(folder) or self.is_marked(folder, key)


def is_empty(folder: int) -> bool:
    """Whether an open directory holds no entry at all."""
    with os.scandir(folder) as entries:
        return next(entries, None) is None
