"""A node without a server: the handlers, real mounts in memory, and requests made by hand."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from hashlib import md5
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from xml.etree import ElementTree

from gateway.access.keys import Access
from gateway.backends.base import Backend
from gateway.backends.memory import MemoryBackend
from gateway.budget import Budget
from gateway.cache import Cache
from gateway.clock import ManualClock
from gateway.config import Config, StoreConfig
from gateway.errors import BodyIncomplete, GatewayError
from gateway.handlers import handle
from gateway.handlers.call import Answer, Call, Incoming
from gateway.handlers.service import Service
from gateway.metrics import Metrics
from gateway.mounts import Mounts
from gateway.s3.auth import AuthRules, Verifier, client_address
from gateway.s3.choice import choose
from gateway.s3.errors import fields_of, row_of
from gateway.s3.head import Head
from gateway.s3.proof import ANONYMOUS, Mechanism, Proof
from gateway.s3.seal import Sealer
from gateway.s3.target import resolve
from gateway.settings import Settings
from gateway.store.store import BlockStore
from gateway.tasks import tasks_until_end

T = TypeVar("T")

ALL = {"effect": "Allow", "action": ["s3:*"], "resource": ["*"]}
CONFIG: dict[str, object] = {
    "node": {"name": "node-1"},
    "access_key": [
        {"id": "root", "secret": "root-secret", "user": "root", "policy": "all"},
        {"id": "alice", "secret": "alice-secret", "user": "alice", "policy": "maker"},
        {"id": "reader", "secret": "reader-secret", "user": "reader", "policy": "reader"},
    ],
    "policy": {
        "all": {"statement": [ALL]},
        "maker": {"statement": [{"effect": "Allow", "action": "s3:CreateBucket", "resource": "*"}]},
        "reader": {"statement": [{"effect": "Allow", "action": "s3:GetObject", "resource": "demo/*"}]},
    },
    "new_buckets": {"backend": "memory"},
    "mount": [
        {"bucket": "demo", "backend": "memory"},
        {"bucket": "other", "backend": "memory"},
        {"bucket": "fixed", "backend": "memory", "writes": "deny"},
    ],
}


class Body:
    """A request's raw body in the given pieces; `breaks_off`: the client is gone after them."""

    def __init__(self, pieces: Sequence[bytes], *, breaks_off: bool = False) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self._breaks_off = breaks_off
        self.asked = False

    async def chunk(self) -> bytes | None:
        self.asked = True
        if self._pieces:
            return self._pieces.pop(0)
        if self._breaks_off:
            raise BodyIncomplete
        return None


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client would see."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    code: str = ""
    size: int | None = None

    @property
    def xml(self) -> ElementTree.Element:
        return ElementTree.fromstring(self.body)

    def texts(self, name: str) -> list[str]:
        return [element.text or "" for element in self.xml.iter() if element.tag.rpartition("}")[2] == name]

    def text(self, name: str) -> str:
        return self.texts(name)[0]


