"""Multipart uploads: begun, filled part by part, listed, completed or aborted. Their state is in the store."""

from gateway.backends.base import PartPage, UploadId, WriteSpec
from gateway.errors import RequestInvalid
from gateway.handlers.bodies import receive
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.commits import check_tags_kept
from gateway.handlers.copies import Found, find_source, pass_through, unchanged
from gateway.handlers.lists import seal_upload
from gateway.handlers.owners import owner_of
from gateway.handlers.permission import READ_ACTION, Wish, require
from gateway.handlers.service import Service
from gateway.handlers.slow import answer_of
from gateway.model import Checksum, ChecksumSpec, Key, Span
from gateway.mounts import Mount
from gateway.s3 import checksums, multipart
from gateway.s3.documents import copy_part_result
from gateway.s3.headers import quoted
from gateway.s3.operations import (
    AbortMultipartUpload,
    CreateMultipartUpload,
    ListParts,
    UploadPart,
    UploadPartCopy,
)
from gateway.s3.payload import OBJECT_SIZE_MAX
from gateway.s3.ranges import copy_span


async def create(service: Service, mount: Mount, operation: CreateMultipartUpload) -> Answer:
    """Begins an upload; headers, metadata and tags are kept for the object."""
    stored = operation.stored
    check_tags_kept(stored.tags or (), mount.backend.capabilities)
    spec = WriteSpec(stored.content, stored.metadata, stored.tags or (), checksum=operation.checksum)
    upload = await mount.backend.begin_upload(operation.key, spec)
    body = multipart.initiate_document(operation.bucket, operation.key, seal_upload(service, mount, upload))
    return Answer(200, [XML_TYPE, *_spec_fields(operation.checksum)], body)


async def upload_part(service: Service, call: Call, mount: Mount, operation: UploadPart) -> Answer:
    """Stores one part; its checksum is computed if the upload has one and the client sent none."""
    upload = open_upload(service, mount, operation.key, operation.upload_id)
    spec = (await mount.backend.list_parts(upload, 0, 1)).spec
    size_max = min(OBJECT_SIZE_MAX, mount.backend.capabilities.part_max)
    compute = None if spec.checksum is None else spec.checksum.algorithm
    async with receive(service, call, size_max=size_max, compute=compute) as body:
        part = await service.cache.write_part(mount, upload, operation.number, body)
    return Answer(200, [("etag", quoted(part.etag)), *_checksum_fields(part.checksum)])


async def upload_part_copy(service: Service, call: Call, mount: Mount, operation: UploadPartCopy) -> Answer:
    """Stores a stretch of another object as one part."""
    require(service, call, Wish(READ_ACTION, operation.source.bucket, operation.source.key))
    upload = open_upload(service, mount, operation.key, operation.upload_id)
    spec = (await mount.backend.list_parts(upload, 0, 1)).spec
    return await answer_of(service, call, unchanged(lambda: _copy_part(service, call, mount, operation, spec.checksum)))


async def abort(service: Service, mount: Mount, operation: AbortMultipartUpload) -> Answer:
    """Ends an upload; nothing of it remains."""
    await service.cache.abort_upload(mount, open_upload(service, mount, operation.key, operation.upload_id))
    return Answer(204)


async def list_parts(service: Service, mount: Mount, operation: ListParts) -> Answer:
    """One page of an upload's parts."""
    upload = open_upload(service, mount, operation.key, operation.upload_id)
    page = await mount.backend.list_parts(upload, operation.after, max(operation.parts_max, 1))
    # A page of no items is not truncated, whatever there is.
    shown = page if operation.parts_max else PartPage((), truncated=False, spec=page.spec)
    rows = [
        multipart.PartRow(part.number, part.etag, part.size, part.modified_s, part.checksum) for part in shown.parts
    ]
    body = multipart.parts_document(
        operation, rows, truncated=shown.truncated, spec=page.spec.checksum, owner=owner_of(mount.owner)
    )
    return Answer(200, [XML_TYPE], body)


def open_upload(service: Service, mount: Mount, key: Key, upload_id: str) -> UploadId:
    """The upload that an id of ours names; UploadMissing for any other id, or that of another key."""
    ticket = multipart.open_ticket(service.upload_sealer, upload_id, mount.bucket, key)
    return UploadId(ticket.key, ticket.native, ticket.started_s)


async def _copy_part(
    service: Service, call: Call, mount: Mount, operation: UploadPartCopy, spec: ChecksumSpec | None
) -> Answer:
    upload = open_upload(service, mount, operation.key, operation.upload_id)
    found = await find_source(service, call, operation.source)
    span = Span(0, found.info.size) if operation.range is None else copy_span(operation.range, found.info.size)
    if span.size > min(OBJECT_SIZE_MAX, mount.backend.capabilities.part_max):
        raise RequestInvalid("The specified copy range is larger than the maximum allowable size of a part")
    if spec is None and _is_inside(found, mount, span):
        part = await mount.backend.copy_part(upload, operation.number, found.key, span, found.info.version)
    else:
        part = await pass_through(
            service,
            found,
            span,
            None if spec is None else spec.algorithm,
            lambda body: service.cache.write_part(mount, upload, operation.number, body),
        )
    body = copy_part_result(part.etag, part.modified_s, part.checksum)
    return Answer(200, [XML_TYPE], body)


def _is_inside(found: Found, mount: Mount, span: Span) -> bool:
    """Whether the store can copy this by itself; none copies nothing at all."""
    backend = mount.backend
    return found.mount.backend is backend and 0 < span.size <= backend.capabilities.server_copy_max


def _spec_fields(spec: ChecksumSpec | None) -> list[tuple[str, str]]:
    if spec is None:
        return []
    return [("x-amz-checksum-algorithm", spec.algorithm.value), ("x-amz-checksum-type", spec.type.value)]


def _checksum_fields(checksum: Checksum | None) -> list[tuple[str, str]]:
    return [] if checksum is None else checksums.wire(checksum)
