"""GetObject and HeadObject where the cache has everything at hand: the answer of `reads`, without waiting for anybody.

None is never a verdict: whatever is not a plain success is left to `reads`.
"""

from typing import NamedTuple

from gateway.cache.words import Source
from gateway.errors import GatewayError
from gateway.handlers.call import Answer
from gateway.handlers.reads import cache_fields, check_version_id, found, is_unmodified, not_modified, select
from gateway.handlers.service import Service
from gateway.model import Key, Span
from gateway.mounts import Mount
from gateway.s3.operations import ReadSpec
from gateway.store.resident import Slice


class Reach(NamedTuple):
    """How bytes can be sent: up to `copy_max` from memory, and no answer of more than `span_max`."""

    copy_max: int
    span_max: int


class Hit(NamedTuple):
    """An answer, and the bytes of its body, to be released."""

    answer: Answer
    slices: list[Slice]


def hit(service: Service, mount: Mount, key: Key, spec: ReadSpec, reach: Reach | None) -> Hit | None:
    """What `reads.get_object` answers or, with a `reach` of None, `reads.head_object`."""
    if spec.revalidate or spec.bypass or not mount.policy.is_cached:
        return None
    hits = service.cache.hits
    fresh = hits.find(mount, key, complete=spec.with_checksum and spec.range is None)
    if fresh is None:
        return None
    info = fresh.info
    said = cache_fields(Source.HIT, fresh.age_s, is_stale=False)
    try:
        check_version_id(spec.version_id)
        if is_unmodified(spec, info):
            hits.served(mount, fresh)
            return Hit(not_modified(info, Source.HIT, said), [])
        selection = select(spec, info)
    except GatewayError:
        return None
    slices: list[Slice] | None = []
    if reach is not None:
        span = selection.span or Span(0, info.size)
        slices = hits.slices(fresh, span, reach.copy_max) if span.size <= reach.span_max else None
        if slices is None:
            return None
        hits.read(mount, fresh, span, slices, whole=selection.span is None)
    hits.served(mount, fresh)
    return Hit(found(spec, info, selection, Source.HIT, said), slices)
