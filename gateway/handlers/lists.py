"""ListObjects and ListMultipartUploads."""

from gateway.backends.base import ListPage, ListQuery, UploadId, UploadQuery
from gateway.errors import Unsupported
from gateway.handlers.call import XML_TYPE, Answer
from gateway.handlers.owners import owner_of
from gateway.handlers.service import Service
from gateway.mounts import Mount
from gateway.s3 import listing, multipart
from gateway.s3.operations import ListMultipartUploads, ListObjects, ListStyle

EMPTY = ListPage((), (), None)


async def list_objects(service: Service, mount: Mount, operation: ListObjects) -> Answer:
    """One page of a bucket's keys and common prefixes."""
    cut = listing.cut_of(operation, service.token_sealer, mount.bucket)
    if cut.start_after and not mount.backend.capabilities.start_after:
        raise Unsupported("The store behind this bucket cannot list from a given key on.")
    # A page of no items is not truncated, whatever there is.
    page = await service.cache.list(mount, _query(operation, cut)) if operation.keys_max else EMPTY
    body = listing.list_document(operation, _shown(service, mount, operation, page), owner_of(mount.owner))
    return Answer(200, [XML_TYPE, ("x-amz-bucket-region", service.region)], body)


async def list_uploads(service: Service, mount: Mount, operation: ListMultipartUploads) -> Answer:
    """One page of a bucket's open uploads."""
    marker = multipart.open_marker(service.upload_sealer, operation, mount.bucket)
    query = UploadQuery(
        prefix=operation.prefix,
        delimiter=operation.delimiter,
        key_marker=operation.key_marker,
        upload_marker=None if marker is None else UploadId(marker.key, marker.native, marker.started_s),
        limit=operation.uploads_max,
    )
    rows: list[multipart.UploadRow] = []
    shown = multipart.UploadPage(rows, (), truncated=False)
    if operation.uploads_max:
        page = await mount.backend.list_uploads(query)
        rows += [
            multipart.UploadRow(upload.key, seal_upload(service, mount, upload), upload.started_s)
            for upload in page.uploads
        ]
        shown = multipart.UploadPage(rows, page.prefixes, truncated=page.truncated)
    return Answer(200, [XML_TYPE], multipart.uploads_document(operation, shown, owner_of(mount.owner)))


def seal_upload(service: Service, mount: Mount, upload: UploadId) -> str:
    """The id that clients have of an upload; any node opens it."""
    ticket = multipart.UploadTicket(mount.bucket, upload.key, upload.native, upload.started_s)
    return ticket.seal(service.upload_sealer)


def _query(operation: ListObjects, cut: listing.Cut) -> ListQuery:
    return ListQuery(
        prefix=operation.prefix,
        delimiter=operation.delimiter,
        start_after=cut.start_after,
        token=cut.backend_token,
        limit=operation.keys_max,
    )


def _shown(service: Service, mount: Mount, operation: ListObjects, page: ListPage) -> listing.Page:
    rows = [listing.Row(entry.key, entry.size, entry.modified_s, entry.etag, entry.checksum) for entry in page.entries]
    shown = listing.Page(rows, page.prefixes, truncated=page.token is not None)
    if page.token is None or operation.style is ListStyle.V1:
        return shown
    cut = listing.Cut(shown.last or b"", page.token)
    token = listing.seal_token(operation, service.token_sealer, mount.bucket, cut)
    return listing.Page(rows, page.prefixes, truncated=True, token=token)
