"""Writes through the cache: fenced against questions that run meanwhile, and kept for who reads them next.

A question to the backend that was sent before a write ended never installs its answer after it, and when a write
has returned nobody sees what was there before.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from gateway.backends.base import Body, Completion, Part, UploadId, WriteSpec
from gateway.budget import Budget
from gateway.cache.drafts import DraftMap, PartDrafts, Stretch
from gateway.cache.fence import Write
from gateway.cache.fills import MEMORY_WAIT_MAX_S
from gateway.cache.infos import Infos
from gateway.cache.keeping import Copied, Drafted
from gateway.cache.misses import MissReason
from gateway.clock import Clock
from gateway.errors import BackendBroken, ConditionFailed, GatewayError, UploadMissing
from gateway.model import BLOCK_SIZE, Info, Key, Known, Version
from gateway.mounts import Mount
from gateway.store.store import BlockStore

Settle = Callable[[Info, Known], Awaitable[None]]
"""Makes what was written known: called while the write is still open, and only if it was alone."""

_DOUBTFUL = (BackendBroken, ConditionFailed, UploadMissing)
"""Failures that a write also ends with when it was tried again although the first try came through."""


class Writes:
    """Everything that changes objects of cached mounts."""

    def __init__(
        self,
        store: BlockStore,
        infos: Infos,
        drafts: DraftMap,
        memory: Budget,
        clock: Clock,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._store = store
        self._infos = infos
        self._drafts = drafts
        self._parts = PartDrafts()
        self._memory = memory
        self._clock = clock
        self._tasks = tasks

    async def write(self, mount: Mount, key: Key, body: Body, spec: WriteSpec) -> Info:
        """As `Backend.write`; what passes is kept where the mount says so."""
        if not mount.policy.keeps_writes:
            return await self._fenced(
                mount, key, lambda: mount.backend.write(key, body, spec), self._install(mount, key)
            )
        if body.size > BLOCK_SIZE:
            return await self._write_drafted(mount, key, body, spec)
        async with self._memory.reserve(body.size, MEMORY_WAIT_MAX_S):
            copied = Copied(body)

            async def settle(info: Info, known: Known) -> None:
                content = self._store.content(mount.bucket, key, info.version, info.size)
                if info.size and info.size == len(copied.data):
                    outcome = await self._store.keep(content, 0, copied.data, known, mount.policy.terms)
                    self._infos.refused(mount, key, outcome)
                else:
                    await self._store.install(mount.bucket, key, known)

            return await self._fenced(mount, key, lambda: mount.backend.write(key, copied, spec), settle)

    async def copy(self, mount: Mount, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        """As `Backend.copy`."""
        return await self._fenced(
            mount, key, lambda: mount.backend.copy(source, pin, key, spec), self._install(mount, key)
        )

    async def write_part(self, mount: Mount, upload: UploadId, number: int, body: Body) -> Part:
        """As `Backend.write_part`; the part is kept as a draft until its upload is completed."""
        if not mount.policy.keeps_writes or not body.size:
            return await mount.backend.write_part(upload, number, body)
        op = os.urandom(16)
        drafted = self._drafted(mount, upload.key, body, op)
        part = await mount.backend.write_part(upload, number, drafted)
        await drafted.settled()
        self._parts.put(upload.native, number, part.etag, body.size, op, self._clock.monotonic_s())
        return part

    async def complete_upload(
        self, mount: Mount, upload: UploadId, parts: Sequence[Part], completion: Completion, sizes: Mapping[int, int]
    ) -> Info:
        """As `Backend.complete_upload`; `sizes` of the parts as far as the caller knows them."""

        async def settle(info: Info, known: Known) -> None:
            named = [(part.number, part.etag) for part in parts]
            sources = self._parts.sources(upload.native, named, sizes)
            if sources:
                self._remember(mount, upload.key, info, sources)
            await self._store.install(mount.bucket, upload.key, known)

        info = await self._fenced(
            mount, upload.key, lambda: mount.backend.complete_upload(upload, parts, completion), settle
        )
        self._parts.drop(upload.native)
        return info

    async def abort_upload(self, mount: Mount, upload: UploadId) -> None:
        """As `Backend.abort_upload`."""
        await mount.backend.abort_upload(upload)
        self._parts.drop(upload.native)

    async def delete(self, mount: Mount, key: Key, pin: Version | None) -> None:
        """As `Backend.delete`."""
        await self.delete_all(mount, [key], lambda: mount.backend.delete(key, pin))

    async def delete_batch(self, mount: Mount, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        """As `Backend.delete_batch`."""
        outcomes: list[GatewayError | None] = []

        async def commit() -> None:
            outcomes.extend(await mount.backend.delete_batch(keys))

        await self.delete_all(mount, keys, commit)
        return outcomes

    async def delete_all(self, mount: Mount, keys: Sequence[Key], commit: Callable[[], Awaitable[None]]) -> None:
        """Deletes objects; whatever comes of it, nothing is known of them afterwards."""
        async with AsyncExitStack() as open_writes:
            for key in keys:
                write = self._infos.fence.begin(mount.bucket, key)
                open_writes.push_async_callback(self._end_forgotten, mount, write)
            await commit()

    async def _write_drafted(self, mount: Mount, key: Key, body: Body, spec: WriteSpec) -> Info:
        op = os.urandom(16)
        drafted = self._drafted(mount, key, body, op)

        async def settle(info: Info, known: Known) -> None:
            await drafted.settled()
            if info.size == drafted.size:
                self._remember(mount, key, info, [Stretch(0, info.size, op)])
            await self._store.install(mount.bucket, key, known)

        return await self._fenced(mount, key, lambda: mount.backend.write(key, drafted, spec), settle)

    def _drafted(self, mount: Mount, key: Key, body: Body, op: bytes) -> Drafted:
        draft = self._store.draft(mount.bucket, key, op)
        return Drafted(body, draft, mount.policy.terms, self._store, self._memory, self._tasks)

    def _remember(self, mount: Mount, key: Key, info: Info, sources: Sequence[Stretch]) -> None:
        self._drafts.remember(mount.bucket, key, info.version, sources, self._clock.monotonic_s())

    def _install(self, mount: Mount, key: Key) -> Settle:
        async def settle(_info: Info, known: Known) -> None:
            await self._store.install(mount.bucket, key, known)

        return settle

    async def _fenced(self, mount: Mount, key: Key, commit: Callable[[], Awaitable[Info]], settle: Settle) -> Info:
        """Runs a write behind the fence; returns when nobody can see any more what was there before."""
        fence = self._infos.fence
        write = fence.begin(mount.bucket, key)
        try:
            info = await commit()
        except GatewayError as error:
            if error.retry or isinstance(error, _DOUBTFUL) or not fence.is_alone(write):
                # Nobody knows whether the backend has taken it, or what is there.
                await self._end_forgotten(mount, write)
            else:
                fence.end(write)
            raise
        except BaseException:
            await self._end_forgotten(mount, write)
            raise
        await self._end_written(mount, write, info, settle)
        return info

    async def _end_written(self, mount: Mount, write: Write, info: Info, settle: Settle) -> None:
        # The write stays open until its outcome is visible, so that no read trusts what was there before;
        # and if another began meanwhile, which of the two is there now is not known.
        known = Known(info, int(self._clock.now_s()))
        self._infos.absences.drop(write.bucket, write.key)
        is_settled = False
        try:
            if self._infos.fence.is_alone(write):
                await settle(info, known)
                is_settled = self._infos.fence.is_alone(write)
        finally:
            # Also if it was cancelled meanwhile: the backend has taken it all the same.
            if is_settled:
                self._infos.fence.end(write)
            else:
                await self._end_forgotten(mount, write)

    async def _end_forgotten(self, mount: Mount, write: Write) -> None:
        try:
            await self._infos.forget(mount, write.key, MissReason.WRITTEN)
        finally:
            self._infos.absences.drop(write.bucket, write.key)
            self._infos.fence.end(write)
