"""The operations of objects but for uploads in parts: what selects them, what they read."""

from gateway.errors import ArgumentInvalid, GatewayError, RequestInvalid, Unsupported
from gateway.model import PART_NUMBER_MAX, Bucket, ChecksumSpec, ChecksumType, Key
from gateway.s3.checksums import algorithm_of
from gateway.s3.headers import Sent
from gateway.s3.names import check_key
from gateway.s3.operations import (
    CopyObject,
    DeleteObject,
    GetObject,
    HeadObject,
    ObjectAcl,
    ObjectLock,
    ObjectTagging,
    Operation,
    PutObject,
    ReadSpec,
    Source,
    Verb,
)
from gateway.s3.parameters import Parameters, invalid
from gateway.s3.ranges import parse_range
from gateway.s3.rules import Request, Rule, words
from gateway.s3.stored import canned_acl, read_stored, replaces
from gateway.s3.target import unquote
from gateway.s3.validators import (
    COPY_SOURCE_PREFIX,
    delete_conditions,
    if_range,
    read_conditions,
    write_conditions,
)

COPY_SOURCE = "x-amz-copy-source"
OVERRIDES = {
    f"response-{name}": name
    for name in (
        "content-type",
        "content-language",
        "expires",
        "cache-control",
        "content-disposition",
        "content-encoding",
    )
}
"""The query parameter that replaces each stored header."""


def read_source(sent: Sent, text: str) -> Source:
    """A copy's source: `bucket/key` or `/bucket/key`, decoded once, `+` being a plus; `?versionId=...` may follow."""
    raw = text.encode("latin-1")
    path, found, version = raw.rpartition(b"?versionId=")
    path = path if found else raw
    name, _, key = _decoded(path, text).removeprefix("/").partition("/")
    if name.startswith("arn:"):
        raise Unsupported("Copy sources named by ARN are not implemented.", Header=COPY_SOURCE)
    if not name or not key:
        raise _source_invalid(text)
    source = Key(key.encode())
    check_key(source)
    version_id = version.decode("latin-1") if found else None
    return Source(Bucket(name), source, version_id, read_conditions(sent, COPY_SOURCE_PREFIX))


def part_number(parameters: Parameters) -> int | None:
    """The part that is meant; `ArgumentInvalid` unless 1 to 10,000."""
    return parameters.integer("partNumber", low=1, high=PART_NUMBER_MAX)


def _read_spec(request: Request) -> ReadSpec:
    parameters, sent = request.parameters, request.sent
    range_text, number = sent.text("range"), part_number(parameters)
    if range_text is not None and number is not None:
        raise RequestInvalid("Cannot specify both Range header and partNumber query parameter")
    cache_control = {word.strip().lower() for word in (sent.text("cache-control") or "").split(",")}
    return ReadSpec(
        version_id=_version_id(parameters),
        range=None if range_text is None else parse_range(range_text),
        if_range=if_range(sent),
        part_number=number,
        conditions=read_conditions(sent),
        overrides=_overrides(parameters),
        with_checksum=(sent.text("x-amz-checksum-mode") or "").lower() == "enabled",
        revalidate="no-cache" in cache_control,
        bypass="no-store" in cache_control,
    )


def _overrides(parameters: Parameters) -> tuple[tuple[str, str], ...]:
    if not parameters.query:
        return ()
    said = ((name, header, parameters.text(name)) for name, header in OVERRIDES.items())
    return tuple((header, _printable(name, value)) for name, header, value in said if value is not None)


def _printable(name: str, value: str) -> str:
    # Anything else could end the field and begin another.
    if all(" " <= character <= "~" or "\xa0" <= character <= "\xff" for character in value):
        return value
    raise invalid(name, value, f"The argument {name} must be printable Latin-1 text.")


def _version_id(parameters: Parameters) -> str | None:
    version = parameters.text("versionId")
    if version == "":
        raise invalid("versionId", "", "Version id cannot be the empty string")
    return version


def _put(request: Request) -> Operation:
    sent = request.sent
    stored, conditions = read_stored(sent), write_conditions(sent)
    source = sent.text(COPY_SOURCE)
    if source is None:
        return PutObject(request.bucket, request.key, stored, conditions)
    return CopyObject(
        request.bucket,
        request.key,
        read_source(sent, source),
        stored,
        replaces_metadata=replaces(sent, "x-amz-metadata-directive"),
        replaces_tags=replaces(sent, "x-amz-tagging-directive"),
        conditions=conditions,
        checksum=_copy_checksum(sent.text("x-amz-checksum-algorithm")),
    )


def _copy_checksum(algorithm: str | None) -> ChecksumSpec | None:
    return None if algorithm is None else ChecksumSpec(algorithm_of(algorithm), ChecksumType.FULL_OBJECT)


def _delete(request: Request) -> DeleteObject:
    version_id, conditions = _version_id(request.parameters), delete_conditions(request.sent)
    return DeleteObject(request.bucket, request.key, version_id, conditions)


_READ = words("versionId partNumber") | OVERRIDES.keys()

RULES = (
    Rule("GET", lambda request: GetObject(request.bucket, request.key, _read_spec(request)), parameters=_READ),
    Rule("HEAD", lambda request: HeadObject(request.bucket, request.key, _read_spec(request)), parameters=_READ),
    Rule("PUT", _put),
    Rule("DELETE", _delete, parameters=words("versionId")),
)


def _acl_rule(verb: Verb, action: str) -> Rule:
    def acl(request: Request) -> ObjectAcl:
        version_id, canned = _version_id(request.parameters), canned_acl(request.sent)
        return ObjectAcl(request.bucket, request.key, verb, action, canned, version_id)

    return Rule(verb.value, acl, words("acl"), words("versionId"))


def _tagging_rule(verb: Verb, action: str) -> Rule:
    def tagging(request: Request) -> ObjectTagging:
        return ObjectTagging(request.bucket, request.key, verb, action, _version_id(request.parameters))

    return Rule(verb.value, tagging, words("tagging"), words("versionId"))


def _lock_rule(sub_resource: str, verb: Verb, action: str) -> Rule:
    def lock(request: Request) -> ObjectLock:
        return ObjectLock(request.bucket, request.key, verb, action, _version_id(request.parameters))

    return Rule(verb.value, lock, words(sub_resource), words("versionId"))


TRUTHS = (
    _acl_rule(Verb.GET, "s3:GetObjectAcl"),
    _acl_rule(Verb.PUT, "s3:PutObjectAcl"),
    _tagging_rule(Verb.GET, "s3:GetObjectTagging"),
    _tagging_rule(Verb.PUT, "s3:PutObjectTagging"),
    _tagging_rule(Verb.DELETE, "s3:DeleteObjectTagging"),
    _lock_rule("legal-hold", Verb.GET, "s3:GetObjectLegalHold"),
    _lock_rule("legal-hold", Verb.PUT, "s3:PutObjectLegalHold"),
    _lock_rule("retention", Verb.GET, "s3:GetObjectRetention"),
    _lock_rule("retention", Verb.PUT, "s3:PutObjectRetention"),
)


def _decoded(path: bytes, text: str) -> str:
    try:
        return unquote(path).decode()
    except (GatewayError, UnicodeDecodeError):
        raise _source_invalid(text) from None


def _source_invalid(text: str) -> ArgumentInvalid:
    return ArgumentInvalid(
        "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        ArgumentName=COPY_SOURCE,
        ArgumentValue=text,
    )
