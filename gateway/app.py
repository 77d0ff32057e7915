"""Builds one node of its parts, and takes them down in reverse."""

import asyncio
import errno
import gc
import logging
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from random import SystemRandom
from statistics import mean

import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway import logs
from gateway.access.keys import Access
from gateway.admin import AdminService, create
from gateway.backends.open import Opener
from gateway.budget import Budget
from gateway.cache import Cache
from gateway.clock import Clock, SystemClock
from gateway.config import Address, Config, warnings_of
from gateway.errors import ConfigInvalid
from gateway.handlers.service import Service
from gateway.metrics import Metrics
from gateway.model import MIB
from gateway.mounts import Mounts
from gateway.s3.auth import AuthRules, Verifier
from gateway.s3.seal import Sealer
from gateway.server.connection import Connection
from gateway.server.door import Door, DoorLimits
from gateway.server.listener import Listener, listen
from gateway.server.tls import Certificate
from gateway.settings import Settings
from gateway.store.gate import Mode
from gateway.store.health import DiskState
from gateway.store.store import BlockStore
from gateway.store.values import Pool
from gateway.tasks import tasks_until_end

HASHERS = 2
"""Threads that hash bodies; hashing holds the GIL only for moments, so more would only fight for cores."""
FILLS_SHARE = 8
"""One part in so many of `limits.transfer_memory` is for bytes on their way from backends, the rest for requests:
readers that wait for a fill must not hold the memory that it waits for."""
FILLS_MIN = 2 * MIB
"""One stream and one block at least."""
LAG_EVERY_S = 0.1
GC_THRESHOLDS = (20_000, 20, 50)
"""New objects before the collector looks, and how often its older generations join."""
EXPOSED_EVERY_S = 60.0
ADMIN_STOP_GRACE_S = 1.0
"""The admin port ends when no S3 answer is in progress any more; what it answers itself is short."""

log = logging.getLogger(__name__)


def run(config: Config, announce: Callable[[], None] | None = None) -> int:
    """Runs one node until it is told to stop; returns the exit code.

    `announce` is called once, when the first request can be answered. Raises `ConfigInvalid` for what
    only shows when the parts are opened: an address in use, a directory of another node, a bad certificate.
    """
    logs.configure(config.log.format, config.log.level)
    _take_open_files()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(config, announce))


