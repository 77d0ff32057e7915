"""What the settings keep of a bucket: rows of two tables, read and written as values."""

from dataclasses import dataclass
from pathlib import Path

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

    def to_value(self, home: Path) -> Value:
        """`home` is the node's data directory: what lies below it is kept relative to it, so that both can move."""
        value: dict[str, Value] = {
            "owner": self.owner,
            "created_s": self.created_s,
            "tags": [[name, text] for name, text in self.tags],
        }
        if self.place is not None:
            value["place"] = {
                "backend": self.place.backend,
                "uri": _kept_uri(self.place, home),
                # Those of S3 stores hold credentials, so they stay in the configuration alone.
                "options": {} if self.place.backend == "s3" else dict(self.place.options.model_dump()),
            }
        return value


def row_of(value: Value, home: Path) -> BucketRow:
    """The row that `to_value` wrote, perhaps for another `home`; anything else is our own mistake."""
    assert isinstance(value, dict)
    owner, created_s, tags = value["owner"], value["created_s"], value["tags"]
    assert isinstance(owner, str)
    assert isinstance(created_s, int)
    assert isinstance(tags, list)
    place = value.get("place")
    return BucketRow(
        owner=owner,
        created_s=created_s,
        place=None if place is None else _placed(PlaceConfig.model_validate(place), home),
        tags=tuple(_tag(tag) for tag in tags),
    )


def _kept_uri(place: PlaceConfig, home: Path) -> str:
    path = Path(place.uri)
    return str(path.relative_to(home)) if place.backend == "local" and path.is_relative_to(home) else place.uri


def _placed(place: PlaceConfig, home: Path) -> PlaceConfig:
    # An absolute path stays what it is when it is joined.
    return place.model_copy(update={"uri": str(home / place.uri)}) if place.backend == "local" else place


def _tag(value: Value) -> tuple[str, str]:
    assert isinstance(value, list)
    name, text = value
    assert isinstance(name, str)
    assert isinstance(text, str)
    return name, text
