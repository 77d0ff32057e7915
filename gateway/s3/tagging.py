"""Tags of objects and buckets: the header, the document, and the rules of "Categorizing your objects using tags"."""

import re
from collections.abc import Sequence

from gateway.errors import ArgumentInvalid, GatewayError, TagInvalid, XmlMalformed
from gateway.model import Tags
from gateway.s3 import xml
from gateway.s3.target import parse_query

OBJECT_TAGS_MAX = 10
BUCKET_TAGS_MAX = 50
NAME_SIZE_MAX = 128
VALUE_SIZE_MAX = 256

# Letters, digits and blanks of any script, and these: "User-defined tag restrictions" of AWS.
_TEXT = re.compile(r"[\w\s+\-=.:/@]*")


def read_header(text: str) -> Tags:
    """The tags of `x-amz-tagging`, which is written like a query; checked as an object's."""
    try:
        pairs = [(name.decode(), value.decode()) for name, value in parse_query(text.encode("latin-1"))]
    except (GatewayError, UnicodeDecodeError):
        raise ArgumentInvalid(
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters "
            "without tag name duplicates.",
            ArgumentName="x-amz-tagging",
        ) from None
    return checked(pairs, count_max=OBJECT_TAGS_MAX)


def read_document(body: bytes, *, count_max: int) -> Tags:
    """The tags of a `Tagging` document. Raises `XmlMalformed`, or `TagInvalid` for what breaks the rules."""
    tag_set = xml.read(body, "Tagging").child("TagSet")
    if tag_set is None:
        raise XmlMalformed
    pairs = []
    for tag in tag_set.all("Tag"):
        name, value = tag.value("Key"), tag.value("Value")
        if name is None or value is None:
            raise XmlMalformed
        pairs.append((name, value))
    return checked(pairs, count_max=count_max)


def checked(pairs: Sequence[tuple[str, str]], *, count_max: int) -> Tags:
    """The pairs as tags; `TagInvalid` says which rule they break."""
    if len(pairs) > count_max:
        raise TagInvalid(f"There can be at most {count_max} tags.")
    if len({name for name, _ in pairs}) < len(pairs):
        raise TagInvalid("Cannot provide multiple Tags with the same key")
    for name, value in pairs:
        if not 0 < len(name) <= NAME_SIZE_MAX or _TEXT.fullmatch(name) is None or name.lower().startswith("aws:"):
            raise TagInvalid("The TagKey you have provided is invalid", TagKey=name)
        if len(value) > VALUE_SIZE_MAX or _TEXT.fullmatch(value) is None:
            raise TagInvalid("The TagValue you have provided is invalid", TagKey=name, TagValue=value)
    return tuple(sorted(pairs))


def document(tags: Tags) -> bytes:
    """The `Tagging` document."""
    entries = [xml.element("Tag", xml.leaf("Key", name), xml.leaf("Value", value)) for name, value in tags]
    return xml.document("Tagging", xml.element("TagSet", *entries))