def _take_open_files() -> None:
    """Takes all the open files there may be: the soft limit is often 1,024, which so many idle clients use up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS calls the hard limit infinite and grants less; what there was stays then.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(config: Config, announce: Callable[[], None] | None) -> int:
    node = Node(config, SystemClock())
    async with node.opened():
        node.heed_signals()
        await node.serve(announce)
    return 0


class Node:
    """One running node. `opened` makes the parts, `serve` answers until `stop`."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.metrics = Metrics()
        self._state = "starting"
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The parts in order, closed in reverse."""
        config = self._config
        async with AsyncExitStack() as stack:
            settings = Settings.open(config.node.data_dir, self._clock)
            stack.callback(settings.close)
            mounts = Mounts(config, settings, self._clock, Opener(self.metrics, self._clock, SystemRandom()).open)
            await mounts.open()
            stack.push_async_callback(mounts.close)
            hashers = ThreadPoolExecutor(HASHERS, thread_name_prefix="hasher")
            stack.callback(hashers.shutdown)
            transfer_memory = int(config.limits.transfer_memory)
            fills = Budget(max(FILLS_MIN, transfer_memory // FILLS_SHARE))
            requests = Budget(transfer_memory - fills.limit_bytes)
            store = await stack.enter_async_context(BlockStore.open(config.store, self._clock))
            tasks = await stack.enter_async_context(tasks_until_end())
            cache = Cache(store, fills, self._clock, self.metrics, tasks)
            parts = _Parts(settings, mounts, cache, requests, hashers)
            self._service = _service(config, parts, self._clock)
            self._certificate = _certificate(config)
            memory = self.metrics.transfer_memory_bytes
            memory.labels(state="limit").set(transfer_memory)
            memory.labels(state="used").set_function(lambda: requests.used_bytes + fills.used_bytes)
            _show_store(self.metrics, store)
            self._s3, self._admin = self._listening()
            yield

    def heed_signals(self) -> None:
        """SIGTERM and SIGINT stop the node; a second one ends it at once. SIGHUP is answered in the log only."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        # A terminal that closes must not take a node with it; who sends it to reload is told what to do.
        loop.add_signal_handler(signal.SIGHUP, log.warning, "SIGHUP changes nothing: restart to load the configuration")

    def stop(self) -> None:
        """Says no on /readyz, ends accepting, lets answers in progress end within `node.stop_grace`."""
        if self._stopping.is_set():
            self._s3.force_exit = self._admin.force_exit = True
            return
        self._state = "stopping"
        log.info("stopping", extra={"grace_s": float(self._config.node.stop_grace)})
        self._stopping.set()
        self._s3.stop()

    def not_ready(self) -> str | None:
        """Why this node serves no requests now; None if it does."""
        return None if self._state == "ready" else self._state

    async def serve(self, announce: Callable[[], None] | None) -> None:
        """Answers requests until `stop`, and returns when the last answer has ended or its grace is over."""
        async with asyncio.TaskGroup() as tasks:
            s3, admin = tasks.create_task(self._s3.run()), tasks.create_task(self._admin.run())
            chores = [tasks.create_task(watch_lag(self.metrics.event_loop_lag_seconds.observe, self._clock))]
            if _is_admin_exposed(self._config):
                chores.append(tasks.create_task(_keep_warning()))
            if self._certificate is not None:
                chores.append(tasks.create_task(self._certificate.keep_fresh()))
            await self._s3.accepting.wait()
            await self._admin.accepting.wait()
            if not self._stopping.is_set():
                self._ready(announce)
            await s3
            # Last, so that /readyz and /metrics answer for as long as anything is in progress.
            self._admin.stop()
            await admin
            for chore in chores:
                chore.cancel()
        log.info("stopped")

    def _ready(self, announce: Callable[[], None] | None) -> None:
        self._state = "ready"
        # What start-up made lives as long as the process; the collector need not look at it again.
        gc.collect()
        gc.freeze()
        # Requests leave no cycles but for failures; the collector's usual haste costs a tenth of a small answer.
        gc.set_threshold(*GC_THRESHOLDS)
        listen_on = self._config.listen
        log.info(
            "ready", extra={"node": self._config.node.name, "s3": str(listen_on.s3), "admin": str(listen_on.admin)}
        )
        for warning in warnings_of(self._config):
            log.warning("configuration", extra={"problem": warning})
        if announce is not None:
            announce()

    def _listening(self) -> tuple[Listener, Listener]:
        config = self._config
        limits = DoorLimits(config.limits.requests, config.limits.connections, float(config.log.slow))
        door = Door(self._service, self.metrics, self._clock, limits=limits, not_ready=self.not_ready)
        admin = create(self._admin_service())
        s3_socket, admin_socket = _sockets({"listen.s3": config.listen.s3, "listen.admin": config.listen.admin})
        tls = self._certificate.context if self._certificate else None
        return (
            Listener(door, s3_socket, Connection, tls=tls, stop_grace_s=float(config.node.stop_grace)),
            Listener(admin, admin_socket, HttpToolsProtocol, tls=tls, stop_grace_s=ADMIN_STOP_GRACE_S),
        )

    def _admin_service(self) -> AdminService:
        return AdminService(
            config=self._config,
            mounts=self._service.mounts,
            cache=self._service.cache,
            access=self._service.access,
            verifier=self._service.verifier,
            metrics=self.metrics,
            clock=self._clock,
            not_ready=self.not_ready,
            started_s=self._clock.monotonic_s(),
        )


