"""What a request demands of the object that is there, as values; `s3/conditions.py` judges them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TagList:
    """Entity tags of If-Match or If-None-Match, without quotes; `any` for `*`.

    `weak` holds those sent as `W/"..."`. The empty tag (`""`) is kept and matches nothing.
    """

    any: bool = False
    strong: tuple[str, ...] = ()
    weak: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadConditions:
    """Conditions on reads and copy sources; dates are unix seconds. None: not sent, or unparsable."""

    if_match: TagList | None = None
    if_none_match: TagList | None = None
    if_modified_since_s: int | None = None
    if_unmodified_since_s: int | None = None


@dataclass(frozen=True, slots=True)
class WriteConditions:
    """Conditions on what a write replaces."""

    if_match: TagList | None = None
    if_none_match: TagList | None = None


@dataclass(frozen=True, slots=True)
class DeleteConditions:
    """Conditions on what a delete removes; None: not sent."""

    if_match: TagList | None = None
    size: int | None = None
    modified_s: int | None = None
