"""What the settings keep of a bucket: rows of two tables, read and written as values."""

from dataclasses import dataclass

from gateway.config import PlaceConfig
from gateway.model import Tags
from gateway.settings import Value

MADE = "buckets"
"""The table of the buckets that CreateBucket made."""
DECLARED = "mounts"
"""The table of what clients set on buckets of the configuration file."""


@dataclass(frozen=True, slots=True)
class BucketRow:
    """What is kept of one bucket; `place` only for those that CreateBucket made."""

    owner: str
    created_s: int
    place: PlaceConfig | None = None
    tags: Tags = ()

    def to_value(self) -> Value:
        value: dict[str, Value] = {
            "owner": self.owner,
            "created_s": self.created_s,
            "tags": [[name, text] for name, text in self.tags],
        }
        if self.place is not None:
            value["place"] = {
                "backend": self.place.backend,
                "uri": self.place.uri,
                "options": dict(self.place.options.model_dump()),
            }
        return value


def row_of(value: Value) -> BucketRow:
    """The row that `to_value` wrote; anything else is our own mistake."""
    assert isinstance(value, dict)
    owner, created_s, tags = value["owner"], value["created_s"], value["tags"]
    assert isinstance(owner, str)
    assert isinstance(created_s, int)
    assert isinstance(tags, list)
    place = value.get("place")
    return BucketRow(
        owner=owner,
        created_s=created_s,
        place=None if place is None else PlaceConfig.model_validate(place),
        tags=tuple(_tag(tag) for tag in tags),
    )


def _tag(value: Value) -> tuple[str, str]:
    assert isinstance(value, list)
    name, text = value
    assert isinstance(name, str)
    assert isinstance(text, str)
    return name, text
