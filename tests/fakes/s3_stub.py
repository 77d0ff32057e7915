"""A counting S3 server as a process of its own: `python -m tests.fakes.s3_stub --port 0` prints its port.

It checks no signatures. Objects whose names end in a size (`bucket/key-64MiB`) exist without being held; what is
written is held in memory. `POST /-/...` with a JSON body, and `GET /-/counts`, steer it: see `_CONTROLS`.
"""

import argparse
import asyncio
import json
import re
import socket
import struct
import sys
from collections.abc import Iterator, Mapping

import uvloop

from tests.fakes.counts import Counts
from tests.fakes.faults import Fault, Faults, Kind
from tests.fakes.pace import Pace
from tests.fakes.s3_answers import Answer, Request, answer, error
from tests.fakes.shelf import Shelf

HEAD_MAX = 64 * 1024
BODY_MAX = 5 * 1024**3
DIRECT_MAX = 64 * 1024
"""Answers up to this size are written at once, without a task."""
WRITE_HIGH = 512 * 1024
"""Bytes in a connection's buffer above which its answer waits."""
DRIP_PIECE = 1024
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing resets."""

_REASONS = {200: "OK", 204: "No Content", 206: "Partial Content", 304: "Not Modified", 404: "Not Found"}
_WITHOUT_BODY = (204, 304)
_UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


class Stub:
    """Everything the connections share."""

    def __init__(self, tasks: asyncio.TaskGroup, pace: Pace, kept_max: int) -> None:
        self.tasks = tasks
        self.shelf = Shelf(kept_max)
        self.counts = Counts()
        self.faults = Faults()
        self.pace = pace
        self.calm = asyncio.Event()

    def control(self, path: str, given: Mapping[str, str | int]) -> Answer:
        """Does what the test says."""
        what = path.partition("?")[0].removeprefix("/-/")
        if what not in _CONTROLS:
            return error(404, "NoSuchControl")
        body = json.dumps(_CONTROLS[what](self, given)).encode()
        return Answer(200, {"content-type": "application/json"}, body)

    def _counts(self, given: Mapping[str, str | int]) -> object:
        return self.counts.document(str(given.get("name", "")))

    def _reset(self, given: Mapping[str, str | int]) -> object:
        self.counts = Counts()
        return {}

    def _declare(self, given: Mapping[str, str | int]) -> object:
        """The object `name`, or `count` of them (`prefix`, number, `suffix`), become visible in listings."""
        if "name" in given:
            self.shelf.declare(str(given["name"]))
        for number in range(int(given.get("count", 0))):
            self.shelf.declare(f"{given['prefix']}{number:06}{given['suffix']}")
        return {}

    def _bump(self, given: Mapping[str, str | int]) -> object:
        item = self.shelf.bump(str(given["name"]))
        return {"version": item.version if item else 0}

    def _delete(self, given: Mapping[str, str | int]) -> object:
        self.shelf.delete(str(given["name"]))
        return {}

    def _fault(self, given: Mapping[str, str | int]) -> object:
        self.faults.arm(given)
        return {}

    def _calm(self, given: Mapping[str, str | int]) -> object:
        self.faults.clear()
        self.calm.set()
        self.calm = asyncio.Event()
        return {}

    def _pace(self, given: Mapping[str, str | int]) -> object:
        self.pace = Pace(float(given.get("rate", 0)), float(given.get("latency_ms", 0)) / 1000)
        return {}


_CONTROLS = {
    "counts": Stub._counts,
    "reset": Stub._reset,
    "declare": Stub._declare,
    "bump": Stub._bump,
    "delete": Stub._delete,
    "fault": Stub._fault,
    "calm": Stub._calm,
    "pace": Stub._pace,
}


class Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._input = bytearray()
        self._head: Request | None = None
        self._awaited = 0
        self._busy = False
        self._transport: asyncio.Transport
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH)

    def connection_lost(self, exc: Exception | None) -> None:
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._input += data
        if not self._busy:
            self._advance()

    def _advance(self) -> None:
        if self._head is None:
            end = self._input.find(b"\r\n\r\n")
            if end < 0:
                if len(self._input) > HEAD_MAX:
                    self._transport.abort()
                return
            self._head = _head_of(bytes(self._input[:end]))
            del self._input[: end + 4]
            self._awaited = int(self._head.headers.get("content-length", 0))
            if self._awaited > BODY_MAX:
                self._transport.abort()
                return
            if "expect" in self._head.headers and len(self._input) < self._awaited:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(self._input) >= self._awaited:
            head, body = self._head, bytes(memoryview(self._input)[: self._awaited])
            del self._input[: self._awaited]
            self._head = None
            self._answer(Request(head.method, head.target, head.headers, body))

    def _answer(self, request: Request) -> None:
        stub = self._stub
        if request.target.startswith("/-/"):
            given = json.loads(request.body) if request.body else request.query
            self._send(stub.control(request.target, given), request)
            return
        fault = stub.faults.next(request)
        if fault is not None and fault.kind is Kind.STATUS:
            reply = error(fault.status, "SlowDown" if fault.status == 503 else "InternalError")
        else:
            reply = answer(stub.shelf, request)
        stub.counts.asked(request.name, f"{reply.kind or request.method} {reply.status}")
        if fault is None and reply.size <= DIRECT_MAX and not stub.pace.is_set:
            self._send(reply, request)
            return
        self._busy = True
        stub.tasks.create_task(self._stream(reply, request, fault))

    def _send(self, reply: Answer, request: Request) -> None:
        body = b"" if request.method == "HEAD" else b"".join(reply.slices())
        if reply.item is not None and body:
            self._stub.counts.sent(reply.item.name, reply.start, len(body))
        self._transport.write(_head_bytes(reply, reply.size) + body)

    async def _stream(self, reply: Answer, request: Request, fault: Fault | None) -> None:
        """Sends an answer at the pace that was set, with whatever befalls it."""
        await self._stub.pace.latency()
        if fault is not None and fault.after < 0:
            await self._befall(fault, request)
        if not self._transport.is_closing():
            await self._send_slowly(reply, request, fault)
        self._busy = False
        if self._input and not self._transport.is_closing():
            self._advance()

    async def _send_slowly(self, reply: Answer, request: Request, fault: Fault | None) -> None:
        is_short = fault is not None and fault.kind is Kind.SHORT
        self._transport.write(_head_bytes(reply, fault.after if fault and is_short else reply.size))
        pace = Pace(fault.rate) if fault and fault.kind is Kind.DRIP else self._stub.pace
        place = 0
        for piece in _pieces(reply, fault) if request.method != "HEAD" else ():
            if fault is not None and place == fault.after:
                if is_short:
                    return
                await self._befall(fault, request)
            await pace.spend(len(piece))
            await self._writable.wait()
            if self._transport.is_closing():
                return
            if reply.item is not None:
                self._stub.counts.sent(reply.item.name, reply.start + place, len(piece))
            self._transport.write(piece)
            place += len(piece)
        await self._writable.wait()

    async def _befall(self, fault: Fault, request: Request) -> None:
        match fault.kind:
            case Kind.CUT:
                self._transport.close()
            case Kind.RESET:
                sock: socket.socket = self._transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self._transport.abort()
            case Kind.HOLD:
                await self._stub.calm.wait()
            case Kind.CHANGE:
                self._stub.shelf.bump(request.name)
            case Kind.STATUS | Kind.SHORT | Kind.DRIP:
                pass  # These are in the answer itself.


def _pieces(reply: Answer, fault: Fault | None) -> Iterator[memoryview]:
    """The body in order, cut where the fault befalls it."""
    longest = DRIP_PIECE if fault is not None and fault.kind is Kind.DRIP else reply.size
    place = 0
    for part in reply.slices():
        rest = part
        while rest:
            size = min(len(rest), longest)
            if fault is not None and place < fault.after < place + size:
                size = fault.after - place
            yield rest[:size]
            place += size
            rest = rest[size:]


def _head_of(data: bytes) -> Request:
    first, *lines = data.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return Request(method, target, headers)


def _head_bytes(reply: Answer, size: int) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Other')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    if reply.status not in _WITHOUT_BODY:
        lines.append(f"content-length: {size}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def serve(options: argparse.Namespace) -> None:
    """Serves until the process is ended."""
    async with asyncio.TaskGroup() as tasks:
        stub = Stub(tasks, Pace(options.rate, options.latency_ms / 1000), options.keep)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(stub), "127.0.0.1", options.port, backlog=1024)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


def size_of(text: str) -> int:
    """Bytes of `400MB`, `4GiB` or a plain number; a trailing `/s` is allowed."""
    found = re.fullmatch(r"(\d+)(B|kB|MB|GB|KiB|MiB|GiB)?(?:/s)?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is no size")
    return int(found[1]) * _UNITS[found[2] or "B"]


def main() -> None:
    """Runs the stub."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.s3_stub", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--rate", type=size_of, default=0, help="bandwidth of all answers, as 400MB/s; 0: unlimited")
    parser.add_argument("--latency-ms", type=float, default=0, help="wait before every answer")
    parser.add_argument("--keep", type=size_of, default=size_of("2GiB"), help="bytes of written bodies held at most")
    uvloop.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
