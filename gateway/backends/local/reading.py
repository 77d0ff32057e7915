"""An open stream of one file, read piece by piece in the mount's threads."""

from collections.abc import AsyncIterator
from functools import partial

from gateway.backends.local.objects import OpenFile
from gateway.backends.local.threads import Threads
from gateway.model import Info


class LocalReading:
    """`head` holds the first bytes, read in the same hop that opened the file."""

    def __init__(self, threads: Threads, file: OpenFile, head: bytes) -> None:
        self._threads = threads
        self._file = file
        self._head = head

    @property
    def info(self) -> Info:
        return self._file.info

    @property
    def is_closed(self) -> bool:
        return self._file.is_closed

    async def pieces(self) -> AsyncIterator[bytes]:
        position = self._file.span.start
        piece, self._head = self._head, b""
        while piece:
            position += len(piece)
            yield piece
            if position == self._file.span.stop:
                return
            piece = await self._threads.run(partial(self._file.read, position))

    def close(self) -> None:
        """Blocking."""
        self._file.close()


def open_reading(threads: Threads, file: OpenFile) -> LocalReading:
    """Blocking. A small object is read whole, and its file closed, before anybody asks."""
    try:
        return LocalReading(threads, file, file.read(file.span.start))
    except BaseException:
        file.close()
        raise
