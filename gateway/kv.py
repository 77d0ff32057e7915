"""A sorted map of bytes on a disk: the only module that knows RocksDB.

What it works around, measured with rocksdict 0.3.29 (RocksDB 9.8):

- The GIL is released only in `get` of a list, `flush`, `flush_wal` and `close`. A synchronous write would hold
  it while the disk syncs, and with it the event loop: writes never sync, `sync` is called in a thread.
- A filter larger than a shard of the block cache is read again at every lookup: filters are partitioned.
- A get of many keys builds its result under the GIL: whoever asks for many asks in slices.
- A write stall would stop the event loop: writes never wait, they fail as `KvStalled`.
- A failed write has used up its batch object: items are handed in, the batch is made here.
- An iterator that lives keeps the database open: `scan` holds none while its caller runs.
- After the disk was full `close` may raise, and nothing is left to do about it.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DataBlockIndexType,
    DBCompressionType,
    DBRecoveryMode,
    Env,
    Options,
    Rdict,
    WriteBatch,
    WriteOptions,
)

from gateway.model import MIB

SCAN_SLICE = 256
"""Rows a scan takes at once."""

log = logging.getLogger(__name__)


class KvFailed(Exception):
    """The map could not do it: its disk is full or broken. Nothing of a failed write is there."""


class KvStalled(KvFailed):
    """It is behind with its own housekeeping; the same write may succeed in a moment."""


class KvFull(KvFailed):
    """Its disk has no room, or had none: until it is opened again it takes no writes."""


class KvCorrupt(KvFailed):
    """What lies on the disk is not a map, or no longer a whole one."""


class Kv(Protocol):
    """A sorted map of bytes; safe to call from several threads. Values are never empty.

    Every method raises `KvFailed`, unless said otherwise.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value, None where there is none; may wait for the disk."""
        ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values in the order of the keys; other threads run meanwhile."""
        ...

    def write(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Puts all items, or none; None deletes. They outlive the process at once, the machine after `sync`."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All items whose key begins with `prefix`, in order; those written meanwhile may be missing."""
        ...

    def flush(self) -> None:
        """Writes what is in memory to tables, so that the log is short at the next start. Blocks."""
        ...

    def sync(self) -> None:
        """What is written now outlives a loss of power. Blocks."""
        ...

    def size(self) -> int:
        """Bytes allocated on the disk. Never raises."""
        ...

    def close(self) -> None:
        """Ends it; nobody may be in a call. Never raises."""
        ...


@dataclass(frozen=True, slots=True)
class SharedCache:
    """The block cache that all maps of a node share; `opened` is how they come by it."""

    cache: Cache

    @classmethod
    def of(cls, size_bytes: int) -> "SharedCache":
        return cls(Cache(size_bytes))

    def opened(self, directory: Path) -> Kv:
        """The map in `directory`, made if there is none. Raises `KvCorrupt`, `KvFailed`."""
        return RocksKv(directory, self.cache)


class RocksKv:
    """A RocksDB of one column family."""

    def __init__(self, directory: Path, cache: Cache) -> None:
        self._directory = directory
        with _translated():
            self._db = Rdict(str(directory), _options(cache))
        no_waiting = WriteOptions()
        no_waiting.no_slowdown = True
        self._db.set_write_options(no_waiting)

    def get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:  # as in `_translated`, which would cost a third of the lookup here
            raise _failure(error) from error
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        with _translated():
            values: list[bytes | None] | None = self._db.get(list(keys))
        assert values is not None
        return values

    def write(self, items: Iterable[tuple[bytes, bytes | None]]) -> None:
        batch = WriteBatch(raw_mode=True)
        for key, value in items:
            if value is None:
                batch.delete(key)
            else:
                assert value, key
                batch.put(key, value)
        with _translated():
            self._db.write(batch)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        start = prefix
        while rows := self._slice(start, prefix):
            yield from rows
            start = rows[-1][0] + b"\0"

    def _slice(self, start: bytes, prefix: bytes) -> list[tuple[bytes, bytes]]:
        rows: list[tuple[bytes, bytes]] = []
        with _translated():
            cursor = self._db.iter()
            cursor.seek(start)
            while len(rows) < SCAN_SLICE and cursor.valid() and cursor.key().startswith(prefix):
                rows.append((cursor.key(), cursor.value()))
                cursor.next()
            cursor.status()
        return rows

    def flush(self) -> None:
        with _translated():
            self._db.flush(True)

    def sync(self) -> None:
        with _translated():
            self._db.flush_wal(True)

    def size(self) -> int:
        return allocated_bytes(self._directory)

    def close(self) -> None:
        try:
            with _translated():
                self._db.close()
        except KvFailed as error:
            # A disk that was full leaves a state in which closing fails; what was acknowledged is in the files.
            log.warning("the index did not close cleanly", extra={"error": str(error)})


def allocated_bytes(directory: Path) -> int:
    """What the files under `directory` take on the disk; files that vanish meanwhile count nothing."""
    total = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += allocated_bytes(Path(entry.path))
                else:
                    total += _allocated(entry)
    except OSError:
        return total
    return total


def _allocated(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        return 0


_NO_ROOM = (
    "IO error: No space left on device",
    "No space left on device",
    "IO error: Disk quota exceeded",
    "IO error: Writer has previous error",
)
"""The last is what follows the others, whatever room there is by then."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # rocksdict raises nothing narrower
        raise _failure(error) from error


def _failure(error: Exception) -> KvFailed:
    text = str(error)
    # By its beginning alone: paths stand behind it, and a path may say anything.
    if text.startswith("Result incomplete"):
        return KvStalled(text)
    if text.startswith(_NO_ROOM):
        return KvFull(text)
    if text.startswith(("Corruption", "Invalid argument")):
        return KvCorrupt(text)
    return KvFailed(text)


def _options(cache: Cache) -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_block_based_table_factory(_tables(cache))
    # Hashes do not compress.
    options.set_compression_type(DBCompressionType.none())
    options.set_write_buffer_size(8 * MIB)
    options.set_max_write_buffer_number(3)
    options.set_target_file_size_base(16 * MIB)
    options.set_max_bytes_for_level_base(64 * MIB)
    options.set_level_compaction_dynamic_level_bytes(True)
    options.set_max_total_wal_size(64 * MIB)
    options.set_wal_bytes_per_sync(MIB)
    options.set_bytes_per_sync(MIB)
    options.set_max_background_jobs(2)
    options.set_env(_background())
    options.set_max_open_files(512)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(4 * MIB)
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    options.set_paranoid_checks(True)
    return options


def _tables(cache: Cache) -> BlockBasedOptions:
    tables = BlockBasedOptions()
    tables.set_block_cache(cache)
    tables.set_block_size(4096)
    tables.set_format_version(5)
    tables.set_bloom_filter(10, False)
    tables.set_index_type(BlockBasedIndexType.two_level_index_search())
    tables.set_partition_filters(True)
    tables.set_metadata_block_size(4096)
    tables.set_pin_top_level_index_and_filter(True)
    tables.set_cache_index_and_filter_blocks(True)
    tables.set_data_block_index_type(DataBlockIndexType.binary_and_hash())
    tables.set_data_block_hash_ratio(0.75)
    return tables


def _background() -> Env:
    env = Env()
    # At normal priority on a busy processor one lookup in a thousand takes 2 ms, so 0.14.
    env.lower_thread_pool_cpu_priority()
    env.lower_high_priority_thread_pool_cpu_priority()
    return env
