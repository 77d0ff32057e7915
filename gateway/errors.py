"""Every failure the gateway expects: one class each, with a sentence, and whether a retry may help.

`s3/errors.py` has one row per class (S3 code and status); a test compares the two lists.
A leaf class is what is raised; `GatewayError` itself never is.
"""

from typing import ClassVar


class GatewayError(Exception):
    """An expected failure.

    `str(error)` is a sentence for the client and never holds a secret. `details` are further
    facts for the error document, by their names there, for instance `{"ArgumentName": "max-keys"}`.
    `retry` says whether the same request may succeed later.
    """

    retry: ClassVar[bool] = False
    sentence: ClassVar[str]

    def __init__(self, message: str | None = None, **details: str | int) -> None:
        super().__init__(message or self.sentence)
        self.details: dict[str, str] = {name: str(value) for name, value in details.items()}


class ConfigInvalid(Exception):
    """The configuration cannot be used. Never reaches a client, so it has no S3 row.

    Each problem is one line for a person, with the file's line number where there is one.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# What a backend may say.


class ObjectMissing(GatewayError):
    sentence = "The specified key does not exist."


class RootMissing(GatewayError):
    """The bucket, container or directory behind a mount is gone."""

    sentence = "The place behind this bucket does not exist."


class UploadMissing(GatewayError):
    sentence = (
        "The specified multipart upload does not exist. The upload ID might be invalid, "
        "or the multipart upload might have been aborted or completed."
    )


class VersionChanged(GatewayError):
    """A pinned read met another version; the reader starts again or gives up. Rarely reaches a client."""

    sentence = "The object changed while it was read."


class ConditionFailed(GatewayError):
    sentence = "At least one of the pre-conditions you specified did not hold."


class Conflict(GatewayError):
    retry = True
    sentence = "The conditional request cannot succeed due to a conflicting operation against this resource."


class SpanOutside(GatewayError):
    """The span starts at or after the end; `size` is the object's."""

    sentence = "The requested range is not satisfiable"

    def __init__(self, size: int, message: str | None = None, **details: str | int) -> None:
        super().__init__(message, ActualObjectSize=size, **details)
        self.size = size


class KeyUnusable(GatewayError):
    """The store behind the mount cannot hold this key exactly."""

    sentence = "The store behind this bucket cannot hold this key."


class KeyTooLong(GatewayError):
    sentence = "Your key is too long"


class PartInvalid(GatewayError):
    sentence = (
        "One or more of the specified parts could not be found. The part may not have been uploaded, "
        "or the specified entity tag may not match the part's entity tag."
    )


class PartTooSmall(GatewayError):
    sentence = "Your proposed upload is smaller than the minimum allowed size"


class AccessRefused(GatewayError):
    """The backend, or the gateway's policies, refuse this one request."""

    sentence = "Access Denied"


class ObjectTooLarge(GatewayError):
    sentence = "Your proposed upload exceeds the maximum allowed size"


class MetadataTooLarge(GatewayError):
    sentence = "Your metadata headers exceed the maximum allowed metadata size"


class StorageFull(GatewayError):
    sentence = "The store behind this bucket is full."


class SlowDown(GatewayError):
    """`wait_s`: how long the store asked to be left alone, None where it did not say."""

    retry = True
    sentence = "Please reduce your request rate."

    def __init__(self, message: str | None = None, *, wait_s: float | None = None, **details: str | int) -> None:
        super().__init__(message, **details)
        self.wait_s = wait_s


class BackendUnavailable(GatewayError):
    """The store could not be reached, broke off or failed; `silent` if it kept us waiting until a deadline."""

    retry = True
    sentence = "The store behind this bucket does not answer."

    def __init__(self, message: str | None = None, *, silent: bool = False, **details: str | int) -> None:
        super().__init__(message, **details)
        self.silent = silent


class BackendBroken(GatewayError):
    """The store answered, but what it says makes no sense or contradicts itself."""

    sentence = "The store behind this bucket gave an answer that cannot be used."


class CredentialsRefused(GatewayError):
    """The store refuses the gateway's own credentials; no client could do anything about it."""

    sentence = "The store behind this bucket cannot be used now."


class ObjectArchived(GatewayError):
    """The bytes lie in cold storage; the store hands them out only after they were restored there."""

    sentence = "The operation is not valid for the object's storage class"


class Unsupported(GatewayError):
    """Nothing here implements what the request asks for; it is named, never ignored."""

    sentence = "A header or query you provided implies functionality that is not implemented"


# What buckets may say.


class BucketMissing(GatewayError):
    sentence = "The specified bucket does not exist"


class BucketNameInvalid(GatewayError):
    sentence = "The specified bucket is not valid."


class BucketTaken(GatewayError):
    sentence = (
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again."
    )


class BucketOwnedAlready(GatewayError):
    sentence = "Your previous request to create the named bucket succeeded and you already own it."


