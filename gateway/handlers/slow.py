"""Answers to work that may take long: a real status if it is quick, else 200 and spaces until it ends."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.errors import GatewayError
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.service import Service
from gateway.s3 import errors, xml


async def answer_of(service: Service, call: Call, work: Coroutine[None, None, Answer]) -> Answer:
    """The answer that `work` comes to, if it is there in time; else one that begins now and ends when it does.

    A late failure is an `Error` document under the status 200, which SDKs read ("CompleteMultipartUpload").
    When the client leaves, the work is cancelled.
    """
    async with AsyncExitStack() as held:
        task = await held.enter_async_context(_running(work))
        await asyncio.wait([task], timeout=service.slow_answer_s)
        if task.done():
            return task.result()
        return Answer(200, [XML_TYPE], stream=_trickle(service, call, task), held=held.pop_all())


@asynccontextmanager
async def _running(work: Coroutine[None, None, Answer]) -> AsyncIterator[asyncio.Task[Answer]]:
    # This block owns the task. A TaskGroup would wrap what is raised within into a group of its own.
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _trickle(service: Service, call: Call, task: asyncio.Task[Answer]) -> AsyncIterator[bytes | memoryview]:
    # Nothing may stand before the declaration, so it goes first and the spaces follow.
    yield xml.DECLARATION
    while not task.done():
        yield b" "
        await asyncio.wait([task], timeout=service.slow_answer_s)
    try:
        document = task.result().body
    except GatewayError as error:
        document = errors.document(
            error, resource=call.head.resource, request_id=call.request_id, host_id=service.node_name
        )
    yield document.removeprefix(xml.DECLARATION)
