"""Bodies on their way to a backend, of which a copy stays: small ones in memory, large ones as drafts in the store."""

import asyncio
from collections.abc import AsyncIterator

from gateway.backends.base import Body
from gateway.budget import Budget
from gateway.cache.fills import MEMORY_WAIT_MAX_S, kept_or_refused
from gateway.errors import SlowDown
from gateway.model import BLOCK_SIZE, Checksum
from gateway.store.store import BlockStore
from gateway.store.values import Content, Terms


class Copied:
    """A body of at most one block; `data` is its copy once it has passed. Implements `backends.base.Body`."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self.size = body.size
        self.data = bytearray()

    @property
    def checksum(self) -> Checksum | None:
        return self._body.checksum

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        async for piece in self._body.pieces():
            self.data += piece
            yield piece


class Drafted:
    """A body that is kept as a draft while it passes. Implements `backends.base.Body`.

    Keeping never fails the body: what the store refuses, or memory does not suffice for, is not in the draft.
    """

    def __init__(
        self,
        body: Body,
        draft: Content,
        terms: Terms,
        store: BlockStore,
        memory: Budget,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._body = body
        self.size = body.size
        self._draft = draft
        self._terms = terms
        self._store = store
        self._memory = memory
        self._tasks = tasks
        self._number = 0
        self._piece: bytearray | None = None
        self._lent = 0
        self._keeping: asyncio.Task[None] | None = None
        self._gave_up = False

    @property
    def checksum(self) -> Checksum | None:
        return self._body.checksum

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        try:
            async for piece in self._body.pieces():
                # Before it is handed on: it is valid only until the next one is asked for.
                await self._copy(memoryview(piece))
                yield piece
            await self._keep_piece()
        finally:
            self._memory.give_back(self._lent)
            self._lent = 0

    async def settled(self) -> None:
        """Returns when all that is kept can be found."""
        if self._keeping is not None:
            # Who leaves while waiting must not end what gives the memory back.
            await asyncio.shield(self._keeping)

    async def _copy(self, view: memoryview) -> None:
        while view and not self._gave_up:
            if self._piece is None and not await self._new_piece():
                return
            assert self._piece is not None
            taken = view[: BLOCK_SIZE - len(self._piece)]
            self._piece += taken
            view = view[len(taken) :]
            if len(self._piece) == BLOCK_SIZE:
                await self._keep_piece()

    async def _new_piece(self) -> bool:
        try:
            self._lent = await self._memory.take(min(BLOCK_SIZE, self.size), MEMORY_WAIT_MAX_S)
        except SlowDown:
            # The write itself goes on; what is not kept is read at the backend when somebody wants it.
            self._gave_up = True
            return False
        self._piece = bytearray()
        return True

    async def _keep_piece(self) -> None:
        piece, lent = self._piece, self._lent
        if piece is None:
            return
        # One piece is written while the next one comes.
        await self.settled()
        self._piece, self._lent = None, 0
        self._keeping = self._tasks.create_task(self._keep(self._number, piece, lent))
        self._number += 1

    async def _keep(self, number: int, piece: bytearray, lent: int) -> None:
        try:
            await kept_or_refused(self._store.keep(self._draft, number, piece, terms=self._terms))
        finally:
            self._memory.give_back(lent)
