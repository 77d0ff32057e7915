"""Names that not every store keeps as they are, and samples that show what a store does with them. Pure."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum

_SEGMENT_STARTS, _SEGMENT_ENDS = rb"(?:\A|/)", rb"(?:/|\Z)"


class Delicacy(Enum):
    """What makes a name delicate: the pattern that finds it."""

    LEADING_SLASH = rb"\A/"
    EMPTY_SEGMENT = rb"//"
    DOT = _SEGMENT_STARTS + rb"\." + _SEGMENT_ENDS
    DOT_DOT = _SEGMENT_STARTS + rb"\.\." + _SEGMENT_ENDS
    BACKSLASH = rb"\\"


SAMPLES: Mapping[Delicacy, Sequence[bytes]] = {
    Delicacy.EMPTY_SEGMENT: (b"a//b", b"a//"),
    Delicacy.DOT: (b"a/./b", b"a/b/."),
    Delicacy.DOT_DOT: (b"a/../b", b"a/b/.."),
    Delicacy.BACKSLASH: (b"a\\b",),
}
"""Names of each kind but the first, which cannot lie inside a folder. However resolved, they stay in the folder."""

_ANY = re.compile(b"|".join(kind.value for kind in Delicacy))
_EACH = {kind: re.compile(kind.value) for kind in Delicacy}


def is_delicate(name: bytes) -> bool:
    """Whether a store may be one that cannot keep this name, counted from the root of its bucket."""
    # Tells most names apart at a quarter of what the pattern costs.
    if b"/." not in name and b"//" not in name and b"\\" not in name and not name.startswith((b"/", b".")):
        return False
    return _ANY.search(name) is not None


def delicacies(name: bytes) -> frozenset[Delicacy]:
    """All that is delicate about a name."""
    return frozenset(kind for kind, pattern in _EACH.items() if pattern.search(name))


def whole_segments(prefix: bytes) -> bytes:
    """As much of a prefix as every name behind it has, up to a slash: what follows may be half a segment."""
    return prefix[: prefix.rfind(b"/") + 1]
