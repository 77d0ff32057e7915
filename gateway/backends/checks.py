"""What every backend checks alike before it acts: pins, spans, conditions, sizes."""

from typing import assert_never

from gateway.backends.base import Capabilities, WriteSpec
from gateway.errors import ConditionFailed, MetadataTooLarge, ObjectTooLarge, SpanOutside, VersionChanged
from gateway.model import Condition, IfAbsent, IfVersion, Span, Unconditional, Version


def check_pin(version: Version, pin: Version | None) -> None:
    """Raises `VersionChanged` if there is a pin and it is not this version."""
    if pin is not None and version != pin:
        raise VersionChanged


def check_condition(current: Version | None, condition: Condition) -> None:
    """`current` is the version that a write would replace, None where there is no object."""
    match condition:
        case Unconditional():
            return
        case IfAbsent():
            holds = current is None
        case IfVersion(version):
            holds = current == version
        case _:
            assert_never(condition)
    if not holds:
        raise ConditionFailed


def cut_span(span: Span | None, size: int) -> Span:
    """The bytes that a read of `span` yields of an object of `size` bytes."""
    if span is None:
        return Span(0, size)
    if span.start >= size:
        raise SpanOutside(size)
    return Span(span.start, min(span.stop, size))


def check_copy_span(span: Span, size: int) -> None:
    """A part is copied whole or not at all: unlike a read's, its span is not cut."""
    if span.start >= size or span.stop > size:
        raise SpanOutside(size)


def check_sizes(size: int, spec: WriteSpec, capabilities: Capabilities) -> None:
    """Raises `ObjectTooLarge` or `MetadataTooLarge` for what this store cannot hold."""
    if size > capabilities.object_max:
        raise ObjectTooLarge(ProposedSize=size, MaxSizeAllowed=capabilities.object_max)
    metadata_size = sum(len(name) + len(value) for name, value in spec.metadata)
    if metadata_size > capabilities.metadata_max:
        raise MetadataTooLarge(Size=metadata_size, MaxSizeAllowed=capabilities.metadata_max)


def check_part_size(size: int, capabilities: Capabilities) -> None:
    """Raises `ObjectTooLarge` for a part of more bytes than this store takes."""
    if size > capabilities.part_max:
        raise ObjectTooLarge(ProposedSize=size, MaxSizeAllowed=capabilities.part_max)
