"""Condition headers as values: entity tags, dates, and what guards reads, writes and deletes."""

import re

from gateway.errors import Unsupported
from gateway.s3.dates import parse_http_date, parse_xml_date
from gateway.s3.guards import DeleteConditions, ReadConditions, TagList, WriteConditions
from gateway.s3.headers import Sent
from gateway.s3.parameters import invalid, parse_integer

COPY_SOURCE_PREFIX = "x-amz-copy-source-"

# RFC 9110, section 8.8.3; and tags without quotes, as the AWS SDK for Rust sends them.
_TAG = re.compile(r'(?P<weak>W/)?"(?P<quoted>[^"]*)"|(?P<bare>[^,\s"][^,"]*)')

IF_SIZE = "x-amz-if-match-size"
IF_MODIFIED_AT = "x-amz-if-match-last-modified-time"
_DATED = ("if-modified-since", "if-unmodified-since")
_NOT_OF_WRITES = (*_DATED, IF_SIZE, IF_MODIFIED_AT)
_NOT_OF_DELETES = (*_DATED, "if-none-match")


def read_conditions(sent: Sent, prefix: str = "") -> ReadConditions:
    """The conditions of a read, or with `COPY_SOURCE_PREFIX` of a copy's source. Unparsable dates are ignored."""
    return ReadConditions(
        if_match=_tags(sent, f"{prefix}if-match"),
        if_none_match=_tags(sent, f"{prefix}if-none-match"),
        if_modified_since_s=_date(sent, f"{prefix}if-modified-since"),
        if_unmodified_since_s=_date(sent, f"{prefix}if-unmodified-since"),
    )


def write_conditions(sent: Sent) -> WriteConditions:
    """The conditions of a write; `Unsupported` for guards that writes cannot keep, as they are never ignored."""
    refuse(sent, _NOT_OF_WRITES)
    return WriteConditions(_tags(sent, "if-match"), _tags(sent, "if-none-match"))


def refuse_write_conditions(sent: Sent) -> None:
    """`Unsupported` for any guard of a request that cannot keep one, as the write of a part."""
    refuse(sent, (*_NOT_OF_WRITES, "if-match", "if-none-match"))


def delete_conditions(sent: Sent) -> DeleteConditions:
    """The conditions of a delete; `Unsupported` for guards that deletes cannot keep."""
    refuse(sent, _NOT_OF_DELETES)
    return DeleteConditions(
        if_match=_tags(sent, "if-match"),
        size=parse_size(IF_SIZE, sent.text(IF_SIZE)),
        modified_s=parse_time(IF_MODIFIED_AT, sent.text(IF_MODIFIED_AT)),
    )


def parse_size(name: str, text: str | None) -> int | None:
    """A guard's size; `ArgumentInvalid` for what is none, None for None."""
    if text is None:
        return None
    size = parse_integer(text)
    if size is None:
        raise invalid(name, text, f"{name} must be a number of bytes.")
    return size


def parse_time(name: str, text: str | None) -> int | None:
    """A guard's time, in HTTP's or XML's form; `ArgumentInvalid` for what is none, None for None."""
    if text is None:
        return None
    moment = parse_http_date(text)
    moment = parse_xml_date(text) if moment is None else moment
    if moment is None:
        raise invalid(name, text, f"{name} must be a date.")
    return moment


def if_range(sent: Sent) -> TagList | int | None:
    """If-Range as a date or a tag."""
    text = sent.text("if-range")
    if text is None:
        return None
    moment = parse_http_date(text)
    return parse_tag_list(text) if moment is None else moment


def parse_tag_list(text: str) -> TagList:
    """Entity tags with or without quotes, or `*`."""
    strong: list[str] = []
    weak: list[str] = []
    anything = False
    for match in _TAG.finditer(text):
        bare = match["bare"]
        if bare is None:
            (weak if match["weak"] else strong).append(match["quoted"])
        elif bare.strip() == "*":
            anything = True
        elif bare.startswith("W/"):
            weak.append(bare[2:].strip())
        else:
            strong.append(bare.strip())
    return TagList(any=anything, strong=tuple(strong), weak=tuple(weak))


def refuse(sent: Sent, names: tuple[str, ...]) -> None:
    """`Unsupported`, naming the first of `names` that was sent."""
    for name in names:
        if sent.text(name) is not None:
            raise Unsupported(f"The header {name} is not implemented for this operation.", Header=name)


def _tags(sent: Sent, name: str) -> TagList | None:
    text = sent.text(name)
    return None if text is None else parse_tag_list(text)


def _date(sent: Sent, name: str) -> int | None:
    text = sent.text(name)
    return None if text is None else parse_http_date(text)
