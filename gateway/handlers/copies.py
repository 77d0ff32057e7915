"""CopyObject, and what it shares with UploadPartCopy: the source, found, judged and read."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.backends.base import Body, WriteSpec
from gateway.errors import ConditionFailed, RequestInvalid, VersionChanged
from gateway.handlers.bodies import UPLOAD_MEMORY, Passing
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.commits import race_told, written_fields
from gateway.handlers.permission import READ_ACTION, Wish, absence_hidden, check_owner, require
from gateway.handlers.reads import CHANGES_MAX, check_version_id
from gateway.handlers.service import Service
from gateway.handlers.slow import answer_of
from gateway.handlers.writes import write_spec
from gateway.model import Algorithm, Checksum, ChecksumSpec, Info, Key, Span, Tags
from gateway.mounts import Mount
from gateway.s3.conditions import Outcome, read_outcome
from gateway.s3.documents import copy_result
from gateway.s3.headers import read_sent
from gateway.s3.operations import CopyObject, Source, Stored
from gateway.s3.payload import OBJECT_SIZE_MAX

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found:
    """A copy's source, readable for the caller, its conditions met by `info`."""

    mount: Mount
    key: Key
    info: Info


async def copy_object(service: Service, call: Call, mount: Mount, operation: CopyObject) -> Answer:
    """Copies one object, inside its store where that is possible, else through here."""
    require(service, call, Wish(READ_ACTION, operation.source.bucket, operation.source.key))
    if _is_onto_itself(operation) and not operation.replaces_metadata:
        raise RequestInvalid(
            "This copy request is illegal because it is trying to copy an object to itself without changing the "
            "object's metadata, storage class, website redirect location or encryption attributes."
        )
    return await answer_of(service, call, unchanged(lambda: _copy(service, call, mount, operation)))


async def find_source(service: Service, call: Call, source: Source) -> Found:
    """The source of a copy as it is now. The right to read it is checked before."""
    mount = service.mounts.get(source.bucket)
    check_owner(mount, read_sent(call.head, call.target).text("x-amz-source-expected-bucket-owner"))
    check_version_id(source.version_id)
    with absence_hidden(service, call, source.bucket):
        info = await mount.backend.stat(source.key)
    if read_outcome(source.conditions, info) is not Outcome.PROCEED:
        raise ConditionFailed(Condition="x-amz-copy-source-if-*")
    return Found(mount, source.key, info)


async def unchanged(copy: Callable[[], Awaitable[T]]) -> T:
    """What `copy` returns; it starts again, a few times, if its source changed between info and bytes."""
    for _ in range(CHANGES_MAX - 1):
        try:
            return await copy()
        except VersionChanged:
            continue
    return await copy()


async def pass_through(
    service: Service, found: Found, span: Span, compute: Algorithm | None, write: Callable[[Body], Awaitable[T]]
) -> T:
    """Reads these bytes of the source and hands them to `write`; memory is bounded as for an upload."""
    async with service.memory(min(UPLOAD_MEMORY, span.size)):
        # No store has a span without bytes, so an empty object is read as a whole.
        wanted = span if span.size else None
        async with found.mount.backend.read(found.key, wanted, found.info.version) as reading:
            return await write(Passing(reading, span.size, service.hashers, compute))


async def _copy(service: Service, call: Call, mount: Mount, operation: CopyObject) -> Answer:
    found = await find_source(service, call, operation.source)
    if found.info.size > OBJECT_SIZE_MAX:
        raise RequestInvalid(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
        )
    wanted = await _wanted(found, operation)
    spec = await write_spec(service, call, mount, operation.key, wanted, operation.conditions)
    with race_told(operation.conditions):
        info = await _write(service, found, mount, operation, spec)
    body = copy_result(info.etag, info.modified_s, info.checksum)
    fields = [field for field in written_fields(info) if field[0] != "etag"]
    return Answer(200, [XML_TYPE, *fields], body)


async def _write(service: Service, found: Found, mount: Mount, operation: CopyObject, spec: WriteSpec) -> Info:
    backend = mount.backend
    same_store = found.mount.backend is backend and found.info.size <= backend.capabilities.server_copy_max
    if same_store and _has(found.info.checksum, operation.checksum):
        return await service.cache.copy(mount, found.key, found.info.version, operation.key, spec)
    compute = operation.checksum or found.info.checksum
    return await pass_through(
        service,
        found,
        Span(0, found.info.size),
        None if compute is None else compute.algorithm,
        lambda body: service.cache.write(mount, operation.key, body, spec),
    )


def _has(checksum: Checksum | None, wanted: ChecksumSpec | None) -> bool:
    return wanted is None or (checksum is not None and ChecksumSpec(checksum.algorithm, checksum.type) == wanted)


def _is_onto_itself(operation: CopyObject) -> bool:
    return (operation.source.bucket, operation.source.key) == (operation.bucket, operation.key)


async def _wanted(found: Found, operation: CopyObject) -> Stored:
    replaced = operation.stored
    tags = replaced.tags if operation.replaces_tags else await _tags_of(found)
    if operation.replaces_metadata:
        return Stored(replaced.content, replaced.metadata, tags)
    return Stored(found.info.content, found.info.metadata, tags)


async def _tags_of(found: Found) -> Tags:
    backend = found.mount.backend
    return await backend.tags(found.key) if backend.capabilities.tags else ()
