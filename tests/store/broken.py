"""Files that record what is done to them, hold it to the store's promises, and fail when they are told to."""

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.store.disk import Buffer, Files

DISK_BYTES = 1 << 40


@dataclass
class Inode:
    """A segment file, as long as its space is taken."""

    path: Path
    size: int
    linked: bool = True
    descriptors: int = 0
    written: list[tuple[int, int]] = field(default_factory=list)

    def meets(self, start: int, stop: int) -> bool:
        """Whether some of these bytes were written before."""
        return any(first < stop and start < last for first, last in self.written)

    def holds(self, start: int, stop: int) -> bool:
        """Whether all of these bytes were written."""
        for first, last in sorted(self.written):
            if first <= start < last:
                start = last
        return start >= stop


class BrokenFiles(Files):
    """Counts segment operations; `fails` decides by name and number which of them fail, and how."""

    def __init__(self) -> None:
        self.fails: Callable[[str, int], int | None] = lambda _name, _number: None
        self.dead = False
        """The process was killed: whatever it still tries has no effect."""
        self.boot = "boot-1"
        self.operations = 0
        self.free = DISK_BYTES
        self.kind = "ext4"
        self.short_writes = False
        self.by_path: dict[Path, Inode] = {}
        """Every segment there ever was."""
        self.by_descriptor: dict[int, Inode] = {}
        self.inodes: list[Inode] = []
        self.most_bytes = 0
        self.more_bytes: Callable[[], int] = lambda: 0
        """What takes space besides segments."""
        self.limit_bytes = DISK_BYTES
        self.broken_promises: list[str] = []
        """A promise that is broken in a thread of the store would only be logged: a test looks here."""

    @property
    def segment_bytes(self) -> int:
        """What segments take on the disk, those still open after their end included."""
        return sum(inode.size for inode in self.inodes)

    def demand(self, holds: bool, promise: str) -> None:
        """Notes a promise that is broken."""
        if not holds:
            self.broken_promises.append(promise)

    def _step(self, name: str) -> None:
        self.operations += 1
        code = errno.EIO if self.dead else self.fails(name, self.operations)
        if code is not None:
            raise OSError(code, os.strerror(code))

    def create(self, path: Path, size: int, head: bytes) -> int:
        self._step("create")
        self.demand(path not in self.by_path, "a segment's path was used twice")
        fd = super().create(path, size, head)
        inode = Inode(path, size, descriptors=1, written=[(0, len(head))])
        self.by_path[path] = inode
        self.inodes.append(inode)
        self.by_descriptor[fd] = inode
        self.most_bytes = max(self.most_bytes, self.segment_bytes)
        used_bytes = self.segment_bytes + self.more_bytes()
        self.demand(used_bytes <= self.limit_bytes, f"{used_bytes} bytes are used of {self.limit_bytes}")
        return fd

    def open(self, path: Path) -> int:
        self._step("open")
        fd = super().open(path)
        inode = next(inode for inode in self.inodes if inode.path == path)
        inode.descriptors += 1
        self.by_descriptor[fd] = inode
        return fd

    def close(self, fd: int) -> None:
        # Once it is closed, another thread may be given the same number.
        inode = self.by_descriptor.pop(fd, None)
        super().close(fd)
        if inode is not None:
            inode.descriptors -= 1
            self._forget(inode)

    def unlink(self, path: Path) -> None:
        self._step("unlink")
        super().unlink(path)
        for inode in [inode for inode in self.inodes if inode.path == path]:
            inode.linked = False
            self._forget(inode)

    def _forget(self, inode: Inode) -> None:
        if not inode.linked and not inode.descriptors:
            self.inodes.remove(inode)

    def write_some(self, fd: int, buffers: Sequence[Buffer], offset: int) -> int:
        inode = self.by_descriptor.get(fd)
        if inode is None:
            self._dead()
            return super().write_some(fd, buffers, offset)
        try:
            self._step("write")
        except OSError:
            if self.dead:
                raise
            # A write that fails may have written anything up to its end.
            self._note(inode, offset, offset + sum(map(len, buffers)))
            super().write_some(fd, [bytes(buffers[0])[:-1]], offset)
            raise
        if self.short_writes:
            whole = b"".join(bytes(buffer) for buffer in buffers)
            buffers = [whole[: max(1, len(whole) // 3)]]
        written = super().write_some(fd, buffers, offset)
        self._note(inode, offset, offset + written)
        return written

    def _note(self, inode: Inode, start: int, stop: int) -> None:
        self.demand(0 <= start < stop <= inode.size, "bytes were written beyond the end of a segment")
        # A footer may be written again, by the start after the end that came in between.
        self.demand(stop == inode.size or not inode.meets(start, stop), "bytes were written twice")
        inode.written.append((start, stop))

    def read(self, fd: int, buffer: bytearray | memoryview, offset: int) -> int:
        self._step("read")
        return super().read(fd, buffer, offset)

    def sync(self, fd: int) -> None:
        self._step("sync")
        super().sync(fd)

    def probe(self, path: Path) -> None:
        self._step("probe")
        super().probe(path)

    def replace(self, path: Path, content: bytes) -> None:
        self._dead()
        super().replace(path, content)

    def load(self, path: Path) -> bytes | None:
        self._dead()
        return super().load(path)

    def _dead(self) -> None:
        if self.dead:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def boot_id(self) -> str:
        return self.boot

    def file_system(self, directory: Path) -> str:
        return self.kind

    def free_bytes(self, directory: Path) -> int:
        return self.free

    def total_bytes(self, directory: Path) -> int:
        return DISK_BYTES

    def end_of_process(self) -> None:
        """Closes what a killed process would have left open, and lets the next one work."""
        for fd in list(self.by_descriptor):
            self.close(fd)
        self.dead = False
