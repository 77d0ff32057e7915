"""The counting S3 server as tests use it: started as a process, steered and asked over its control requests."""

import http.client
import json
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.fakes.counts import BLOCK_SIZE

BUCKET = "lake"
"""The bucket at the stub that mounts in tests point to."""
CONTROL_TIMEOUT_S = 60
STOP_MAX_S = 10


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the stub was asked and has sent since its counts were reset, of one object or of all.

    `requests` are by method and status, `GET 206`; `blocks` are bytes sent by block of 1 MiB, of one object only.
    """

    requests: dict[str, int]
    bytes: int
    blocks: dict[int, int]

    @property
    def reads(self) -> int:
        """GETs that were answered with content."""
        return self.requests.get("GET 200", 0) + self.requests.get("GET 206", 0)

    @property
    def total(self) -> int:
        """Requests of any kind."""
        return sum(self.requests.values())

    def each_byte_once(self, size: int) -> bool:
        """Whether an object of this size was sent exactly once."""
        blocks = range((size + BLOCK_SIZE - 1) // BLOCK_SIZE)
        return self.blocks == {block: min(BLOCK_SIZE, size - block * BLOCK_SIZE) for block in blocks}


class Stub:
    """The process; a context manager that leaves nothing running. `options` are those of its command line."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it, on the port it had before if it had one: written and changed objects are gone then."""
        command = [sys.executable, "-m", "tests.fakes.s3_stub", "--port", str(self.port), *self._options]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def stop(self) -> None:
        """Ends it, as a backend that goes away."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=STOP_MAX_S)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def traffic(self, key: str = "") -> Traffic:
        """The counts of one object of the bucket, or of everything."""
        told = json.loads(self._control("counts", name=f"{BUCKET}/{key}" if key else ""))
        blocks = {int(block): int(sent) for block, sent in told.get("blocks", {}).items()}
        return Traffic(told["requests"], told["bytes"], blocks)

    def reset(self) -> None:
        """Begins to count anew."""
        self._control("reset")

    def declare(self, prefix: str, count: int, suffix: str) -> list[str]:
        """Shows `count` objects in listings; returns their keys, `prefix` 000000 `suffix` and so on."""
        self._control("declare", prefix=f"{BUCKET}/{prefix}", count=count, suffix=suffix)
        return [f"{prefix}{number:06}{suffix}" for number in range(count)]

    def declare_one(self, key: str) -> None:
        """Shows the object of exactly this key in listings."""
        self._control("declare", name=f"{BUCKET}/{key}")

    def put(self, key: str, body: bytes) -> None:
        """Writes an object behind everybody's back."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CONTROL_TIMEOUT_S)
        try:
            connection.request("PUT", f"/{BUCKET}/{key}", body)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
        finally:
            connection.close()

    def bump(self, key: str) -> int:
        """Overwrites an object behind everybody's back; returns its new version."""
        return int(json.loads(self._control("bump", name=f"{BUCKET}/{key}"))["version"])

    def delete(self, key: str) -> None:
        """Deletes an object behind everybody's back."""
        self._control("delete", name=f"{BUCKET}/{key}")

    def fault(self, kind: str, key: str = "", **more: str | int) -> None:
        """Lets the next requests fail: see `tests.fakes.faults` for kinds, and for `more`."""
        self._control("fault", kind=kind, name=f"{BUCKET}/{key}" if key else "", **more)

    def calm(self) -> None:
        """Ends all faults and lets go of all answers that are held."""
        self._control("calm")

    def pace(self, rate: int = 0, latency_ms: int = 0) -> None:
        """Sets bandwidth in bytes a second over all connections, and latency; 0: none."""
        self._control("pace", rate=rate, latency_ms=latency_ms)

    def _control(self, what: str, **given: str | int) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=CONTROL_TIMEOUT_S)
        try:
            connection.request("POST", f"/-/{what}", body=json.dumps(given))
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, body
            return body
        finally:
            connection.close()