class Node:
    """One node; every call is one request answered to its end."""

    def __init__(
        self, data_dir: Path, config: Mapping[str, object] = CONFIG, store: Callable[[], Backend] = MemoryBackend
    ) -> None:
        """`store` makes the backend of each bucket."""
        self.clock = ManualClock()
        self._store = store
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.service = self._runner.run(self._open(data_dir, Config.model_validate(config)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._stack.aclose())
        self._runner.close()

    def run(self, scenario: Coroutine[None, None, T]) -> T:
        """Runs a scenario of several requests at once."""
        return self._runner.run(scenario)

    def request(
        self,
        method: str,
        target: str,
        body: bytes | Body | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        user: str | None = "root",
        payload: str = "UNSIGNED-PAYLOAD",
    ) -> Reply:
        """Answers one request; `user` is a key id, None for an unsigned request."""
        return self.run(self.answered(method, target, body, headers, user=user, payload=payload))

    async def answered(
        self,
        method: str,
        target: str,
        body: bytes | Body | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        user: str | None = "root",
        payload: str = "UNSIGNED-PAYLOAD",
    ) -> Reply:
        incoming = body if isinstance(body, Body) else Body([body or b""])
        sized = {"content-length": str(len(body))} if isinstance(body, bytes) else {}
        head = _head(method, target, {**sized, **(headers or {})})
        proof = ANONYMOUS if user is None else Proof(Mechanism.V4_HEADER, user, payload)
        try:
            answer = await self._answer(head, proof, incoming)
        except GatewayError as error:
            row = row_of(error)
            return Reply(row.status, {**error.details, **dict(fields_of(error))}, str(error).encode(), row.code)
        return await self.finished(answer)

    async def begun(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """The answer as it is handed to the server, its body still to be sent."""
        return await self._answer(_head(method, target, headers), Proof(Mechanism.V4_HEADER, "root"), Body([]))

    async def begun_stream(self, target: str, client: Incoming, size: int) -> Answer:
        """A PUT of `size` bytes whose body comes from `client`."""
        head = _head("PUT", target, {"content-length": str(size)})
        return await self._answer(head, Proof(Mechanism.V4_HEADER, "root"), client)

    async def finished(self, answer: Answer) -> Reply:
        """What a client has when the last byte was sent."""
        async with answer.held or AsyncExitStack():
            body = answer.body
            if answer.stream is not None:
                body = b"".join([bytes(piece) async for piece in answer.stream])
                assert answer.size is None or answer.size == len(body)
        return Reply(answer.status, dict(answer.fields), body, size=answer.size)

    async def _answer(self, head: Head, proof: Proof, incoming: Incoming) -> Answer:
        service = self.service
        now_s = self.clock.now_s()
        target = resolve(head, service.domain)
        if proof == ANONYMOUS:
            proof = service.verifier.authenticate(head, target, now_s)
        operation = choose(head, target)
        address = client_address(head, service.verifier.rules)
        caller = service.access.caller(proof, address=address, secure=False)
        return await handle(service, Call("REQ1", head, target, proof, caller, incoming, now_s), operation)

    async def _open(self, data_dir: Path, config: Config) -> Service:
        settings = Settings.open(data_dir, self.clock)
        self._stack.callback(settings.close)
        mounts = Mounts(config, settings, self.clock, lambda _place, _mount: self._store())
        await mounts.open()
        self._stack.push_async_callback(mounts.close)
        hashers = ThreadPoolExecutor(1)
        self._stack.callback(hashers.shutdown)
        access = Access(config.access_key, config.policy, self.clock)
        blocks = await self._stack.enter_async_context(
            BlockStore.open(StoreConfig(paths=(data_dir / "store",)), self.clock)
        )
        tasks = await self._stack.enter_async_context(tasks_until_end())
        return Service(
            mounts=mounts,
            cache=Cache(blocks, Budget(16 * 1024 * 1024), self.clock, Metrics(), tasks),
            access=access,
            verifier=Verifier(AuthRules(), access.secret_of),
            token_sealer=Sealer([b"k" * 32], "list"),
            upload_sealer=Sealer([b"k" * 32], "upload"),
            budget=Budget(64 * 1024 * 1024),
            hashers=hashers,
            node_name=config.node.name,
            region=config.s3.region,
        )

    def change_service(self, *, slow_answer_s: float) -> None:
        self.service = replace(self.service, slow_answer_s=slow_answer_s)


def _head(method: str, target: str, headers: Mapping[str, str]) -> Head:
    fields = {"host": "s3.test", **headers}
    encoded = tuple((name.encode(), value.encode("latin-1")) for name, value in fields.items())
    return Head(method, target.encode(), encoded)


def md5_of(body: bytes) -> str:
    """The value of Content-MD5."""
    return b64encode(md5(body).digest()).decode()
