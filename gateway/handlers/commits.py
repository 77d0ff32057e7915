"""What a commit must hold and what it stores: conditions and capabilities of writes, copies and uploads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter

from gateway.backends.base import Backend, Capabilities, Conditional
from gateway.errors import ConditionFailed, Conflict, ObjectMissing, Unsupported
from gateway.model import Condition, IfAbsent, IfVersion, Info, Key, Tags
from gateway.s3 import checksums
from gateway.s3.conditions import needs_current, write_condition
from gateway.s3.guards import WriteConditions
from gateway.s3.headers import quoted

_CREATES = attrgetter("conditional_create")
_REPLACES = attrgetter("conditional_replace")
_COMPLETES = attrgetter("conditional_complete")
_DELETES = attrgetter("conditional_delete")


async def commit_condition(backend: Backend, key: Key, conditions: WriteConditions) -> Condition:
    """What the backend is to hold at the commit; raises what is already known to fail."""
    if not needs_current(conditions):
        return write_condition(conditions, None)
    return write_condition(conditions, await current_info(backend, key))


async def current_info(backend: Backend, key: Key) -> Info | None:
    """The object that is there now, or None."""
    try:
        return await backend.stat(key)
    except ObjectMissing:
        return None


async def check_condition_kept(backend: Backend, condition: Condition, *, completes: bool = False) -> None:
    """Raises Unsupported for a condition that the store cannot hold at its commit; `completes`: that of an upload."""
    if isinstance(condition, IfAbsent) and await _is_refused(backend, _CREATES if not completes else _COMPLETES):
        raise Unsupported("The store behind this bucket cannot hold If-None-Match.", Header="If-None-Match")
    if isinstance(condition, IfVersion) and await _is_refused(backend, _REPLACES if not completes else _COMPLETES):
        raise Unsupported("The store behind this bucket cannot hold If-Match.", Header="If-Match")


async def check_pinned_delete_kept(backend: Backend) -> None:
    """Raises Unsupported where the store cannot hold conditions of a delete."""
    if await _is_refused(backend, _DELETES):
        raise Unsupported("The store behind this bucket cannot hold conditions of a delete.")


async def _is_refused(backend: Backend, kind: Callable[[Capabilities], Conditional]) -> bool:
    # A store over a network is asked what it really holds when that matters for the first time.
    return kind(backend.capabilities) is Conditional.NO and kind(await backend.probe()) is Conditional.NO


def check_tags_kept(tags: Tags, capabilities: Capabilities) -> None:
    """Raises Unsupported for tags where the store keeps none."""
    if tags and not capabilities.tags:
        raise Unsupported("The store behind this bucket keeps no tags.", Header="x-amz-tagging")


@contextmanager
def race_told(conditions: WriteConditions) -> Iterator[None]:
    """Within, a condition that failed although the client's own may still hold is a conflict.

    `If-Match: *` and tags in If-None-Match were turned into a pin on the version seen before;
    somebody was faster, and the client may try again.
    """
    try:
        yield
    except ConditionFailed as failed:
        if (conditions.if_match is not None and not conditions.if_match.any) or (
            conditions.if_none_match is not None and conditions.if_none_match.any
        ):
            raise
        raise Conflict from failed


def written_fields(info: Info) -> list[tuple[str, str]]:
    """The fields that tell a client what was stored."""
    fields = [("etag", quoted(info.etag))]
    if info.checksum is not None:
        fields += checksums.wire(info.checksum, with_type=True)
    return fields
