"""What signers put into the query of a URL: signatures, which select nothing, and headers moved there."""

from collections.abc import Iterator

from gateway.s3.head import Query

_V4 = frozenset((b"x-amz-algorithm", b"x-amz-credential", b"x-amz-signature"))
_V2 = frozenset((b"AWSAccessKeyId", b"Signature", b"Expires"))
# botocore moves these, too, into URLs that it signs with version 2 (seen in 1.43).
_MOVED_V2 = frozenset((b"content-type", b"content-md5"))


def moved_headers(query: Query) -> Iterator[tuple[str, str]]:
    """The parameters of a presigned URL that count as headers: lower-case names, header text.

    Checksums are left out: AWS SDK for JavaScript v3 (seen in 3.729 and later) puts the CRC32 of an
    empty body into every presigned PUT.
    """
    v2 = _is_v2(query)
    if not v2 and all(name.lower() not in _V4 for name, _ in query):
        return
    for name, value in query:
        lower = name.lower()
        if (v2 and name in _MOVED_V2) or (lower.startswith(b"x-amz-") and not _is_checksum(lower)):
            yield lower.decode("latin-1"), value.decode("latin-1")


def selecting(query: Query) -> list[str]:
    """The names that say what is asked, in the order sent: neither signatures nor `x-...`.

    Names beginning with `x-` are for the log alone ("Amazon S3 server access log format", Custom access
    log information); SDKs send `x-id`.
    """
    proof = _V2 | _MOVED_V2 if _is_v2(query) else frozenset[bytes]()
    return [
        name.decode("utf-8", "replace") for name, _ in query if not name.lower().startswith(b"x-") and name not in proof
    ]


def _is_v2(query: Query) -> bool:
    return any(name in _V2 for name, _ in query)


def _is_checksum(name: bytes) -> bool:
    return name.startswith(b"x-amz-checksum-") or name == b"x-amz-sdk-checksum-algorithm"
