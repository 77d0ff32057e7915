"""The operations of uploads in parts: what selects them, what they read."""

from gateway.errors import RequestInvalid
from gateway.model import Algorithm, Checksum, ChecksumSpec, ChecksumType
from gateway.s3 import checksums
from gateway.s3.headers import Sent
from gateway.s3.object_rules import COPY_SOURCE, part_number, read_source
from gateway.s3.operations import (
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CreateMultipartUpload,
    ListParts,
    Operation,
    UploadPart,
    UploadPartCopy,
)
from gateway.s3.ranges import copy_range
from gateway.s3.rules import Request, Rule, words
from gateway.s3.stored import read_stored
from gateway.s3.validators import parse_size, refuse_write_conditions, write_conditions

COPY_RANGE = "x-amz-copy-source-range"
OBJECT_SIZE = "x-amz-mp-object-size"

TYPES: dict[Algorithm, tuple[ChecksumType, ...]] = {
    Algorithm.CRC32: (ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT),
    Algorithm.CRC32C: (ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT),
    Algorithm.CRC64NVME: (ChecksumType.FULL_OBJECT,),
    Algorithm.SHA1: (ChecksumType.COMPOSITE,),
    Algorithm.SHA256: (ChecksumType.COMPOSITE,),
}
"""What may become of the parts' checksums, the default first ("Checking object integrity")."""


def read_spec(sent: Sent) -> ChecksumSpec | None:
    """The checksum an upload's parts shall carry; `RequestInvalid` for a type alone or a pair that cannot be."""
    name, type_ = sent.text("x-amz-checksum-algorithm"), _checksum_type(sent)
    if name is None:
        if type_ is not None:
            raise RequestInvalid("The x-amz-checksum-type header can only be used with x-amz-checksum-algorithm.")
        return None
    algorithm = checksums.algorithm_of(name)
    types = TYPES[algorithm]
    if type_ is not None and type_ not in types:
        raise RequestInvalid(f"The {type_.value} checksum type cannot be used with {algorithm.value}.")
    return ChecksumSpec(algorithm, types[0] if type_ is None else type_)


def _checksum_type(sent: Sent) -> ChecksumType | None:
    text = sent.text("x-amz-checksum-type")
    if text is None:
        return None
    try:
        return ChecksumType(text.upper())
    except ValueError:
        raise RequestInvalid(f"The checksum type {text} is not supported.") from None


def _whole_checksum(sent: Sent) -> Checksum | None:
    found = [
        checksums.parse(algorithm, text)
        for algorithm in Algorithm
        if (text := sent.text(checksums.header_of(algorithm))) is not None
    ]
    if len(found) > 1:
        raise RequestInvalid("Expecting a single x-amz-checksum- header")
    return found[0] if found else None


def _create(request: Request) -> CreateMultipartUpload:
    refuse_write_conditions(request.sent)
    stored, spec = read_stored(request.sent), read_spec(request.sent)
    return CreateMultipartUpload(request.bucket, request.key, stored, spec)


def _upload_part(request: Request) -> Operation:
    sent, upload_id = request.sent, _upload_id(request)
    refuse_write_conditions(sent)
    number = part_number(request.parameters)
    assert number is not None, "the rule demands a part number"
    source = sent.text(COPY_SOURCE)
    if source is None:
        return UploadPart(request.bucket, request.key, upload_id, number)
    range_text = sent.text(COPY_RANGE)
    return UploadPartCopy(
        request.bucket,
        request.key,
        upload_id,
        number,
        read_source(sent, source),
        None if range_text is None else copy_range(range_text),
    )


def _complete(request: Request) -> CompleteMultipartUpload:
    sent = request.sent
    return CompleteMultipartUpload(
        request.bucket,
        request.key,
        _upload_id(request),
        conditions=write_conditions(sent),
        checksum=_whole_checksum(sent),
        checksum_type=_checksum_type(sent),
        size=parse_size(OBJECT_SIZE, sent.text(OBJECT_SIZE)),
    )


def _abort(request: Request) -> AbortMultipartUpload:
    return AbortMultipartUpload(request.bucket, request.key, _upload_id(request))


def _list_parts(request: Request) -> ListParts:
    parameters = request.parameters
    return ListParts(
        request.bucket,
        request.key,
        _upload_id(request),
        parts_max=parameters.limit("max-parts"),
        after=parameters.integer("part-number-marker") or 0,
    )


def _upload_id(request: Request) -> str:
    return request.parameters.text("uploadId") or ""


RULES = (
    Rule("POST", _create, words("uploads")),
    Rule("PUT", _upload_part, words("partNumber uploadId")),
    Rule("POST", _complete, words("uploadId")),
    Rule("DELETE", _abort, words("uploadId")),
    Rule("GET", _list_parts, words("uploadId"), words("max-parts part-number-marker")),
)
