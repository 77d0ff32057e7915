"""Objects as files: looked at, opened, put in their place, deleted. Blocking; runs in the mount's threads."""

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TypeVar

from gateway.backends.base import WriteSpec
from gateway.backends.checks import check_condition, check_pin, cut_span
from gateway.backends.etags import opaque_etag
from gateway.backends.keys import Naming, Place
from gateway.backends.local.folders import Folders
from gateway.backends.local.notes import Note, Notes
from gateway.backends.local.records import Record, record_of, tags_of, tags_to_json
from gateway.backends.local.root import Root, version_of
from gateway.backends.local.temps import Temp
from gateway.errors import ConditionFailed, Conflict, GatewayError, KeyUnusable, ObjectMissing, VersionChanged
from gateway.model import (
    PIECE_SIZE_MAX,
    Checksum,
    Condition,
    ETag,
    IfAbsent,
    Info,
    Key,
    PartRun,
    Span,
    Tags,
    Version,
)

T = TypeVar("T")

NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What a file system says that knows no hard links."""


@dataclass(frozen=True, slots=True)
class NewContent:
    """What is known of a content before it has its place. `etag` None: nobody knows its MD5."""

    spec: WriteSpec
    etag: ETag | None
    checksum: Checksum | None = None
    parts: tuple[PartRun, ...] = ()
    upload: str | None = None


class OpenFile:
    """One version of an object, held open; may be closed while a thread still reads."""

    def __init__(self, fd: int, info: Info, span: Span) -> None:
        self.info = info
        self.span = span
        self._fd = fd
        self._lock = Lock()

    @property
    def is_closed(self) -> bool:
        return self._fd < 0

    def read(self, position: int) -> bytes:
        """The next bytes of the span from `position` on, at most a piece. Closes the file after the last.

        `VersionChanged` if the file was changed in place: then the last piece is not handed out.
        """
        with self._lock:
            if position == self.span.stop:
                self._close()
                return b""
            if self._fd < 0:
                raise VersionChanged
            piece = os.pread(self._fd, min(PIECE_SIZE_MAX, self.span.stop - position), position)
            if not piece:
                raise VersionChanged
            if position + len(piece) == self.span.stop:
                self.verify()
                self._close()
            return piece

    def append_to(self, temp: Temp, start: int, stop: int) -> None:
        """Copies bytes; the caller verifies after the last."""
        try:
            temp.append_file(self._fd, start, stop)
        except EOFError as error:
            raise VersionChanged from error

    def verify(self) -> None:
        if self.span.size and version_of(os.fstat(self._fd)) != self.info.version:
            raise VersionChanged

    def close(self) -> None:
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Objects:
    """The objects below a root."""

    def __init__(self, root: Root, naming: Naming, notes: Notes, folders: Folders) -> None:
        self._root = root
        self._naming = naming
        self._notes = notes
        self._folders = folders

    def look(self, key: Key) -> Record:
        """What is known of the newest content; `ObjectMissing` if there is none."""
        place = self._naming.place(key)
        if not place.name:
            return self._folders.look(key, place.folders, lambda _, info: Record(info))
        fd, status = self._root.open_file(place)
        try:
            return self._record(fd, key, status)
        finally:
            os.close(fd)

    def open(self, key: Key, span: Span | None, pin: Version | None) -> OpenFile:
        place = self._naming.place(key)
        if not place.name:
            info = self.look(key).info
            check_pin(info.version, pin)
            return OpenFile(-1, info, cut_span(span, info.size))
        fd, status = self._root.open_file(place)
        try:
            info = self._record(fd, key, status).info
            check_pin(info.version, pin)
            return OpenFile(fd, info, cut_span(span, info.size))
        except BaseException:
            os.close(fd)
            raise

    def check_target(self, key: Key, size: int) -> None:
        """`KeyUnusable` if this key cannot hold so many bytes: a directory has none."""
        if not self._naming.place(key).name and size:
            raise KeyUnusable

    def commit(self, key: Key, temp: Temp, new: NewContent) -> Info:
        """Puts the content in its place, all or nothing, on the disk when this returns."""
        place = self._naming.place(key)
        info = _info(temp.stamp(), new)
        try:
            if not place.name:
                return self._folders.mark(key, place.folders, info, new.spec.tags, new.spec.condition)
            self._notes.put(temp.fd, key, info.version, Note.RECORD, Record(info, new.upload).to_json())
            if new.spec.tags:
                self._notes.put(temp.fd, key, info.version, Note.TAGS, tags_to_json(new.spec.tags))
            os.fsync(temp.fd)
            self._folders.within(place.folders, partial(self._place, key, temp, place.name, new.spec.condition))
        except (GatewayError, OSError):
            self._notes.forget(key, info.version)
            self._folders.prune(place.folders)
            raise
        return info

    def delete(self, key: Key, pin: Version | None) -> None:
        place = self._naming.place(key)
        if not place.name:
            self._folders.unmark(key, place.folders, pin)
            return
        try:
            with self._root.folder(place.folders) as folder:
                version = self._unlink(folder, key, place, pin)
        except (FileNotFoundError, NotADirectoryError):
            self._root.check()
            return
        if version is not None:
            self._notes.forget(key, version)
            self._folders.prune(place.folders)

    def tags(self, key: Key) -> Tags:
        text = self._with_open(
            key,
            lambda fd, version: self._notes.get(fd, key, version, Note.TAGS),
            lambda folder, _: self._folders.tags_text(folder, key),
        )
        return () if text is None else tags_of(text)

    def set_tags(self, key: Key, tags: Tags) -> None:
        def put(fd: int, version: Version) -> None:
            if tags:
                self._notes.put(fd, key, version, Note.TAGS, tags_to_json(tags))
            else:
                self._notes.drop(fd, key, version, Note.TAGS)
            os.fsync(fd)

        self._with_open(key, put, lambda folder, _: self._folders.set_tags(folder, key, tags))

    def _with_open(self, key: Key, on_file: Callable[[int, Version], T], on_folder: Callable[[int, Info], T]) -> T:
        place = self._naming.place(key)
        if not place.name:
            return self._folders.look(key, place.folders, on_folder)
        fd, status = self._root.open_file(place)
        try:
            return on_file(fd, version_of(status))
        finally:
            os.close(fd)

    def _record(self, fd: int, key: Key, status: os.stat_result) -> Record:
        version = version_of(status)
        text = self._notes.get(fd, key, version, Note.RECORD)
        record = None if text is None else record_of(text)
        if record is not None and record.info.version == version:
            return record
        # Put there or changed by others: nobody knows more than the file system tells.
        return Record(Info(version, status.st_size, _seconds(status), opaque_etag(version)))

    def _place(self, key: Key, temp: Temp, name: bytes, condition: Condition, folder: int) -> None:
        with self._root.lock(key):
            if temp.is_abandoned:
                raise Conflict
            old = self._current(folder, name)
            check_condition(old, condition)
            if not (isinstance(condition, IfAbsent) and self._link(temp, folder, name)):
                os.replace(temp.name, name, src_dir_fd=self._root.fd, dst_dir_fd=folder)
                temp.placed()
        os.fsync(folder)
        if old is not None:
            self._notes.forget(key, old)

    def _link(self, temp: Temp, folder: int, name: bytes) -> bool:
        """Gives the file its name if that is free, whoever else wants it; False where links are unknown."""
        try:
            os.link(temp.name, name, src_dir_fd=self._root.fd, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError as error:
            raise ConditionFailed from error
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return False
        return True

    def _current(self, folder: int, name: bytes) -> Version | None:
        """The version that a write would replace; `KeyUnusable` if a directory is in the way."""
        try:
            status = os.stat(name, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ELOOP):
                return None
            raise
        if stat.S_ISDIR(status.st_mode):
            if not self._folders.clear(folder, name):
                raise KeyUnusable
            return None
        return version_of(status) if stat.S_ISREG(status.st_mode) else None

    def _unlink(self, folder: int, key: Key, place: Place, pin: Version | None) -> Version | None:
        """Returns the version that is gone now, None if there was no object."""
        with self._root.lock(key):
            try:
                fd, status = self._root.open_file(place)
            except ObjectMissing:
                return None
            os.close(fd)
            if pin is not None and version_of(status) != pin:
                raise ConditionFailed
            os.unlink(place.name, dir_fd=folder)
        os.fsync(folder)
        return version_of(status)


def _info(status: os.stat_result, new: NewContent) -> Info:
    version = version_of(status)
    return Info(
        version=version,
        size=status.st_size,
        modified_s=_seconds(status),
        etag=opaque_etag(version) if new.etag is None else new.etag,
        content=new.spec.content,
        metadata=new.spec.metadata,
        checksum=new.checksum,
        parts=new.parts,
    )


def _seconds(status: os.stat_result) -> int:
    return status.st_mtime_ns // 1_000_000_000
