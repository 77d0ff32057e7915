"""Looks over the shoulder of an index: what is written there must be true of the segments at that moment."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gateway.kv import Kv, KvCorrupt
from gateway.store import entries, records
from gateway.store.entries import Spot
from gateway.store.extras import EntryDamaged
from gateway.store.records import Found, RecordDamaged
from gateway.store.site import segment_of
from tests.store.broken import BrokenFiles

KEPT_SHARE_MAX = 0.75
"""Of a segment, what an eviction may write again."""


class Witness:
    """Tells `files` of promises that an index breaks.

    `is_calm`: nothing was broken on purpose, so nothing may be left behind either.
    """

    def __init__(self, files: BrokenFiles, opened: Callable[[Path], Kv], *, is_calm: bool = False) -> None:
        self.files = files
        self.is_calm = is_calm
        self.lost: set[Path] = set()
        """Indexes that cannot be opened any more."""
        self.in_use: dict[Path, Kv] = {}
        """Those that were opened since somebody cleared this."""
        self._opened = opened

    def size(self) -> int:
        """What the indexes in use take."""
        return sum(kv.size() for kv in list(self.in_use.values()))

    def opened(self, directory: Path) -> Kv:
        """The index of a directory, under watch."""
        if directory in self.lost:
            raise KvCorrupt("told to be lost")
        watched = WatchedKv(self, directory, self._opened(directory))
        self.in_use[directory] = watched
        return watched


class WatchedKv:
    """An index under watch."""

    def __init__(self, witness: Witness, directory: Path, kv: Kv) -> None:
        self._files = witness.files
        self._witness = witness
        self._segments = directory.parent / "seg"
        self._kv = kv
        self._spots = {key: spot for prefix in (b"o", b"b") for key, value in kv.scan(prefix) if (spot := _spot(value))}
        self._kept_bytes: dict[int, int] = {}
        self.get = kv.get
        self.get_many = kv.get_many

    def write(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        batch = list(items)
        self._kv.write(batch)
        for key, value in batch:
            if key[:1] in (b"o", b"b"):
                self._moved(key, self._spots.pop(key, None), _spot(value))
            elif key[:1] == entries.SEGMENT_PREFIX and value is None:
                self._ended(entries.segment_of(key))

    def _moved(self, key: bytes, before: Spot | None, after: Spot | None) -> None:
        if after is None:
            return
        self._spots[key] = after
        if before is not None and _where(before) == _where(after):
            return
        inode = self._files.by_path.get(self._path(after.segment))
        stop = after.data_offset + after.data_size
        is_written = inode is not None and inode.holds(after.record_offset, stop)
        self._files.demand(is_written, "an entry was written before its record")
        found = self._record(after)
        self._files.demand(found is not None and found[0].crc == after.header_crc, "an entry names another record")
        older = self._record(before) if before is not None and found is not None else None
        if before is not None and found is not None and older is not None and _name(older[0]) == _name(found[0]):
            self._files.demand(older[1] == found[1], "a record was changed as it was written again")
            kept_bytes = self._kept_bytes.get(before.segment, 0) + after.data_size
            self._kept_bytes[before.segment] = kept_bytes

    def _ended(self, segment: int) -> None:
        path = self._path(segment)
        size = self._files.by_path[path].size if path in self._files.by_path else 0
        kept_bytes = self._kept_bytes.pop(segment, 0)
        self._files.demand(kept_bytes <= KEPT_SHARE_MAX * size, f"an eviction kept {kept_bytes} bytes")
        if self._witness.is_calm:
            left = sum(spot.segment == segment for spot in self._spots.values())
            self._files.demand(not left, f"{left} entries name a segment that is gone")

    def _record(self, spot: Spot) -> tuple[Found, bytes] | None:
        """The record of an entry with its data; None if it is not there, or not whole."""
        size = max(0, spot.data_offset + spot.data_size - spot.record_offset)
        try:
            with self._path(spot.segment).open("rb") as file:
                file.seek(spot.record_offset)
                buffer = file.read(size)
            found = records.parse(spot.segment, spot.record_offset, buffer)
        except (OSError, RecordDamaged):
            return None
        return found, buffer[found.layout.data_start :]

    def _path(self, segment: int) -> Path:
        path = self._segments / f"{segment:016x}.seg"
        assert segment_of(path.name) == segment
        return path

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return self._kv.scan(prefix)

    def flush(self) -> None:
        self._kv.flush()

    def sync(self) -> None:
        self._kv.sync()

    def size(self) -> int:
        return self._kv.size()

    def close(self) -> None:
        self._kv.close()


def _spot(value: bytes | None) -> Spot | None:
    try:
        return entries.unpack_spot(value) if value is not None else None
    except EntryDamaged:
        return None


def _name(found: Found) -> tuple[int, bytes, int]:
    return found.record.seq, found.record.vh, found.record.number


def _where(spot: Spot) -> tuple[int, int]:
    return spot.segment, spot.record_offset
