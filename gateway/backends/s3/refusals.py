"""What it means when an S3 store refuses a request: code and status become a failure the gateway expects. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway import errors as e
from gateway.backends.s3 import documents
from gateway.errors import BackendBroken, GatewayError


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is no success: what its head and its error document say."""

    status: int
    code: str = ""
    region: str = ""
    """The region that the store says the request belongs to; empty where it names none."""
    size: int | None = None
    """Of a range that cannot be satisfied: bytes of the object, where the store tells."""
    wait_s: float | None = None


REDIRECTS = frozenset({301, 302, 303, 307, 308})
CREDENTIALS_CODES = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidToken",
        "NotSignedUp",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
    }
)

_BY_CODE: Mapping[str, type[GatewayError]] = {
    **dict.fromkeys(CREDENTIALS_CODES, e.CredentialsRefused),
    "AccessDenied": e.AccessRefused,
    "AllAccessDisabled": e.AccessRefused,
    "BadDigest": e.DigestWrong,
    "BucketAlreadyExists": e.BucketTaken,
    "BucketAlreadyOwnedByYou": e.BucketTaken,
    "BucketNotEmpty": e.BucketNotEmpty,
    "ConditionalRequestConflict": e.Conflict,
    "EntityTooLarge": e.ObjectTooLarge,
    "EntityTooSmall": e.PartTooSmall,
    "InternalError": e.BackendUnavailable,
    "InvalidObjectName": e.KeyUnusable,
    "InvalidObjectState": e.ObjectArchived,
    "InvalidPart": e.PartInvalid,
    "InvalidPartOrder": e.PartOrderInvalid,
    "InvalidTag": e.TagInvalid,
    "InvalidURI": e.KeyUnusable,
    "KeyTooLongError": e.KeyUnusable,
    "MetadataTooLarge": e.MetadataTooLarge,
    "MethodNotAllowed": e.Unsupported,
    "NoSuchBucket": e.RootMissing,
    "NoSuchKey": e.ObjectMissing,
    "NoSuchUpload": e.UploadMissing,
    "NoSuchVersion": e.ObjectMissing,
    "NotImplemented": e.Unsupported,
    "OperationAborted": e.Conflict,
    "PreconditionFailed": e.ConditionFailed,
    "QuotaExceeded": e.StorageFull,
    "RequestTimeout": e.BackendUnavailable,
    "ServiceUnavailable": e.BackendUnavailable,
    "SlowDown": e.SlowDown,
    "TooManyRequests": e.SlowDown,
}
_BY_STATUS: Mapping[int, type[GatewayError]] = {
    401: e.CredentialsRefused,
    403: e.AccessRefused,
    404: e.ObjectMissing,
    405: e.Unsupported,
    408: e.BackendUnavailable,
    409: e.Conflict,
    412: e.ConditionFailed,
    429: e.SlowDown,
    501: e.Unsupported,
    507: e.StorageFull,
}
_UNSATISFIED = re.compile(r"bytes \*/(\d+)")


def refusal_of(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """What the answer says; a body that is no error document says nothing."""
    told = documents.error_of(body)
    unsatisfied = _UNSATISFIED.fullmatch(headers.get("content-range", ""))
    wait = headers.get("retry-after", "")
    return Refusal(
        status=status,
        code=told.get("Code", ""),
        region=headers.get("x-amz-bucket-region") or told.get("Region", ""),
        size=int(unsatisfied[1]) if unsatisfied else None,
        wait_s=float(wait) if wait.isascii() and wait.isdigit() else None,
    )


def error_of(refusal: Refusal) -> GatewayError:
    """The failure that a refusal is; what nobody expects of a store is `BackendBroken`."""
    if refusal.size is not None:
        return e.SpanOutside(refusal.size)
    failure = _BY_CODE.get(refusal.code) or _BY_STATUS.get(refusal.status)
    if failure is e.SlowDown:
        return e.SlowDown(wait_s=refusal.wait_s)
    if failure is not None:
        return failure()
    if refusal.status >= 500:
        return e.SlowDown(wait_s=refusal.wait_s) if refusal.wait_s is not None else e.BackendUnavailable()
    return BackendBroken()
