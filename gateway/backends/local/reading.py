"""An open stream of one file, read piece by piece in the mount's threads."""

from collections.abc import AsyncIterator
from functools import partial

from gateway.backends.local.objects import OpenFile
from gateway.backends.local.threads import Threads
from gateway.model import Info


class LocalReading:
    """`head` holds the first bytes, read when the file was opened."""

    def __init__(self, threads: Threads, file: OpenFile, head: bytes) -> None:
        self._threads = threads
        self._file = file
        self._head = head

    @property
    def info(self) -> Info:
        return self._file.info

    async def pieces(self) -> AsyncIterator[bytes]:
        position = self._file.span.start
        piece, self._head = self._head, b""
        while piece:
            position += len(piece)
            yield piece
            if position == self._file.span.stop:
                return
            piece = await self._threads.run(partial(self._file.read, position))
