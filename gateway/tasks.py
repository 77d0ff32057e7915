"""Tasks that live as long as a part of the node, and end with it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class _Ended(Exception):
    """Ends a group of tasks."""


@asynccontextmanager
async def tasks_until_end() -> AsyncIterator[asyncio.TaskGroup]:
    """A group of tasks that are cancelled when the block is left.

    What the block raises comes out as it is, not inside a group of exceptions. A task that fails ends the block.
    """
    failure: BaseException | None = None

    async def end() -> None:
        raise _Ended

    try:
        async with asyncio.TaskGroup() as tasks:
            try:
                yield tasks
            except BaseException as error:
                failure = error
            tasks.create_task(end())
    except* _Ended:
        pass
    if failure is not None:
        raise failure


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancels tasks and waits for their end; raises what one of them failed with. May itself be cancelled meanwhile."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
