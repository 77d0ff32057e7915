"""Answers to work that may take long: a real status if it is quick, else 200 and spaces until it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack

from gateway.errors import GatewayError
from gateway.handlers.call import Answer, Call
from gateway.handlers.service import Service
from gateway.s3 import errors, xml


async def answer_of(service: Service, call: Call, work: Awaitable[Answer]) -> Answer:
    """The answer that `work` comes to, if it is there in time; else one that begins now and ends when it does.

    A late failure is an `Error` document under the status 200, which SDKs read ("CompleteMultipartUpload").
    When the client leaves, the work is cancelled.
    """
    async with AsyncExitStack() as held:
        task = service.tasks.create_task(_outcome(work))
        held.push_async_callback(_cancel, task)
        await asyncio.wait([task], timeout=service.slow_answer_s)
        if not task.done():
            fields = [("content-type", "application/xml")]
            return Answer(200, fields, stream=_trickle(service, call, task), held=held.pop_all())
    outcome = task.result()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def _outcome(work: Awaitable[Answer]) -> Answer | Exception:
    # A failure that escapes here would end the group that all requests share.
    try:
        return await work
    except Exception as error:
        return error


async def _cancel(task: asyncio.Task[Answer | Exception]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _trickle(
    service: Service, call: Call, task: asyncio.Task[Answer | Exception]
) -> AsyncIterator[bytes | memoryview]:
    # Nothing may stand before the declaration, so it goes first and the spaces follow.
    yield xml.DECLARATION
    while not task.done():
        yield b" "
        await asyncio.wait([task], timeout=service.slow_answer_s)
    outcome = task.result()
    if isinstance(outcome, Answer):
        document = outcome.body
    elif isinstance(outcome, GatewayError):
        document = errors.document(
            outcome, resource=call.resource, request_id=call.request_id, host_id=service.node_name
        )
    else:
        raise outcome
    yield document.removeprefix(xml.DECLARATION)
