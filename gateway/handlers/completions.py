"""CompleteMultipartUpload: the parts a client claims, held against those that are there, and the commit."""

from dataclasses import dataclass

from gateway.backends.base import Backend, Completion, Part, UploadId, WriteSpec
from gateway.errors import ConditionFailed, DigestWrong, RequestInvalid, UploadMissing
from gateway.handlers.bodies import read_document, understood
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.commits import check_condition_kept, commit_condition, race_told
from gateway.handlers.permission import absence_hidden
from gateway.handlers.service import Service
from gateway.handlers.slow import answer_of
from gateway.handlers.uploads import open_upload
from gateway.model import Checksum, Info
from gateway.mounts import Mount
from gateway.s3 import checksums, multipart
from gateway.s3.auth import scheme_of
from gateway.s3.operations import CompleteMultipartUpload

PARTS_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Standing:
    """An upload as the store has it: its parts by number, and what was asked of it at the start."""

    parts: dict[int, Part]
    spec: WriteSpec


async def complete(service: Service, call: Call, mount: Mount, operation: CompleteMultipartUpload) -> Answer:
    """Joins the parts that the body names. Repeated after success it answers the same."""
    upload = open_upload(service, mount, operation.key, operation.upload_id)
    body, _ = await read_document(service, call, checksum_of_body=False)
    named = await understood(service, body, multipart.read_complete)
    claimed = [Part(part.number, part.etag, checksum=part.checksum) for part in named]

    async def work() -> Answer:
        with absence_hidden(service, call, mount.bucket):
            info = await _joined(service, mount, upload, claimed, operation)
        location = location_of(service, call)
        document = multipart.complete_result(location, operation.bucket, operation.key, info.etag, info.checksum)
        return Answer(200, [XML_TYPE], document)

    return await answer_of(service, call, work())


def location_of(service: Service, call: Call) -> str:
    """The URL of what the request addressed, as its client wrote it."""
    scheme = scheme_of(call.head, service.verifier.rules)
    return f"{scheme}://{call.target.host.decode('latin-1')}{call.target.path.decode('latin-1')}"


async def _joined(
    service: Service, mount: Mount, upload: UploadId, claimed: list[Part], operation: CompleteMultipartUpload
) -> Info:
    try:
        return await _commit(service, mount, upload, claimed, operation)
    except UploadMissing:
        pass
    except ConditionFailed:
        # The same request, sent again while it was still at work, would fail on its own success.
        if await _is_open(mount.backend, upload):
            raise
    # Only an upload that was completed with these very parts answers now.
    return await service.cache.complete_upload(mount, upload, claimed, Completion(), {})


async def _commit(
    service: Service, mount: Mount, upload: UploadId, claimed: list[Part], operation: CompleteMultipartUpload
) -> Info:
    backend = mount.backend
    standing = await _standing(backend, upload)
    checksum = _whole_checksum(standing, claimed, operation)
    condition = await commit_condition(backend, operation.key, operation.conditions)
    await check_condition_kept(backend, condition, completes=True)
    sizes = {part.number: part.size for part in standing.parts.values()}
    with race_told(operation.conditions):
        completion = Completion(condition, operation.size, checksum)
        return await service.cache.complete_upload(mount, upload, claimed, completion, sizes)


async def _standing(backend: Backend, upload: UploadId) -> Standing:
    page = await backend.list_parts(upload, 0, PARTS_PAGE)
    parts = {part.number: part for part in page.parts}
    while page.truncated:
        page = await backend.list_parts(upload, page.parts[-1].number, PARTS_PAGE)
        parts |= {part.number: part for part in page.parts}
    return Standing(parts, page.spec)


async def _is_open(backend: Backend, upload: UploadId) -> bool:
    try:
        await backend.list_parts(upload, 0, 1)
    except UploadMissing:
        return False
    return True


def _whole_checksum(standing: Standing, claimed: list[Part], operation: CompleteMultipartUpload) -> Checksum | None:
    spec = standing.spec.checksum
    if spec is None:
        if operation.checksum is not None or operation.checksum_type is not None:
            raise RequestInvalid("The upload was created without a checksum, so it cannot be completed with one.")
        return None
    if operation.checksum_type not in (None, spec.type):
        raise DigestWrong(f"The upload was created with the checksum type {spec.type.value}.")
    stored = [standing.parts[part.number] for part in claimed if part.number in standing.parts]
    if len(stored) < len(claimed):
        # The store names the part that is missing.
        return None
    whole = checksums.combine(spec, [(part.checksum, part.size) for part in stored])
    said = operation.checksum
    if said is not None and (whole is None or (said.algorithm, said.value) != (whole.algorithm, whole.value)):
        raise DigestWrong
    return whole
