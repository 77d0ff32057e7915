"""The memory of another process, watched while something happens."""

import threading
from threading import Event

import psutil

SAMPLE_S = 0.05


class MemoryWatch:
    """The highest resident memory of a process while this context lasts."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._done = Event()
        self._thread = threading.Thread(target=self._sample)
        self.idle_bytes = self._rss()
        self.peak_bytes = self.idle_bytes

    @property
    def above_idle_bytes(self) -> int:
        """How much more than at the start it was at most."""
        return self.peak_bytes - self.idle_bytes

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self._look()

    def _look(self) -> None:
        self.peak_bytes = max(self.peak_bytes, self._rss())

    def _rss(self) -> int:
        return int(self._process.memory_info().rss)
