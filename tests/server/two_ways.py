"""One node and two doors to it, of which one has no lane: what both say to the same request must be the same."""

import asyncio
import hashlib
import hmac
import re
import socket
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from uvicorn import Config as ServerConfig
from uvicorn.server import ServerState

from gateway.access.keys import Access
from gateway.backends.memory import MemoryBackend
from gateway.budget import Budget
from gateway.cache import Cache
from gateway.clock import ManualClock
from gateway.config import Config, StoreConfig
from gateway.handlers.service import Service
from gateway.metrics import Metrics
from gateway.model import MIB
from gateway.mounts import Mounts
from gateway.s3.auth import AuthRules, Verifier
from gateway.s3.seal import Sealer
from gateway.server.connection import Connection
from gateway.server.door import Door, DoorLimits
from gateway.settings import Settings
from gateway.store.site import Geometry
from gateway.store.store import BlockStore
from gateway.store.table import Segment
from gateway.tasks import tasks_until_end
from tests.real.wire import Signer, head_bytes

HOST = "gateway.test"
ALL = {"effect": "Allow", "action": ["s3:*"], "resource": ["*"]}
CONFIG: dict[str, object] = {
    "node": {"name": "node-1"},
    "access_key": [
        {"id": "root", "secret": "root-secret", "user": "root", "policy": "all"},
        {"id": "reader", "secret": "reader-secret", "user": "reader", "policy": "reader"},
        {"id": "near", "secret": "near-secret", "user": "near", "policy": "near"},
    ],
    "policy": {
        "all": {"statement": [ALL]},
        "reader": {"statement": [{"effect": "Allow", "action": "s3:GetObject", "resource": "cached/small*"}]},
        "near": {
            "statement": [
                {**ALL, "condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
                {"effect": "Deny", "action": "s3:GetObject", "resource": "cached/empty"},
            ]
        },
        "anonymous": {"statement": [{"effect": "Allow", "action": "s3:GetObject", "resource": "open/*"}]},
    },
    "mount": [
        {"bucket": "cached", "backend": "memory", "admission": "auto"},
        {"bucket": "open", "backend": "memory", "admission": "auto"},
        {"bucket": "asked", "backend": "memory", "admission": "auto", "freshness": "always"},
        {"bucket": "direct", "backend": "memory"},
    ],
}


@dataclass
class Said:
    """An answer as it stood on the wire."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head[9:12])

    def field(self, name: str) -> str | None:
        """The value of a field."""
        found = re.search(rb"\r\n%b: ([^\r]*)" % name.encode(), self.head)
        return found[1].decode("latin-1") if found else None

    @property
    def plain(self) -> tuple[bytes, bytes]:
        """What must be the same whoever answers: all but the id of the request, also where errors repeat it."""
        request_id = self.field("x-amz-request-id") or ""
        return self.head.replace(request_id.encode(), b"ID"), self.body.replace(request_id.encode(), b"ID")


@dataclass
class Client:
    """One connection to a door."""

    sock: socket.socket
    received: bytearray = field(default_factory=bytearray)

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, data)

    async def answer(self, method: str = "GET") -> Said:
        """The next answer, whole. An ended connection ends it, too."""
        while (end := self.received.find(b"\r\n\r\n")) < 0:
            if not await self._more():
                return self._taken(len(self.received), 0)
        head = bytes(self.received[: end + 4])
        found = re.search(rb"\r\ncontent-length: (\d+)", head)
        size = int(found[1]) if found and method != "HEAD" and head[9:12] not in (b"304", b"204") else 0
        while len(self.received) < end + 4 + size and await self._more():
            pass
        return self._taken(end + 4, size)

    async def readable(self) -> None:
        """Returns when something has come."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self.sock, event.set)
        async with asyncio.timeout(30):
            await event.wait()
        loop.remove_reader(self.sock)

    def _taken(self, head_size: int, size: int) -> Said:
        said = Said(bytes(self.received[:head_size]), bytes(self.received[head_size : head_size + size]))
        del self.received[: head_size + size]
        return said

    async def _more(self) -> bool:
        async with asyncio.timeout(30):
            data = await asyncio.get_running_loop().sock_recv(self.sock, 1 << 20)
        self.received += data
        return bool(data)


@dataclass
class TwoWays:
    """The node; `fast` has a lane, `slow` has none."""

    service: Service
    clock: ManualClock
    store: BlockStore
    fast: Door
    slow: Door
    metrics: Metrics

    @property
    def lane_answers(self) -> int:
        """How many answers the lane has given, those included that it has only begun."""
        assert self.fast.lane is not None
        return self.fast.lane.replies

    def metric(self, name: str) -> float:
        """A metric without labels."""
        found = re.search(rf"^{name} ([0-9.]+)$", self.metrics.render().decode(), re.MULTILINE)
        assert found, name
        return float(found[1])

    def counts(self) -> dict[str, float]:
        """What is counted about requests and blocks, but for how long things took."""
        counted = ("forebay_s3_requests_total", "forebay_s3_bytes_total", "forebay_s3_request_seconds_count")
        lines = self.metrics.render().decode().splitlines()
        wanted = [line for line in lines if line.startswith((*counted, "forebay_cache_block_reads_total"))]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in wanted}

    def segments(self) -> list[Segment]:
        """Those that can be found."""
        return self.store.shards[0].table.all()

    def close_descriptor(self, segment: Segment) -> None:
        """As happens to those that were not used for long."""
        if segment.fd >= 0:
            self.store.shards[0].table._close(segment)

    @asynccontextmanager
    async def connected(self, door: Door, *, send_buffer: int = 0) -> AsyncIterator[Client]:
        """A connection to one of the doors."""
        async with self.connection(door, send_buffer=send_buffer) as (client, _):
            yield client

    @asynccontextmanager
    async def connection(self, door: Door, *, send_buffer: int = 0) -> AsyncIterator[tuple[Client, Connection]]:
        """The same, with its other end."""
        config = ServerConfig(door, ws="none", interface="asgi3", lifespan="off", log_config=None)  # type: ignore[arg-type]
        config.load()
        state = ServerState()
        ours, theirs = socket.socketpair()
        if send_buffer:
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        theirs.setblocking(False)
        loop = asyncio.get_running_loop()
        _, connection = await loop.connect_accepted_socket(lambda: Connection(config, state, {}), ours)
        try:
            yield Client(theirs), connection
        finally:
            theirs.close()
            connection.transport.abort()
            if state.tasks:
                await asyncio.wait(state.tasks, timeout=30)

    async def ask(self, door: Door, data: bytes, method: str = "GET") -> Said:
        """One request on a connection of its own."""
        async with self.connected(door) as client:
            await client.send(data)
            return await client.answer(method)

    def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, *, user: str | None = "root"
    ) -> bytes:
        """A request, signed in its header unless `user` is None."""
        given = {"host": HOST, **(headers or {})}
        if user is not None:
            now = datetime.fromtimestamp(self.clock.now_s(), UTC)
            given = Signer(user, f"{user}-secret").signed(method, target, given, now=now)
        return head_bytes(method, target, given)


