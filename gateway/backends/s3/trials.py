"""Tries which delicate names a store keeps exactly, with objects of its own under `.forebay/probe/`."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.backends.base import RESERVED, Conditional, WriteSpec
from gateway.backends.s3.delicate import SAMPLES, Delicacy
from gateway.backends.s3.listings import Listings
from gateway.backends.s3.objects import Objects
from gateway.backends.s3.wire import Wire
from gateway.errors import (
    AccessRefused,
    BackendBroken,
    Conflict,
    CredentialsRefused,
    KeyUnusable,
    ObjectMissing,
    Unsupported,
)

_REFUSALS = (AccessRefused, BackendBroken, Conflict, CredentialsRefused, KeyUnusable, ObjectMissing, Unsupported)
"""How stores refuse a name; one that resolves it before it checks the signature refuses the credentials."""

_FOUND_MAX = 100


async def kept_exactly(wire: Wire, objects: Objects, listings: Listings) -> frozenset[Delicacy] | None:
    """The kinds of names that the store keeps exactly, or None where the gateway may not try. Leaves nothing behind.

    Raises what keeps the store from answering.
    """
    root = RESERVED + b"/probe/keys-" + secrets.token_hex(8).encode()
    trial = _Trial(wire, objects, listings)
    try:
        # What ordinary names meet with is no answer to the delicate ones.
        await trial.outcome(root + b"/plain/", b"a")
    except (AccessRefused, Unsupported):
        return None
    kept = set()
    if await trial.keeps(trial.leading(root) + b"/leading/", b"a"):
        kept.add(Delicacy.LEADING_SLASH)
    for kind, names in SAMPLES.items():
        folder = b"%s/%s/" % (root, kind.name.encode())
        if all([await trial.keeps(b"%s%d/" % (folder, at), name) for at, name in enumerate(names)]):
            kept.add(kind)
    return frozenset(kept)


class _TrialBody:
    checksum = None
    size = 5

    async def pieces(self) -> AsyncIterator[bytes]:
        yield b"trial"


@dataclass(frozen=True, slots=True)
class _Trial:
    """Folders and names are keys: counted from the prefix of the place."""

    wire: Wire
    objects: Objects
    listings: Listings

    def leading(self, root: bytes) -> bytes:
        """The folder with a slash before it, as far as the prefix lets a name begin with one."""
        return root if self.wire.place.prefix else b"/" + root

    async def keeps(self, folder: bytes, name: bytes) -> bool:
        """Whether the name is kept exactly, in a folder where nothing else is."""
        try:
            return await self.outcome(folder, name)
        except _REFUSALS:
            return False
        finally:
            await self._sweep(folder)

    async def outcome(self, folder: bytes, name: bytes) -> bool:
        """As `keeps`; raises how the store refuses."""
        place = self.wire.place
        key, path = place.prefix + folder + name, place.own_path(folder + name)
        written = await self.objects.write(path, _TrialBody(), WriteSpec())
        kept = (
            await self._found(folder) == [key]
            and await self._found(folder + name) == [key]
            and (await self.objects.stat(path)).version == written.version
        )
        await self.objects.delete(path, None, Conditional.NO)
        return kept and not await self._found(folder)

    async def _found(self, prefix: bytes) -> list[bytes]:
        return await self.listings.names(prefix, _FOUND_MAX)

    async def _sweep(self, folder: bytes) -> None:
        """Deletes what another name than the one written came to lie under."""
        prefix = self.wire.place.prefix
        for name in await self._found(folder):
            if name.startswith(prefix):
                await self.objects.delete(self.wire.place.own_path(name[len(prefix) :]), None, Conditional.NO)
