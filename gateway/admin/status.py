"""What a node says of itself."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel

from gateway import __version__
from gateway.admin.policy import Policy, policy_of
from gateway.admin.service import AdminService
from gateway.backends.base import ListQuery
from gateway.config import warnings_of
from gateway.errors import GatewayError
from gateway.mounts import Mount
from gateway.store.health import DiskState
from gateway.store.values import Pool

PROBE_TIME_MAX_S = 2.0
"""How long a mount may take to show that it is there."""
PROBES_MAX = 16
"""Mounts probed at once."""


class Listen(BaseModel):
    """Where the node listens."""

    s3: str
    admin: str
    tls: bool
    domain: str


class DiskStatus(BaseModel):
    """A disk of the store.

    `gate` is what it does with new blocks of buckets whose admission is `auto`, once it `is_full`. `scrubbed_s` is when
    all of it was last verified, 0 for never; `scrub_progress` is above 0 while that is done.
    """

    state: DiskState
    is_full: bool
    gate: Literal["churn", "hold"]
    scrubbed_s: int
    scrub_progress: float


class StoreStatus(BaseModel):
    """How full the store is, and what it did since the start.

    `used_bytes` is all that counts against `capacity_bytes`, `live_bytes` what can be found, `pools` of what kind that
    is. `refused_total` blocks were not kept, for want of room or of a disk that writes, or as what is there is read
    more often; `damaged_total` read as misses.
    """

    paths: list[str]
    disks: list[DiskStatus]
    """In the order of `paths`."""
    capacity_bytes: int
    used_bytes: int
    live_bytes: int
    index_bytes: int
    segments: int
    pools: dict[Pool, int]
    kept_bytes_total: int
    moved_bytes_total: int
    evicted_bytes_total: int
    refused_total: int
    damaged_total: int


class MountStatus(BaseModel):
    """A bucket, where its objects lie, how they are cached, and whether they can be reached."""

    bucket: str
    backend: str
    uri: str
    origin: Literal["file", "made"]
    writable: bool
    policy: Policy
    reachable: bool
    problem: str | None


class Status(BaseModel):
    """The node now. `state` is `ready`, or else why the node does not serve."""

    node: str
    version: str
    state: str
    uptime_s: float
    time_s: float
    listen: Listen
    requests_in_progress: int
    store: StoreStatus
    mounts: list[MountStatus]
    warnings: list[str]


async def collect(service: AdminService) -> Status:
    """Asks every mount whether it is there, all at once, and reads the rest off the node."""
    config = service.config
    return Status(
        node=config.node.name,
        version=__version__,
        state=service.not_ready() or "ready",
        uptime_s=round(service.clock.monotonic_s() - service.started_s, 3),
        time_s=round(service.clock.now_s(), 3),
        listen=Listen(
            s3=str(config.listen.s3),
            admin=str(config.listen.admin),
            tls=config.listen.tls_cert is not None,
            domain=config.listen.domain,
        ),
        requests_in_progress=service.metrics.requests_in_progress(),
        store=_store(service),
        mounts=await _mounts(service.mounts.all()),
        warnings=warnings_of(config),
    )


def _store(service: AdminService) -> StoreStatus:
    paths = [str(path) for path in service.config.store.paths]
    store = service.cache.store
    usage = dataclasses.asdict(store.usage())
    for disk, gate in zip(usage["disks"], store.gates(), strict=True):
        disk.update(is_full=gate.is_full, gate=gate.mode.value)
    return StoreStatus(paths=paths, **usage)


async def _mounts(mounts: Sequence[Mount]) -> list[MountStatus]:
    slots = asyncio.Semaphore(PROBES_MAX)

    async def probed(mount: Mount) -> MountStatus:
        async with slots:
            problem = await _problem(mount)
        return MountStatus(
            bucket=mount.bucket,
            backend=mount.place.backend,
            uri=mount.place.uri,
            origin=mount.origin.value,
            writable=mount.writable,
            policy=policy_of(mount),
            reachable=problem is None,
            problem=problem,
        )

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(probed(mount)) for mount in mounts]
    return [task.result() for task in tasks]


async def _problem(mount: Mount) -> str | None:
    try:
        async with asyncio.timeout(PROBE_TIME_MAX_S):
            await mount.backend.list(ListQuery(delimiter=b"/", limit=1))
    except GatewayError as error:
        # The answer is about the mount: what is wrong with it is part of it.
        return str(error)
    except TimeoutError:
        return f"does not answer within {PROBE_TIME_MAX_S:g} s"
    return None