@asynccontextmanager
async def two_ways(
    directory: Path, *, capacity_bytes: int = 192 * MIB, config: Mapping[str, object] = CONFIG, domain: str = ""
) -> AsyncIterator[TwoWays]:
    """A node in this process over backends in memory."""
    parsed, clock = Config.model_validate(config), ManualClock()
    geometry = Geometry(
        segment_size=4 * MIB,
        capacity_bytes=capacity_bytes,
        slack_min_bytes=MIB,
        object_size_max=1 << 40,
        open_files_max=4,
    )
    async with AsyncExitStack() as stack:
        settings = Settings.open(directory, clock)
        stack.callback(settings.close)
        mounts = Mounts(parsed, settings, clock, lambda _place, _mount: MemoryBackend())
        await mounts.open()
        stack.push_async_callback(mounts.close)
        hashers = ThreadPoolExecutor(1)
        stack.callback(hashers.shutdown)
        store = await stack.enter_async_context(
            BlockStore.open(StoreConfig(paths=(directory / "store",)), clock, geometry)
        )
        tasks = await stack.enter_async_context(tasks_until_end())
        metrics = Metrics()
        access = Access(parsed.access_key, parsed.policy, clock)
        service = Service(
            mounts=mounts,
            cache=Cache(store, Budget(64 * MIB), clock, metrics, tasks),
            access=access,
            verifier=Verifier(AuthRules(domain=domain), access.secret_of),
            token_sealer=Sealer([bytes(32)], "list"),
            upload_sealer=Sealer([bytes(32)], "upload"),
            budget=Budget(64 * MIB),
            hashers=hashers,
            node_name="node-1",
            domain=domain,
        )
        limits = DoorLimits(1000, 100, 0.0)
        fast, slow = (Door(service, metrics, clock, limits=limits, not_ready=lambda: None) for _ in range(2))
        slow.lane = None
        yield TwoWays(service, clock, store, fast, slow, metrics)


def presigned(ways: TwoWays, method: str, target: str, headers: Mapping[str, str], user: str) -> bytes:
    """A request that is signed in its URL; `target` may have a query."""
    stamp = f"{datetime.fromtimestamp(ways.clock.now_s(), UTC):%Y%m%dT%H%M%SZ}"
    scope = f"{stamp[:8]}/us-east-1/s3/aws4_request"
    names = sorted({"host", *(name for name in headers if name.startswith("x-amz-"))})
    path, _, query = target.partition("?")
    said = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": quote(f"{user}/{scope}", safe=""),
        "X-Amz-Date": stamp,
        "X-Amz-Expires": "600",
        "X-Amz-SignedHeaders": "%3B".join(names),
    }
    given = {"host": HOST, **headers}
    pairs = [f"{name}={value}" for name, value in said.items()]
    pairs += [piece if "=" in piece else f"{piece}=" for piece in query.split("&") if piece]
    lines = [method, path, "&".join(sorted(pairs)), *(f"{name}:{' '.join(given[name].split())}" for name in names)]
    lines += ["", ";".join(names), "UNSIGNED-PAYLOAD"]
    digest = hashlib.sha256("\n".join(lines).encode("latin-1")).hexdigest()
    key = f"AWS4{user}-secret".encode()
    for part in (stamp[:8], "us-east-1", "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return head_bytes(method, f"{path}?{'&'.join(pairs)}&X-Amz-Signature={signature}", given)
