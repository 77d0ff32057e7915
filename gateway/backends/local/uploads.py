"""Multipart uploads as directories: a record, and one file per part whose name tells all about it."""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gateway.backends.base import Part, PartPage, UploadId, WriteSpec
from gateway.backends.local.records import UploadRecord, upload_record_of
from gateway.backends.local.root import Root, own
from gateway.backends.local.temps import TEMPS, Temp
from gateway.backends.uploads import page_of_parts
from gateway.errors import UploadMissing
from gateway.model import Algorithm, Checksum, ETag, Key

UPLOADS = b"uploads"
BURIALS_MAX = 32
"""How often the files of an upload that ended are removed, while parts still come in."""
_RECORD = b"record"
_RECORD_SIZE_MAX = 1024 * 1024
_NATIVE = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"(\d{5})-([0-9a-f]{32})-(\d+)(?:-([0-9A-Z]+)-([0-9a-f]+))?")


class Uploads:
    """The open uploads below a root. Blocking; runs in the mount's threads."""

    def __init__(self, root: Root) -> None:
        self._root = root

    def begin(self, key: Key, spec: WriteSpec, now_s: int) -> UploadId:
        upload = UploadId(key, secrets.token_hex(16), now_s)
        temp = Temp(self._root)
        try:
            record = UploadRecord(key, now_s, spec.content, spec.metadata, spec.tags, spec.checksum)
            temp.append(record.to_json())
            temp.place(_name(upload, _RECORD))
        finally:
            temp.close()
        with self._root.folder([own(UPLOADS)]) as folder:
            os.fsync(folder)
        return upload

    def record(self, upload: UploadId) -> UploadRecord:
        """What was given when it began; `UploadMissing` if it is not open, or not this key's."""
        record = self._read(upload.native.encode()) if _NATIVE.fullmatch(upload.native) else None
        if record is None or record.key != upload.key or record.started_s != upload.started_s:
            raise UploadMissing
        return record

    def put_part(self, upload: UploadId, number: int, temp: Temp, checksum: Checksum | None) -> Part:
        """Earlier files of the same number stay; the newest counts."""
        status = temp.stamp()
        part = Part(number, temp.etag, status.st_size, status.st_mtime_ns // 1_000_000_000, checksum)
        os.fsync(temp.fd)
        with self._folder(upload) as folder:
            if temp.is_abandoned:
                raise UploadMissing
            os.replace(temp.name, part_name(part), src_dir_fd=self._root.fd, dst_dir_fd=folder)
            temp.placed()
            os.fsync(folder)
        return part

    def parts(self, upload: UploadId) -> dict[int, Part]:
        """The newest part under each number."""
        newest: dict[int, tuple[int, Part]] = {}
        with self._folder(upload) as folder, os.scandir(folder) as entries:
            for entry in entries:
                match = _PART.fullmatch(entry.name)
                if match is None:
                    continue
                written_ns = entry.stat(follow_symlinks=False).st_mtime_ns
                part = _part_of(match, written_ns)
                if part.number not in newest or newest[part.number][0] < written_ns:
                    newest[part.number] = (written_ns, part)
        return {number: part for number, (_, part) in newest.items()}

    def page(self, upload: UploadId, after: int, limit: int) -> PartPage:
        record = self.record(upload)
        spec = WriteSpec(record.content, record.metadata, record.tags, checksum=record.checksum)
        return page_of_parts(self.parts(upload).values(), spec, after, limit)

    def append_part(self, upload: UploadId, part: Part, temp: Temp) -> None:
        """Adds the bytes of a part to the object in the making."""
        with self._folder(upload) as folder:
            fd = os.open(part_name(part), os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder)
            try:
                temp.append_file(fd, 0, part.size)
            finally:
                os.close(fd)

    def remove(self, upload: UploadId) -> None:
        """The upload is gone at once, its files soon after; `UploadMissing` if it was gone before."""
        self.record(upload)
        grave = own(TEMPS, secrets.token_hex(16).encode())
        self._root.make_own(own(TEMPS))
        try:
            os.rename(_name(upload), grave, src_dir_fd=self._root.fd, dst_dir_fd=self._root.fd)
        except FileNotFoundError as error:
            raise UploadMissing from error
        for _ in range(BURIALS_MAX):
            try:
                shutil.rmtree(grave, dir_fd=self._root.fd)
            except OSError:
                # A part that was on its way has come in meanwhile. What stays after all is the next `sweep`'s.
                continue
            return

    def discard(self, upload: UploadId) -> None:
        """As `remove`, but the upload may be gone already."""
        with suppress(UploadMissing):
            self.remove(upload)

    def all(self) -> list[UploadId]:
        try:
            with self._root.folder([own(UPLOADS)]) as folder:
                names = os.listdir(folder)
        except FileNotFoundError:
            return []
        records = ((name, self._read(name.encode())) for name in names)
        return [UploadId(Key(record.key), name, record.started_s) for name, record in records if record is not None]

    @contextmanager
    def _folder(self, upload: UploadId) -> Iterator[int]:
        try:
            with self._root.folder([_name(upload)]) as folder:
                yield folder
        except FileNotFoundError as error:
            # The upload ended, before or meanwhile.
            self._root.check()
            raise UploadMissing from error

    def _read(self, native: bytes) -> UploadRecord | None:
        try:
            fd = os.open(own(UPLOADS, native, _RECORD), os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._root.fd)
        except (FileNotFoundError, NotADirectoryError):
            return None
        try:
            return upload_record_of(os.pread(fd, _RECORD_SIZE_MAX, 0))
        finally:
            os.close(fd)


def part_name(part: Part) -> bytes:
    """The file name of a part, which tells all that is known of it."""
    name = f"{part.number:05}-{part.etag}-{part.size}"
    if part.checksum is not None:
        name += f"-{part.checksum.algorithm.value}-{part.checksum.value.hex()}"
    return name.encode()


def _part_of(match: re.Match[str], written_ns: int) -> Part:
    number, etag, size, algorithm, value = match.groups()
    checksum = None if algorithm is None else Checksum(Algorithm(algorithm), bytes.fromhex(value))
    return Part(int(number), ETag(etag), int(size), written_ns // 1_000_000_000, checksum)


def _name(upload: UploadId, *names: bytes) -> bytes:
    if not _NATIVE.fullmatch(upload.native):
        raise UploadMissing
    return own(UPLOADS, upload.native.encode(), *names)
