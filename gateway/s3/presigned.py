"""What signers put into the query of a URL: signatures, which select nothing, and headers moved there."""

from collections.abc import Iterator

from gateway.s3.head import Query

V2_PARAMETERS = frozenset((b"AWSAccessKeyId", b"Signature", b"Expires"))
"""Any of these makes a URL one that is signed with version 2; a good one has them all."""
V2_MOVED = (b"content-md5", b"content-type")
"""What botocore (seen in 1.43) moves into such URLs besides `x-amz-...`, in the order in which it is signed."""

_V4_PARAMETERS = frozenset((b"x-amz-algorithm", b"x-amz-credential", b"x-amz-signature"))


def is_v4(query: Query) -> bool:
    """Whether a URL is signed with version 4, or says so."""
    return any(name.lower() in _V4_PARAMETERS for name, _ in query)


def is_v2(query: Query) -> bool:
    """Whether a URL is signed with version 2, or says so."""
    return any(name in V2_PARAMETERS for name, _ in query)


def moved_headers(query: Query) -> Iterator[tuple[str, str]]:
    """The parameters of a presigned URL that count as headers: lower-case names, header text.

    Checksums are left out: AWS SDK for JavaScript v3 (seen in 3.729 and later) puts the CRC32 of an
    empty body into every presigned PUT.
    """
    v2 = is_v2(query)
    if not v2 and not is_v4(query):
        return
    for name, value in query:
        lower = name.lower()
        if (v2 and name in V2_MOVED) or (lower.startswith(b"x-amz-") and not _is_checksum(lower)):
            yield lower.decode("latin-1"), value.decode("latin-1")


def selecting(query: Query) -> list[str]:
    """The names that say what is asked, in the order sent: neither signatures nor `x-...`.

    Names beginning with `x-` are for the log alone ("Amazon S3 server access log format", Custom access
    log information); SDKs send `x-id`.
    """
    proof = V2_PARAMETERS.union(V2_MOVED) if is_v2(query) else frozenset[bytes]()
    return [
        name.decode("utf-8", "replace") for name, _ in query if not name.lower().startswith(b"x-") and name not in proof
    ]


def _is_checksum(name: bytes) -> bool:
    return name.startswith(b"x-amz-checksum-") or name == b"x-amz-sdk-checksum-algorithm"
