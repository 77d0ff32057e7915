"""The stores under contract. A new backend joins by one more line in `STORES`, one behind a server in `SERVED` too."""

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ParamSpec

import boto3

from gateway.backends.base import Backend
from gateway.backends.local import LocalBackend
from gateway.backends.memory import MemoryBackend
from gateway.backends.s3 import S3Backend
from gateway.backends.steady import Endpoint, Meter, Rate, Steady, Terms
from gateway.clock import SystemClock
from gateway.config.places import LocalOptions, S3Options
from gateway.metrics import Metrics
from tests.real.servers import Server

P = ParamSpec("P")

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Store:
    """An empty place, and a way to open it."""

    name: str
    connect: Callable[[], Backend]
    """Each call gives an instance over the same objects, as another node would have."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Backend]:
        backend = self.connect()
        try:
            yield backend
        finally:
            await backend.close()


def memory(_directory: Path) -> Store:
    # Memory is one process's: a second instance cannot exist, so it is the first again.
    backend = MemoryBackend()
    return Store("memory", lambda: backend)


def steady(_directory: Path) -> Store:
    backend = MemoryBackend()
    endpoint = Endpoint("memory", SystemClock(), Random(1))
    return Store("steady", lambda: Steady(backend, Terms(endpoint, Meter(Metrics(), "memory"), Rate(0), Rate(0))))


def local_exact(directory: Path) -> Store:
    return Store("local-exact", lambda: LocalBackend(str(directory), LocalOptions(keys="exact")))


def local_escape(directory: Path) -> Store:
    return Store("local-escape", lambda: LocalBackend(str(directory), LocalOptions(keys="escape")))


def s3(server: Server) -> Store:
    """A bucket of its own at an S3 server."""
    bucket = f"contract-{next(_numbers)}"
    values = server.values
    options = S3Options.model_validate(
        {
            "endpoint_url": server.endpoint,
            "access_key_id": values["ACCESS_KEY"],
            "secret_access_key": values["SECRET_KEY"],
            "region": values["REGION"],
        }
    )
    _client(server.endpoint, values["ACCESS_KEY"], values["SECRET_KEY"], values["REGION"]).create_bucket(Bucket=bucket)
    return Store(server.name, lambda: S3Backend(f"s3://{bucket}", options))


STORES: Mapping[str, Callable[[Path], Store]] = {
    "memory": memory,
    "steady": steady,
    "local-exact": local_exact,
    "local-escape": local_escape,
}

SERVED: Mapping[str, Callable[[Server], Store]] = {"moto": s3, "seaweedfs": s3, "ceph-rgw": s3}
"""By the server's name; each is started once in a test run."""


def asynchronous(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Runs a test in a loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


@functools.cache
def _client(endpoint: str, key_id: str, secret: str, region: str):  # type: ignore[no-untyped-def]  # boto3 has no types
    return boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=key_id, aws_secret_access_key=secret, region_name=region
    )
