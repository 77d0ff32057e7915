"""Tries what an S3 store really holds, with a few objects of its own under `.forebay/probe/`."""

import secrets
import zlib
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.backends.base import RESERVED, Capabilities, Completion, Conditional, WriteSpec
from gateway.backends.s3.objects import Objects
from gateway.backends.s3.uploads import Uploads
from gateway.backends.s3.wire import Wire
from gateway.errors import AccessRefused, BackendBroken, ConditionFailed, Unsupported, UploadMissing
from gateway.model import UNCONDITIONAL, Algorithm, Checksum, Condition, IfAbsent, IfVersion, Info, Key, Version

_STALE = IfVersion(Version(b"00000000000000000000000000000000/0"))
_PROBE = b"probe"
_CHECKSUM = Checksum(Algorithm.CRC32, zlib.crc32(_PROBE).to_bytes(4, "big"))
_TAGS = (("probe", "1"),)


async def probed(believed: Capabilities, wire: Wire, objects: Objects, uploads: Uploads) -> Capabilities:
    """`believed`, and what conditions, checksums and tags the store holds. Nothing is left behind.

    Where the gateway may not write, no condition is ever held. Raises what keeps the store from answering.
    """
    key = Key(RESERVED + b"/probe/" + secrets.token_hex(8).encode())
    probe = _Probe(wire.place.own_path(key), key, objects, uploads)
    try:
        written = await probe.write(UNCONDITIONAL)
    except AccessRefused:
        return replace(believed, tags=False, checksums=False)
    try:
        return replace(
            believed,
            conditional_create=Conditional.NATIVE if await _refused(probe.write(IfAbsent())) else Conditional.NO,
            conditional_replace=Conditional.NATIVE if await probe.replaces() else Conditional.NO,
            conditional_complete=Conditional.NATIVE if await probe.completes() else Conditional.CHECKED,
            conditional_delete=Conditional.NATIVE if await probe.deletes() else Conditional.CHECKED,
            tags=await probe.tags(),
            checksums=written.checksum == _CHECKSUM,
        )
    finally:
        await objects.delete(probe.path, None, Conditional.NO)


class _ProbeBody:
    checksum = _CHECKSUM
    size = len(_PROBE)

    async def pieces(self) -> AsyncIterator[bytes]:
        yield _PROBE


@dataclass(frozen=True, slots=True)
class _Probe:
    path: str
    key: Key
    objects: Objects
    uploads: Uploads

    async def write(self, condition: Condition) -> Info:
        return await self.objects.write(self.path, _ProbeBody(), WriteSpec(condition=condition))

    async def replaces(self) -> bool:
        """Whether If-Match is heeded: it must hold back, and let pass."""
        if not await _refused(self.write(_STALE)):
            return False
        current = await self.objects.stat(self.path)
        return not await _refused(self.write(IfVersion(current.version)))

    async def completes(self) -> bool:
        """Whether both conditions are heeded at the end of an upload."""
        upload = await self.uploads.begin(self.path, self.key, WriteSpec())
        part = await self.uploads.write_part(upload, 1, _ProbeBody())
        try:
            for condition in (IfAbsent(), _STALE):
                if not await _refused(self.uploads.complete(upload, [part], Completion(condition), compared=False)):
                    return False
        finally:
            with suppress(UploadMissing):
                await self.uploads.abort(upload)
        return True

    async def deletes(self) -> bool:
        """Whether If-Match is heeded by deletes."""
        heeded = await _refused(self.objects.delete(self.path, _STALE.version, Conditional.NATIVE))
        if not heeded:
            await self.write(UNCONDITIONAL)
        return heeded

    async def tags(self) -> bool:
        try:
            await self.objects.set_tags(self.path, _TAGS)
            return await self.objects.tags(self.path) == _TAGS
        except (AccessRefused, BackendBroken, Unsupported):
            return False


async def _refused(outcome: Awaitable[object]) -> bool:
    """Whether a condition that does not hold kept the store from acting."""
    try:
        await outcome
    except ConditionFailed:
        return True
    except (BackendBroken, Unsupported):
        # It knows no such condition and says so; what it does not act on it does not hold either.
        return False
    return False
