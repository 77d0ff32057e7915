"""PutObject, DeleteObject and DeleteObjects."""

from gateway.backends.base import WriteSpec
from gateway.errors import AccessRefused, GatewayError, RequestInvalid
from gateway.handlers.bodies import read_document, receive, understood
from gateway.handlers.call import XML_TYPE, Answer, Call
from gateway.handlers.commits import (
    check_condition_kept,
    check_pinned_delete_kept,
    check_tags_kept,
    commit_condition,
    current_info,
    race_told,
    written_fields,
)
from gateway.handlers.permission import Wish, absence_hidden, may
from gateway.handlers.reads import NULL_VERSION
from gateway.handlers.service import Service
from gateway.model import Key
from gateway.mounts import Mount
from gateway.s3.conditions import delete_pin, needs_current
from gateway.s3.documents import Deletion, delete_result, read_delete
from gateway.s3.guards import DeleteConditions, WriteConditions
from gateway.s3.operations import DeleteObject, PutObject, Stored
from gateway.s3.payload import OBJECT_SIZE_MAX


async def put_object(service: Service, call: Call, mount: Mount, operation: PutObject) -> Answer:
    """Stores the body, all or nothing."""
    spec = await write_spec(service, call, mount, operation.key, operation.stored, operation.conditions)
    size_max = min(OBJECT_SIZE_MAX, mount.backend.capabilities.object_max)
    async with receive(service, call, size_max=size_max) as body:
        with race_told(operation.conditions):
            info = await service.cache.write(mount, operation.key, body, spec)
    return Answer(200, written_fields(info))


async def delete_object(service: Service, call: Call, mount: Mount, operation: DeleteObject) -> Answer:
    """Deletes the object if it is there. A version that does not exist cannot be deleted, and that is no error."""
    if operation.version_id in (None, NULL_VERSION):
        with absence_hidden(service, call, mount.bucket):
            await _delete(service, mount, operation.key, operation.conditions)
    return Answer(204)


async def delete_objects(service: Service, call: Call, mount: Mount) -> Answer:
    """Deletes the keys named in the body, each on its own: one that fails does not keep the others."""
    body, verdict = await read_document(service, call)
    if not verdict.proven:
        raise RequestInvalid("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    request = await understood(service, body, read_delete)
    errors = [_refusal(service, call, mount, deletion) for deletion in request.deletions]
    plain = [at for at, deletion in enumerate(request.deletions) if errors[at] is None and _is_plain(deletion)]
    for at, deletion in enumerate(request.deletions):
        if errors[at] is None and not _is_plain(deletion):
            errors[at] = await _conditional_outcome(service, call, mount, deletion)
    batch_max = mount.backend.capabilities.delete_batch_max
    for start in range(0, len(plain), batch_max):
        batch = plain[start : start + batch_max]
        outcomes = await service.cache.delete_batch(mount, [request.deletions[at].key for at in batch])
        for at, outcome in zip(batch, outcomes, strict=True):
            errors[at] = outcome
    return Answer(200, [XML_TYPE], delete_result(request, errors))


async def write_spec(
    service: Service, call: Call, mount: Mount, key: Key, wanted: Stored, conditions: WriteConditions
) -> WriteSpec:
    """What to store beside the bytes, once it is certain that the store keeps all of it and nothing visible fails."""
    capabilities = mount.backend.capabilities
    tags = wanted.tags or ()
    check_tags_kept(tags, capabilities)
    with absence_hidden(service, call, mount.bucket):
        condition = await commit_condition(mount.backend, key, conditions)
    await check_condition_kept(mount.backend, condition)
    return WriteSpec(wanted.content, wanted.metadata, tags, condition)


def _is_plain(deletion: Deletion) -> bool:
    return deletion.version_id in (None, NULL_VERSION) and deletion.conditions == DeleteConditions()


def _refusal(service: Service, call: Call, mount: Mount, deletion: Deletion) -> GatewayError | None:
    if not may(service, call, Wish(DeleteObject.action, mount.bucket, deletion.key)):
        return AccessRefused()
    return deletion.error


async def _conditional_outcome(service: Service, call: Call, mount: Mount, deletion: Deletion) -> GatewayError | None:
    if deletion.version_id not in (None, NULL_VERSION):
        return None
    try:
        with absence_hidden(service, call, mount.bucket):
            await _delete(service, mount, deletion.key, deletion.conditions)
    except GatewayError as error:
        return error
    return None


async def _delete(service: Service, mount: Mount, key: Key, conditions: DeleteConditions) -> None:
    pin = None
    if needs_current(conditions):
        pin = delete_pin(conditions, await current_info(mount.backend, key))
        if pin is None:
            # Nothing is there, and the conditions hold for that: what comes in between is not ours to delete.
            return
        await check_pinned_delete_kept(mount.backend)
    await service.cache.delete(mount, key, pin)
