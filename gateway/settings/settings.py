"""The settings of a node: one table of rows, whole in memory, on disk before anybody hears of a change."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from gateway.clock import Clock, SystemClock
from gateway.errors import ConfigInvalid, StorageFull
from gateway.settings.files import DirectoryLock, write_whole
from gateway.settings.identity import Identity, ensure_identity
from gateway.settings.rows import Gone, Row, RowId, RowsCorrupt, Value, decode, encode, without_old_gone

FILE_NAME = "settings"


class Settings:
    """Rows under a table's and their own name; changes outlive every crash once they are answered.

    Holds the data directory alone until `close`.
    """

    @classmethod
    def open(cls, data_dir: Path, clock: Clock | None = None) -> Self:
        """Reads what the directory keeps; makes it at the first start. Raises `ConfigInvalid`."""
        lock = DirectoryLock(data_dir)
        try:
            rows = _read(data_dir / FILE_NAME)
            return cls(data_dir / FILE_NAME, ensure_identity(data_dir), rows, lock, clock or SystemClock())
        except ConfigInvalid:
            lock.close()
            raise

    def __init__(
        self, path: Path, identity: Identity, rows: dict[RowId, Row], lock: DirectoryLock, clock: Clock
    ) -> None:
        self.identity = identity
        self._path = path
        self._rows = rows
        self._lock = lock
        self._clock = clock
        self._changing = asyncio.Lock()
        # A single thread, so that a write whose caller was cancelled ends before the next begins.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="settings")

    def get(self, table: str, name: str) -> Value | None:
        """The row's value; None if there is no such row."""
        row = self._rows.get((table, name))
        return None if row is None or isinstance(row.value, Gone) else row.value

    def rows(self, table: str) -> dict[str, Value]:
        """All values of a table, by name."""
        return {
            name: row.value
            for (its_table, name), row in self._rows.items()
            if its_table == table and not isinstance(row.value, Gone)
        }

    async def put(self, table: str, name: str, value: Value) -> None:
        """Sets a row. Returns once it is on disk, and raises `StorageFull` if it cannot be."""
        await self._change((table, name), value)

    async def remove(self, table: str, name: str) -> None:
        """Removes a row if it is there."""
        if self.get(table, name) is not None:
            await self._change((table, name), Gone(int(self._clock.now_s())))

    def close(self) -> None:
        """Waits for a write in progress and lets the directory go."""
        self._writer.shutdown()
        self._lock.close()

    async def _change(self, row_id: RowId, value: Value | Gone) -> None:
        async with self._changing:
            clock = max((row.clock for row in self._rows.values()), default=0) + 1
            rows = without_old_gone(self._rows, self._clock.now_s())
            rows[row_id] = Row(value, clock, self.identity.node_id)
            await asyncio.get_running_loop().run_in_executor(self._writer, _written(self._path, rows))
            self._rows = rows


def _written(path: Path, rows: dict[RowId, Row]) -> Callable[[], None]:
    def write() -> None:
        try:
            write_whole(path, encode(rows))
        except OSError as error:
            raise StorageFull("The node cannot write its settings.") from error

    return write


def _read(path: Path) -> dict[RowId, Row]:
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigInvalid([f"{path}: cannot be read: {error.strerror}"]) from error
    except RowsCorrupt as error:
        raise ConfigInvalid([f"{path}: damaged: {error}; restore it from a backup"]) from error
