"""The admin application over real parts, asked without a socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import httpx

from gateway.access.keys import Access
from gateway.admin import AdminService, create
from gateway.backends.open import Opener
from gateway.backends.signing import Request, Signer, sign
from gateway.budget import Budget
from gateway.cache import Cache
from gateway.clock import ManualClock
from gateway.config import Config
from gateway.metrics import Metrics
from gateway.model import MIB
from gateway.mounts import Mounts
from gateway.s3.auth import AuthRules, Verifier
from gateway.settings import Settings
from gateway.store.store import BlockStore
from gateway.tasks import tasks_until_end

TOKEN = "a-token-of-some-length"
SECRET = "secret-of-every-key"
HOST = "127.0.0.1:9001"


def policy(action: str) -> dict[str, object]:
    return {"statement": [{"effect": "Allow", "action": action, "resource": "*"}]}


CONFIG: dict[str, object] = {
    "node": {"name": "node-1"},
    "admin": {"token": TOKEN},
    "access_key": [
        {"id": name, "secret": SECRET, "policy": name} for name in ("admin", "reader", "everything-but-admin")
    ],
    "policy": {
        "admin": policy("admin:*"),
        "reader": policy("admin:Read"),
        "everything-but-admin": policy("*"),
    },
    "mount": [{"bucket": "demo", "backend": "memory"}],
}


@dataclass(slots=True)
class AdminNode:
    """An admin application and what stands behind it; `not_ready` is why it does not serve."""

    client: httpx.AsyncClient
    mounts: Mounts
    cache: Cache
    metrics: Metrics
    clock: ManualClock
    not_ready: str | None = None

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        return await self.client.get(path, headers=dict(headers or {}))

    async def post(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response:
        return await self.client.post(path, params=dict(query), headers=dict(headers))

    def signed(
        self,
        key_id: str,
        path: str,
        secret: str = SECRET,
        *,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """The headers of a request that this key has signed."""
        request = Request(method, path, tuple((query or {}).items()), {"host": HOST})
        return sign(request, Signer(key_id, secret, "us-east-1"), self.clock.now_s())


def on_node(
    directory: Path, scenario: Callable[[AdminNode], Awaitable[None]], changes: Mapping[str, object] | None = None
) -> None:
    """Runs the scenario against a node with `CONFIG`, changed section by section."""

    async def run() -> None:
        async with _opened(directory, Config.model_validate({**CONFIG, **(changes or {})})) as node:
            await scenario(node)

    asyncio.run(run())


@asynccontextmanager
async def _opened(directory: Path, config: Config) -> AsyncIterator[AdminNode]:
    clock = ManualClock()
    settings = Settings.open(directory, clock)
    metrics = Metrics()
    mounts = Mounts(config, settings, clock, Opener(metrics, clock, Random(1)).open)
    await mounts.open()
    access = Access(config.access_key, config.policy, clock)
    node: AdminNode
    parts = AsyncExitStack()
    store = await parts.enter_async_context(
        BlockStore.open(config.store.model_copy(update={"paths": (directory / "store",)}), clock)
    )
    tasks = await parts.enter_async_context(tasks_until_end())
    cache = Cache(store, Budget(8 * MIB), clock, metrics, tasks)
    service = AdminService(
        config=config,
        mounts=mounts,
        cache=cache,
        access=access,
        verifier=Verifier(AuthRules(), access.secret_of),
        metrics=metrics,
        clock=clock,
        not_ready=lambda: node.not_ready,
        started_s=clock.monotonic_s(),
    )
    transport = httpx.ASGITransport(create(service))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        node = AdminNode(client, mounts, cache, service.metrics, clock)
        yield node
    await parts.aclose()
    await mounts.close()
    settings.close()
