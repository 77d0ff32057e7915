"""Which names may be used at a store: all that are not delicate, and of those the kinds that it keeps exactly."""

import asyncio

from gateway.backends.s3.delicate import Delicacy, delicacies, is_delicate, whole_segments
from gateway.backends.s3.listings import Listings
from gateway.backends.s3.objects import Objects
from gateway.backends.s3.trials import kept_exactly
from gateway.backends.s3.wire import Wire
from gateway.errors import KeyUnusable, ObjectMissing
from gateway.model import Key


class Names:
    """The store is tried once, when the first delicate name comes; a trial that fails is made again for the next."""

    def __init__(self, wire: Wire, objects: Objects, listings: Listings) -> None:
        self._wire = wire
        self._objects = objects
        self._listings = listings
        self._trying = asyncio.Lock()
        self._tried = False
        self._kept: frozenset[Delicacy] | None = None

    def is_delicate(self, key: Key) -> bool:
        """Whether `allows` and `check_read` have to look at this key."""
        return is_delicate(self._wire.place.prefix + key)

    async def allows(self, key: Key) -> bool:
        """Whether something may be changed under this key: never under a delicate one where no trial was possible."""
        if not self.is_delicate(key):
            return True
        kept = await self._kept_exactly()
        return kept is not None and delicacies(self._wire.place.prefix + key) <= kept

    async def check_read(self, key: Key) -> None:
        """Raises `KeyUnusable` for a name that the store does not keep.

        Where no trial was possible, the store must list exactly this name, else `ObjectMissing`.
        """
        if not self.is_delicate(key):
            return
        if await self._kept_exactly() is not None:
            if not await self.allows(key):
                raise KeyUnusable
        elif await self._listings.names(key, 1) != [self._wire.place.prefix + key]:
            raise ObjectMissing

    async def may_begin_with(self, prefix: bytes) -> bool:
        """Whether there can be keys with this prefix, and the store is asked about them rather than about others."""
        asked = self._wire.place.prefix + prefix
        begun = whole_segments(asked)
        if not is_delicate(begun):
            return True
        kept = await self._kept_exactly()
        if kept is not None:
            return delicacies(begun) <= kept
        return all(name.startswith(asked) for name in await self._listings.names(prefix, 1))

    async def _kept_exactly(self) -> frozenset[Delicacy] | None:
        async with self._trying:
            if not self._tried:
                self._kept = await kept_exactly(self._wire, self._objects, self._listings)
                self._tried = True
        return self._kept
