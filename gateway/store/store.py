"""The block store of a node: blocks and infos on its disks, found again after any end."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.clock import Clock
from gateway.config import StoreConfig
from gateway.model import Bucket, Info, Key, Known, Version
from gateway.store.values import Content, Place, Stay, Usage

Buffer = bytes | bytearray | memoryview


class BlockStore:
    """One authority for every block and info of this node. All methods belong to one event loop.

    A full, slow, damaged or vanished disk shows as misses and refusals, never as an exception.
    """

    @classmethod
    @asynccontextmanager
    async def open(cls, config: StoreConfig, clock: Clock) -> AsyncIterator["BlockStore"]:
        """Opens or formats the store, and closes it cleanly at the end.

        Raises `ConfigInvalid`: a directory of another node, a foreign or newer format, no room.
        """
        raise NotImplementedError
        yield cls()

    def content(self, bucket: Bucket, key: Key, version: Version, size: int) -> Content:
        """The name of one content of an object."""
        raise NotImplementedError

    def draft(self, bucket: Bucket, key: Key, op: bytes) -> Content:
        """The name of a draft; `op` is 16 random bytes."""
        raise NotImplementedError

    def known(self, bucket: Bucket, key: Key) -> Known | None:
        """The info kept, whatever its age; None where there is none.

        `validated_s` is 0 if it was validated before the last `distrust`, by another node, or in the future.
        """
        raise NotImplementedError

    def places(self, content: Content, first: int, count: int) -> list[Place | None]:
        """Where the blocks `first` to `first + count` lie; None for what is not here."""
        raise NotImplementedError

    def read_now(self, place: Place, start: int, stop: int) -> memoryview | None:
        """The bytes [start, stop) of a block, if they are verified and in the page cache; never waits for a disk.

        None says nothing about the block: `read` it. Counts as a hit.
        """
        raise NotImplementedError

    async def read(self, place: Place, start: int, stop: int) -> memoryview | None:
        """The bytes [start, stop) of a block, verified; None if it is damaged or gone, which is a miss from now on."""
        raise NotImplementedError

    async def keep(
        self, content: Content, number: int, data: Buffer, known: Known | None = None, stay: Stay = Stay.GATE
    ) -> bool:
        """Keeps a block; returns when it can be found, or False when it is refused.

        `data` must not change before. A whole object needs `known`, which becomes visible with the block, and
        without a place where the block is refused. A whole block whose object was forgotten, or given another
        version, since the call began is dropped. Cancelling leaves nothing half visible.
        """
        raise NotImplementedError

    async def install(self, bucket: Bucket, key: Key, known: Known) -> None:
        """Keeps an info; when it returns nobody can see an older one. An equal version keeps its place."""
        raise NotImplementedError

    async def forget(self, bucket: Bucket, key: Key) -> None:
        """Drops the info; when it returns nobody can see it. Blocks stay under their version's name."""
        raise NotImplementedError

    def refresh(self, rows: Sequence[tuple[Bucket, Key, Info]], validated_s: int) -> None:
        """Confirms infos that are still what `known` says; others are left. May be skipped under pressure."""
        raise NotImplementedError

    def distrust(self) -> None:
        """From now on no info validated before is trusted: `known` says 0."""
        raise NotImplementedError

    def usage(self) -> Usage:
        """How full it is."""
        raise NotImplementedError
