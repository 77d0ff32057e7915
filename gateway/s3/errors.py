"""Every expected failure as S3 says it: code, status, error document and the headers that go with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway import errors as e
from gateway.errors import GatewayError
from gateway.s3 import xml

RETRY_AFTER_S = 1
"""Seconds a client is asked to wait after a 503."""

_ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Row:
    """How a failure is answered."""

    code: str
    status: int


ROWS: Mapping[type[GatewayError], Row] = {
    # What a backend may say.
    e.ObjectMissing: Row("NoSuchKey", 404),
    e.RootMissing: Row("NoSuchBucket", 404),
    e.UploadMissing: Row("NoSuchUpload", 404),
    e.VersionChanged: Row("ServiceUnavailable", 503),
    e.ConditionFailed: Row("PreconditionFailed", 412),
    e.Conflict: Row("ConditionalRequestConflict", 409),
    e.SpanOutside: Row("InvalidRange", 416),
    e.KeyUnusable: Row("InvalidArgument", 400),
    e.KeyTooLong: Row("KeyTooLongError", 400),
    e.PartInvalid: Row("InvalidPart", 400),
    e.PartTooSmall: Row("EntityTooSmall", 400),
    e.AccessRefused: Row("AccessDenied", 403),
    e.ObjectTooLarge: Row("EntityTooLarge", 400),
    e.MetadataTooLarge: Row("MetadataTooLarge", 400),
    e.StorageFull: Row("ServiceUnavailable", 503),
    e.SlowDown: Row("SlowDown", 503),
    e.BackendUnavailable: Row("ServiceUnavailable", 503),
    e.BackendBroken: Row("InternalError", 500),
    e.CredentialsRefused: Row("ServiceUnavailable", 503),
    e.ObjectArchived: Row("InvalidObjectState", 403),
    e.Unsupported: Row("NotImplemented", 501),
    # What buckets may say.
    e.BucketMissing: Row("NoSuchBucket", 404),
    e.BucketNameInvalid: Row("InvalidBucketName", 400),
    e.BucketTaken: Row("BucketAlreadyExists", 409),
    e.BucketOwnedAlready: Row("BucketAlreadyOwnedByYou", 409),
    e.BucketNotEmpty: Row("BucketNotEmpty", 409),
    e.PinsFull: Row("PinsFull", 409),
    e.VersionMissing: Row("NoSuchVersion", 404),
    e.PartNumberOutside: Row("InvalidPartNumber", 416),
    e.BucketPolicyMissing: Row("NoSuchBucketPolicy", 404),
    e.CorsMissing: Row("NoSuchCORSConfiguration", 404),
    e.TagSetMissing: Row("NoSuchTagSet", 404),
    e.LifecycleMissing: Row("NoSuchLifecycleConfiguration", 404),
    e.EncryptionMissing: Row("ServerSideEncryptionConfigurationNotFoundError", 404),
    e.WebsiteMissing: Row("NoSuchWebsiteConfiguration", 404),
    e.ReplicationMissing: Row("ReplicationConfigurationNotFoundError", 404),
    e.ObjectLockMissing: Row("ObjectLockConfigurationNotFoundError", 404),
    e.PublicAccessBlockMissing: Row("NoSuchPublicAccessBlockConfiguration", 404),
    # What the caller's proof may lack.
    e.AuthorizationMalformed: Row("AuthorizationHeaderMalformed", 400),
    e.PresignedMalformed: Row("AuthorizationQueryParametersError", 400),
    e.KeyIdUnknown: Row("InvalidAccessKeyId", 403),
    e.SignatureWrong: Row("SignatureDoesNotMatch", 403),
    e.ClockSkewed: Row("RequestTimeTooSkewed", 403),
    # What is wrong with the request.
    e.RequestMalformed: Row("BadRequest", 400),
    e.HeadTooLarge: Row("RequestHeaderSectionTooLarge", 400),
    e.RequestTimeout: Row("RequestTimeout", 400),
    e.UriInvalid: Row("InvalidURI", 400),
    e.MethodRefused: Row("MethodNotAllowed", 405),
    e.ArgumentInvalid: Row("InvalidArgument", 400),
    e.RequestInvalid: Row("InvalidRequest", 400),
    e.AclUnsupported: Row("AccessControlListNotSupported", 400),
    e.StorageClassInvalid: Row("InvalidStorageClass", 400),
    e.TagInvalid: Row("InvalidTag", 400),
    e.XmlMalformed: Row("MalformedXML", 400),
    e.MessageTooLong: Row("MaxMessageLengthExceeded", 400),
    e.PartOrderInvalid: Row("InvalidPartOrder", 400),
    e.FormMalformed: Row("MalformedPOSTRequest", 400),
    e.FormExpected: Row("RequestIsNotMultiPartContent", 400),
    e.FormPreambleTooLong: Row("MaxPostPreDataLengthExceededError", 400),
    e.FormPolicyInvalid: Row("InvalidPolicyDocument", 400),
    # What is wrong with the body.
    e.LengthMissing: Row("MissingContentLength", 411),
    e.BodyIncomplete: Row("IncompleteBody", 400),
    e.BodyTooSmall: Row("EntityTooSmall", 400),
    e.DigestInvalid: Row("InvalidDigest", 400),
    e.DigestWrong: Row("BadDigest", 400),
    e.PayloadHashWrong: Row("XAmzContentSHA256Mismatch", 400),
    e.ChunkSizeInvalid: Row("InvalidChunkSizeError", 400),
    e.TrailerMalformed: Row("MalformedTrailerError", 400),
    e.InternalError: Row("InternalError", 500),
}


def row_of(error: GatewayError) -> Row:
    """Code and status of a failure."""
    return ROWS[type(error)]


def document(error: GatewayError, *, resource: str, request_id: str, host_id: str) -> bytes:
    """The error document. What XML cannot carry becomes U+FFFD; here that harms nobody."""
    details = [_leaf(name, value) for name, value in error.details.items() if name != _ALLOW]
    return xml.bare_document("Error", *_said(error), *details, *_where(resource, request_id, host_id))


def fields_of(error: GatewayError) -> list[tuple[str, str]]:
    """The header fields that belong to this failure, lower case."""
    fields: list[tuple[str, str]] = []
    if row_of(error).status == 503:
        fields.append(("retry-after", str(RETRY_AFTER_S)))
    if isinstance(error, e.MethodRefused):
        fields.append((_ALLOW, error.details.get(_ALLOW, "")))
    if isinstance(error, e.SpanOutside):
        fields.append(("content-range", f"bytes */{error.size}"))
    return fields


def _said(error: GatewayError) -> list[str]:
    return [_leaf("Code", row_of(error).code), _leaf("Message", str(error))]


def _where(resource: str, request_id: str, host_id: str) -> list[str]:
    return [_leaf("Resource", resource), _leaf("RequestId", request_id), _leaf("HostId", host_id)]


def _leaf(name: str, value: str) -> str:
    return xml.leaf(name, xml.carried(value))