async def watch_lag(observe: Callable[[float], None], clock: Clock) -> None:
    """Tells again and again by how many seconds the event loop was late; until cancelled."""
    while True:
        due_s = clock.monotonic_s() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S)
        observe(max(0.0, clock.monotonic_s() - due_s))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What requests work with."""

    settings: Settings
    mounts: Mounts
    cache: Cache
    budget: Budget
    hashers: ThreadPoolExecutor


def _show_store(metrics: Metrics, store: BlockStore) -> None:
    def bytes_of(pool: Pool) -> int:
        return store.usage().pools[pool]

    def disks_in(mode: Mode) -> int:
        return sum(gate.mode is mode for gate in store.gates())

    def disks_that_are(state: DiskState) -> int:
        return sum(disk.state is state for disk in store.usage().disks)

    for pool in Pool:
        metrics.cache_bytes.labels(pool=pool.value).set_function(partial(bytes_of, pool))
    metrics.cache_capacity_bytes.labels(state="limit").set_function(lambda: store.usage().capacity_bytes)
    metrics.cache_capacity_bytes.labels(state="used").set_function(lambda: store.usage().used_bytes)
    metrics.cache_kept_bytes.follow(lambda: store.usage().kept_bytes_total)
    metrics.cache_moved_bytes.follow(lambda: store.usage().moved_bytes_total)
    metrics.cache_evicted_bytes.follow(lambda: store.usage().evicted_bytes_total)
    metrics.cache_refused.follow(lambda: store.usage().refused_total)
    metrics.cache_damaged.follow(lambda: store.usage().damaged_total)
    for state in DiskState:
        metrics.cache_disks.labels(state=state.value).set_function(partial(disks_that_are, state))
    scrubbing = metrics.cache_scrub_progress_ratio
    scrubbing.set_function(lambda: mean(disk.scrub_progress for disk in store.usage().disks))
    for mode in Mode:
        metrics.cache_gate_disks.labels(mode=mode.value).set_function(partial(disks_in, mode))
    ratio = metrics.cache_gate_ratio
    ratio.labels(way="snapshot").set_function(lambda: mean(gate.ratios.snapshot for gate in store.gates()))
    ratio.labels(way="shadow").set_function(lambda: mean(gate.ratios.shadow for gate in store.gates()))
    ratio.labels(way="real").set_function(lambda: mean(gate.ratios.real for gate in store.gates()))


def _service(config: Config, parts: _Parts, clock: Clock) -> Service:
    access = Access(config.access_key, config.policy, clock)
    rules = AuthRules(
        signature_v2=config.s3.signature_v2,
        signature_v2_expires_max_s=float(config.s3.signature_v2_expires_max),
        trusted_proxies=config.listen.trusted_proxies,
        domain=config.listen.domain,
    )
    keys = [parts.settings.identity.sealing_key]
    return Service(
        mounts=parts.mounts,
        cache=parts.cache,
        access=access,
        verifier=Verifier(rules, access.secret_of),
        token_sealer=Sealer(keys, "list"),
        upload_sealer=Sealer(keys, "upload"),
        budget=parts.budget,
        hashers=parts.hashers,
        node_name=config.node.name,
        region=config.s3.region,
        domain=config.listen.domain,
    )


def _is_admin_exposed(config: Config) -> bool:
    return config.listen.tls_cert is None and not config.listen.admin.is_loopback


async def _keep_warning() -> None:
    """Says again and again what makes credentials readable on the way; until cancelled."""
    while True:
        log.warning("the admin port listens beyond loopback without TLS")
        await asyncio.sleep(EXPOSED_EVERY_S)


def _certificate(config: Config) -> Certificate | None:
    cert, key = config.listen.tls_cert, config.listen.tls_key
    if cert is None or key is None:
        return None
    return Certificate(cert, key)


def _sockets(addresses: Mapping[str, Address]) -> list[socket.socket]:
    """One that listens for each setting; raises `ConfigInvalid`, and then none is left open."""
    sockets: list[socket.socket] = []
    try:
        for setting, address in addresses.items():
            sockets.append(_listening_at(setting, address))
    except ConfigInvalid:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listening_at(setting: str, address: Address) -> socket.socket:
    try:
        return listen(address.host, address.port)
    except OSError as error:
        stop_it = "stop what listens there or " if error.errno == errno.EADDRINUSE else ""
        problem = f"{setting}: cannot listen on {address}: {error.strerror}; {stop_it}choose another address"
        raise ConfigInvalid([problem]) from error