class BucketNotEmpty(GatewayError):
    sentence = "The bucket you tried to delete is not empty"


class PinsFull(GatewayError):
    """Said to people who want an object pinned, not to S3 clients."""

    sentence = "More than `pin_max` of a disk would be pinned, or the disk takes no writes now."


class VersionMissing(GatewayError):
    sentence = "The specified version does not exist."


class PartNumberOutside(GatewayError):
    sentence = "The requested partnumber is not satisfiable"


class BucketPolicyMissing(GatewayError):
    sentence = "The bucket policy does not exist"


class CorsMissing(GatewayError):
    sentence = "The CORS configuration does not exist"


class TagSetMissing(GatewayError):
    sentence = "The TagSet does not exist"


class LifecycleMissing(GatewayError):
    sentence = "The lifecycle configuration does not exist"


class EncryptionMissing(GatewayError):
    sentence = "The server side encryption configuration was not found"


class WebsiteMissing(GatewayError):
    sentence = "The specified bucket does not have a website configuration"


class ReplicationMissing(GatewayError):
    sentence = "The replication configuration was not found"


class ObjectLockMissing(GatewayError):
    sentence = "Object Lock configuration does not exist for this bucket"


class PublicAccessBlockMissing(GatewayError):
    sentence = "The public access block configuration was not found"


# What the caller's proof may lack.


class AuthorizationMalformed(GatewayError):
    sentence = "The authorization header you provided is invalid."


class PresignedMalformed(GatewayError):
    sentence = "The query-string authorization parameters you provided are invalid."


class KeyIdUnknown(GatewayError):
    sentence = "The AWS Access Key Id you provided does not exist in our records."


class SignatureWrong(GatewayError):
    sentence = (
        "The request signature we calculated does not match the signature you provided. "
        "Check your key and signing method."
    )


class ClockSkewed(GatewayError):
    sentence = "The difference between the request time and the current time is too large."


# What is wrong with the request.


class RequestMalformed(GatewayError):
    """HTTP framing that cannot be trusted; the connection is closed."""

    sentence = "An error occurred when parsing the HTTP request."


class HeadTooLarge(GatewayError):
    sentence = "Your request header section exceeds the maximum allowed size."


class RequestTimeout(GatewayError):
    sentence = "Your socket connection to the server was not read from or written to within the timeout period."


class UriInvalid(GatewayError):
    sentence = "Couldn't parse the specified URI."


class MethodRefused(GatewayError):
    """`allow` in `details` becomes the Allow header, and stands nowhere else."""

    sentence = "The specified method is not allowed against this resource."


class ArgumentInvalid(GatewayError):
    sentence = "Invalid Argument"


class RequestInvalid(GatewayError):
    sentence = "Invalid Request"


class AclUnsupported(GatewayError):
    sentence = "The bucket does not allow ACLs"


class StorageClassInvalid(GatewayError):
    sentence = "The storage class you specified is not valid"


class TagInvalid(GatewayError):
    sentence = "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation."


class XmlMalformed(GatewayError):
    sentence = "The XML you provided was not well-formed or did not validate against our published schema"


class MessageTooLong(GatewayError):
    sentence = "Your request was too big."


class PartOrderInvalid(GatewayError):
    sentence = "The list of parts was not in ascending order. The parts list must be specified in order by part number."


class FormMalformed(GatewayError):
    sentence = "The body of your POST request is not well-formed multipart/form-data."


class FormExpected(GatewayError):
    sentence = "Bucket POST must be of the enclosure-type multipart/form-data."


class FormPreambleTooLong(GatewayError):
    sentence = "Your POST request fields preceding the upload file were too large."


class FormPolicyInvalid(GatewayError):
    sentence = "The content of the form does not meet the conditions specified in the policy document."


# What is wrong with the body.


class LengthMissing(GatewayError):
    sentence = "You must provide the Content-Length HTTP header."


class BodyIncomplete(GatewayError):
    sentence = "You did not provide the number of bytes specified by the Content-Length HTTP header"


class BodyTooSmall(GatewayError):
    """A form's file below the policy's content-length-range."""

    sentence = "Your proposed upload is smaller than the minimum allowed size"


class DigestInvalid(GatewayError):
    sentence = "The Content-MD5 you specified was invalid."


class DigestWrong(GatewayError):
    sentence = "The Content-MD5 or checksum value that you specified did not match what the server received."


class PayloadHashWrong(GatewayError):
    sentence = "The provided 'x-amz-content-sha256' header does not match what was computed."


class ChunkSizeInvalid(GatewayError):
    sentence = "Only the last chunk is allowed to have a size less than 8192 bytes"


class TrailerMalformed(GatewayError):
    sentence = (
        "The request contained trailing data that was not well-formed or did not conform to our published schema."
    )


class InternalError(GatewayError):
    """A mistake of ours, made presentable; always logged with its cause."""

    retry = True
    sentence = "We encountered an internal error. Please try again."
