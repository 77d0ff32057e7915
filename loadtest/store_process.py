"""A block store in a process of its own, to be filled, stopped, killed and opened again."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.model import MIB
from gateway.store.site import REAL_GEOMETRY

STOP_MAX_S = 30


@dataclass(frozen=True, slots=True)
class Filled:
    """What it took to keep some records, and how large the process and its index are then."""

    records: int
    size: int
    seconds: float
    cpu_seconds: float
    refused: int
    memory_bytes: int
    index_bytes: int
    segments: int

    @property
    def records_per_core_s(self) -> float:
        """Records for each second of CPU time, of all threads together."""
        return self.records / self.cpu_seconds

    @property
    def bytes_per_core_s(self) -> float:
        return self.records * self.size / self.cpu_seconds


class StoreProcess:
    """A context manager; leaving it kills what still runs.

    `days_behind`: its clock shows a day long gone. `batch_records`: so many with one write at most.
    """

    def __init__(
        self,
        directory: Path,
        *,
        capacity_bytes: int,
        memory_bytes: int = 64 * MIB,
        days_behind: int = 0,
        batch_records: int = REAL_GEOMETRY.batch_records_max,
    ) -> None:
        command = [sys.executable, "-m", "loadtest.store_worker", str(directory)]
        command += map(str, (capacity_bytes, memory_bytes, days_behind, batch_records))
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        opened = self._answer()
        self.open_s: float = opened["open_s"]
        """How long opening the store took, without the start of the process."""
        self.memory_before_bytes = int(opened["memory_before_bytes"])
        """What the process took before it opened the store."""

    def fill(self, size: int, first: int, count: int) -> Filled:
        """Keeps the records `first` to `first + count`."""
        told = self._ask("fill", size, first, count)
        return Filled(
            count,
            size,
            told["seconds"],
            told["cpu_seconds"],
            int(told["refused"]),
            int(told["memory_bytes"]),
            int(told["index_bytes"]),
            int(told["segments"]),
        )

    def begin_fill(self, size: int, first: int, count: int) -> None:
        """The same, and nobody waits for the end."""
        self._tell("fill", size, first, count)

    def found(self, size: int, first: int, count: int) -> int:
        """How many of the records can be found."""
        return int(self._ask("find", size, first, count)["found"])

    def stop(self) -> None:
        """Closes the store cleanly."""
        self._tell("stop")
        self._process.wait(STOP_MAX_S)

    def kill(self) -> None:
        """SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(STOP_MAX_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, verb: str, *numbers: int) -> dict[str, float]:
        self._tell(verb, *numbers)
        return self._answer()

    def _tell(self, verb: str, *numbers: int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {' '.join(map(str, numbers))}\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        answer: dict[str, float] = json.loads(self._process.stdout.readline())
        return answer
