"""What every store that keeps multipart uploads itself decides alike: which parts count, and how they page."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

from gateway.backends.base import (
    PART_SIZE_MIN,
    Part,
    PartPage,
    UploadId,
    UploadPage,
    UploadQuery,
    WriteSpec,
)
from gateway.backends.listing import beyond_cut, common_prefix
from gateway.errors import ArgumentInvalid, PartInvalid, PartOrderInvalid, PartTooSmall, RequestInvalid
from gateway.model import PART_NUMBER_MAX


def check_number(number: int) -> None:
    """Raises `ArgumentInvalid` unless a part may have this number."""
    if not 1 <= number <= PART_NUMBER_MAX:
        raise ArgumentInvalid(f"Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive")


def chosen(listed: Sequence[Part], present: Mapping[int, Part], size: int | None) -> tuple[Part, ...]:
    """The parts that make the object, in order, as they are stored.

    `size` is what the client says the whole must have, or None.
    """
    numbers = [part.number for part in listed]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise PartOrderInvalid
    parts = tuple(_match(part, present.get(part.number)) for part in listed)
    for part in parts[:-1]:
        if part.size < PART_SIZE_MIN:
            raise PartTooSmall(
                ProposedSize=part.size, MinSizeAllowed=PART_SIZE_MIN, PartNumber=part.number, ETag=part.etag
            )
    if size is not None and size != sum(part.size for part in parts):
        raise RequestInvalid("The provided x-amz-mp-object-size does not match the size of the uploaded parts.")
    return parts


def _match(listed: Part, stored: Part | None) -> Part:
    if stored is None or stored.etag != listed.etag:
        raise PartInvalid(PartNumber=listed.number, ETag=listed.etag)
    if listed.checksum is not None and stored.checksum is not None and listed.checksum != stored.checksum:
        raise PartInvalid(PartNumber=listed.number, ETag=listed.etag)
    return stored


def page_of_parts(present: Iterable[Part], spec: WriteSpec, after: int, limit: int) -> PartPage:
    """One page of an upload's parts, given in any order."""
    rest = sorted((part for part in present if part.number > after), key=lambda part: part.number)
    return PartPage(tuple(rest[:limit]), truncated=len(rest) > limit, spec=spec)


def page_of_uploads(open_uploads: Iterable[UploadId], query: UploadQuery) -> UploadPage:
    """One page of the open uploads, given in any order."""
    uploads: list[UploadId] = []
    prefixes: list[bytes] = []
    for upload in sorted(open_uploads, key=order):
        if not upload.key.startswith(query.prefix) or not _is_after_marker(upload, query):
            continue
        rolled = common_prefix(upload.key, query.prefix, query.delimiter)
        if rolled is not None and prefixes[-1:] == [rolled]:
            continue
        if len(uploads) + len(prefixes) == query.limit:
            return UploadPage(tuple(uploads), tuple(prefixes), truncated=True)
        if rolled is None:
            uploads.append(upload)
        else:
            prefixes.append(rolled)
    return UploadPage(tuple(uploads), tuple(prefixes), truncated=False)


def order(upload: UploadId) -> tuple[bytes, int, str]:
    """The order of open uploads: by key, then start, then native id."""
    return upload.key, upload.started_s, upload.native


def _is_after_marker(upload: UploadId, query: UploadQuery) -> bool:
    if query.upload_marker is not None and upload.key == query.key_marker:
        return order(upload) > order(query.upload_marker)
    start = beyond_cut(query.key_marker, query.prefix, query.delimiter)
    return start is not None and upload.key >= start
