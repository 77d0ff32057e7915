"""A store that bears faults: retries, limits and a breaker around any Backend."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from gateway.backends.base import (
    Backend,
    Body,
    Capabilities,
    Completion,
    ListPage,
    ListQuery,
    Part,
    PartPage,
    UploadId,
    UploadPage,
    UploadQuery,
    WriteSpec,
)
from gateway.backends.steady.course import Course, Operation, Terms
from gateway.backends.steady.limit import Kind
from gateway.backends.steady.reading import SteadyRead
from gateway.backends.steady.retry import Repeat
from gateway.backends.steady.sending import BodyFailed, Held, Passing, sendable
from gateway.errors import ConditionFailed, GatewayError, ObjectMissing, UploadMissing
from gateway.model import Info, Key, Span, Tags, Unconditional, Version

T = TypeVar("T")
Attempt = Callable[[bool], Awaitable[T]]
"""One try of a call; told whether an earlier try may have done it already."""

_STAT = Operation("stat", Kind.READ, Repeat.READ)
_LIST = Operation("list", Kind.LIST, Repeat.READ)
_WRITE = Operation("write", Kind.WRITE, Repeat.WRITE)
_COPY = Operation("copy", Kind.WRITE, Repeat.WRITE)
_DELETE = Operation("delete", Kind.WRITE, Repeat.WRITE)
_DELETE_BATCH = Operation("delete_batch", Kind.WRITE, Repeat.WRITE)
# An upload begun twice because the first answer was lost leaves an empty one, which harms nobody.
_BEGIN_UPLOAD = Operation("begin_upload", Kind.WRITE, Repeat.WRITE)
_WRITE_PART = Operation("write_part", Kind.WRITE, Repeat.WRITE)
_COPY_PART = Operation("copy_part", Kind.WRITE, Repeat.WRITE)
_LIST_PARTS = Operation("list_parts", Kind.LIST, Repeat.READ)
_COMPLETE_UPLOAD = Operation("complete_upload", Kind.WRITE, Repeat.WRITE)
_ABORT_UPLOAD = Operation("abort_upload", Kind.WRITE, Repeat.WRITE)
_LIST_UPLOADS = Operation("list_uploads", Kind.LIST, Repeat.READ)
_TAGS = Operation("tags", Kind.READ, Repeat.READ)
_SET_TAGS = Operation("set_tags", Kind.WRITE, Repeat.WRITE)


class Steady:
    """The store `inner` on the terms of one mount; every promise is the inner one's.

    A failure that is raised has been retried as often as that may help. Whoever calls need not try again.
    """

    def __init__(self, inner: Backend, terms: Terms) -> None:
        self._inner = inner
        self._terms = terms

    @property
    def capabilities(self) -> Capabilities:
        return self._inner.capabilities

    async def stat(self, key: Key) -> Info:
        return await self._call(_STAT, lambda _: self._inner.stat(key))

    def read(self, key: Key, span: Span | None, pin: Version | None) -> SteadyRead:
        return SteadyRead(self._inner, self._terms, key, span, pin)

    async def list(self, query: ListQuery) -> ListPage:
        return await self._call(_LIST, lambda _: self._inner.list(query))

    async def write(self, key: Key, body: Body, spec: WriteSpec) -> Info:
        sent = await sendable(body, self._terms)
        spec = self._named(spec)
        return await self._send(_WRITE, sent, lambda _: self._own(key, spec, self._inner.write(key, sent, spec)))

    async def copy(self, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        spec = self._named(spec)
        return await self._call(_COPY, lambda _: self._own(key, spec, self._inner.copy(source, pin, key, spec)))

    async def delete(self, key: Key, pin: Version | None) -> None:
        await self._call(_DELETE, lambda _: self._inner.delete(key, pin))

    async def delete_batch(self, keys: Sequence[Key]) -> Sequence[GatewayError | None]:
        return await self._call(_DELETE_BATCH, lambda _: self._inner.delete_batch(keys))

    async def begin_upload(self, key: Key, spec: WriteSpec) -> UploadId:
        return await self._call(_BEGIN_UPLOAD, lambda _: self._inner.begin_upload(key, spec))

    async def write_part(self, upload: UploadId, number: int, body: Body) -> Part:
        sent = await sendable(body, self._terms)
        return await self._send(_WRITE_PART, sent, lambda _: self._inner.write_part(upload, number, sent))

    async def copy_part(self, upload: UploadId, number: int, source: Key, span: Span, pin: Version) -> Part:
        return await self._call(_COPY_PART, lambda _: self._inner.copy_part(upload, number, source, span, pin))

    async def list_parts(self, upload: UploadId, after: int, limit: int) -> PartPage:
        return await self._call(_LIST_PARTS, lambda _: self._inner.list_parts(upload, after, limit))

    async def complete_upload(self, upload: UploadId, parts: Sequence[Part], completion: Completion) -> Info:
        return await self._call(_COMPLETE_UPLOAD, lambda _: self._inner.complete_upload(upload, parts, completion))

    async def abort_upload(self, upload: UploadId) -> None:
        await self._call(_ABORT_UPLOAD, lambda doubtful: self._aborted(upload, doubtful=doubtful))

    async def list_uploads(self, query: UploadQuery) -> UploadPage:
        return await self._call(_LIST_UPLOADS, lambda _: self._inner.list_uploads(query))

    async def tags(self, key: Key) -> Tags:
        return await self._call(_TAGS, lambda _: self._inner.tags(key))

    async def set_tags(self, key: Key, tags: Tags) -> None:
        await self._call(_SET_TAGS, lambda _: self._inner.set_tags(key, tags))

    async def probe(self) -> Capabilities:
        """As the inner one; asks many questions of which some are meant to fail, so it counts for nothing here."""
        return await self._inner.probe()

    async def close(self) -> None:
        """Closes the inner one; the endpoint is others' too."""
        await self._inner.close()

    async def _call(self, operation: Operation, attempt: Attempt[T], body: Held | Passing | None = None) -> T:
        course = Course(self._terms, operation)
        while True:
            turn = await course.turn()
            try:
                with turn:
                    return await course.hurried(attempt(course.doubtful))
            except GatewayError as error:
                await course.recover(error, operation.repeat if body is None else body.repeat)

    async def _send(self, operation: Operation, body: Held | Passing, attempt: Attempt[T]) -> T:
        try:
            return await self._call(operation, attempt, body)
        except BodyFailed as failed:
            raise failed.failure from None

    def _named(self, spec: WriteSpec) -> WriteSpec:
        """With a name of its own where a condition could make it meet its own object when it is repeated."""
        if isinstance(spec.condition, Unconditional):
            return spec
        return replace(spec, write_id=f"{self._terms.endpoint.dice.getrandbits(128):032x}")

    async def _own(self, key: Key, spec: WriteSpec, made: Awaitable[Info]) -> Info:
        """What `made` answers; where the object in its way is its own, that is the success.

        Not only we may have tried before: proxies on the way repeat a PUT, too.
        """
        try:
            return await made
        except ConditionFailed as failure:
            if not spec.write_id:
                raise
            try:
                info = await self._inner.stat(key)
            except ObjectMissing:
                raise failure from None
            if info.write_id != spec.write_id:
                raise
            return info

    async def _aborted(self, upload: UploadId, *, doubtful: bool) -> None:
        try:
            await self._inner.abort_upload(upload)
        except UploadMissing:
            # The earlier try did it, and its answer was lost.
            if not doubtful:
                raise
