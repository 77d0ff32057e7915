"""What is kept beside the bytes of an object or an upload, as JSON text."""

import json
from dataclasses import dataclass, fields

from gateway.model import (
    Algorithm,
    Checksum,
    ChecksumSpec,
    ChecksumType,
    ContentHeaders,
    ETag,
    Info,
    Metadata,
    PartRun,
    Tags,
    Version,
)

_CONTENT_FIELDS = tuple(field.name for field in fields(ContentHeaders))


@dataclass(frozen=True, slots=True)
class Record:
    """The info of one content; `upload` names the upload that made it, if one did."""

    info: Info
    upload: str | None = None

    def to_json(self) -> bytes:
        info = self.info
        return _dump(
            version=info.version.decode("ascii"),
            size=info.size,
            modified_s=info.modified_s,
            etag=info.etag,
            content=_content_fields(info.content),
            metadata=info.metadata,
            checksum=info.checksum and _checksum_fields(info.checksum),
            parts=[(run.count, run.size) for run in info.parts],
            upload=self.upload,
        )


def record_of(text: bytes) -> Record | None:
    """None for text that is no record: the object then counts as found, not written."""
    try:
        told = json.loads(text)
        checksum = told.get("checksum")
        info = Info(
            version=Version(told["version"].encode("ascii")),
            size=int(told["size"]),
            modified_s=int(told["modified_s"]),
            etag=ETag(told["etag"]),
            content=ContentHeaders(**told.get("content", {})),
            metadata=_pairs(told.get("metadata", ())),
            checksum=checksum and _checksum_of(**checksum),
            parts=tuple(PartRun(count, size) for count, size in told.get("parts", ())),
        )
        return Record(info, told.get("upload"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """What was given when an upload began."""

    key: bytes
    started_s: int
    content: ContentHeaders
    metadata: Metadata
    tags: Tags
    checksum: ChecksumSpec | None

    def to_json(self) -> bytes:
        return _dump(
            key=self.key.decode(),
            started_s=self.started_s,
            content=_content_fields(self.content),
            metadata=self.metadata,
            tags=self.tags,
            checksum=self.checksum and (self.checksum.algorithm.value, self.checksum.type.value),
        )


def upload_record_of(text: bytes) -> UploadRecord | None:
    """What the text of a record says; None if it is not one of ours."""
    try:
        told = json.loads(text)
        checksum = told.get("checksum")
        return UploadRecord(
            key=told["key"].encode(),
            started_s=int(told["started_s"]),
            content=ContentHeaders(**told.get("content", {})),
            metadata=_pairs(told.get("metadata", ())),
            tags=_pairs(told.get("tags", ())),
            checksum=checksum and ChecksumSpec(Algorithm(checksum[0]), ChecksumType(checksum[1])),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def tags_to_json(tags: Tags) -> bytes:
    """Tags as they are kept beside an object."""
    return json.dumps(tags, ensure_ascii=False, separators=(",", ":")).encode()


def tags_of(text: bytes) -> Tags:
    """Tags as they were kept; none if the text is not ours."""
    try:
        return _pairs(json.loads(text))
    except (ValueError, TypeError):
        return ()


def _dump(**values: object) -> bytes:
    told = {name: value for name, value in values.items() if value not in (None, (), [], {})}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _content_fields(content: ContentHeaders) -> dict[str, str]:
    told = ((name, getattr(content, name)) for name in _CONTENT_FIELDS)
    return {name: value for name, value in told if value is not None}


def _checksum_fields(checksum: Checksum) -> dict[str, str | int]:
    return {
        "algorithm": checksum.algorithm.value,
        "value": checksum.value.hex(),
        "type": checksum.type.value,
        "part_count": checksum.part_count,
    }


def _checksum_of(algorithm: str, value: str, type: str, part_count: int) -> Checksum:
    return Checksum(Algorithm(algorithm), bytes.fromhex(value), ChecksumType(type), part_count)


def _pairs(rows: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in rows)
