"""The values of x-amz-content-sha256: how a body is framed and what proves it."""

from gateway.errors import ArgumentInvalid, Unsupported

UNSIGNED = "UNSIGNED-PAYLOAD"
CHUNKS_UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHUNKS_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CHUNKS_AND_TRAILER_SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

CHUNK_SIGNING = frozenset((CHUNKS_SIGNED, CHUNKS_AND_TRAILER_SIGNED))
CHUNKED = CHUNK_SIGNING | {CHUNKS_UNSIGNED}

_HEX_DIGITS = b"0123456789abcdefABCDEF"


def parse_mode(value: bytes) -> str:
    """The mode that a client named; 64 hex digits stand for a plain body of that SHA-256.

    Raises `ArgumentInvalid`, or `Unsupported` for the modes of SigV4a.
    """
    if is_sha256(value):
        return value.decode()
    mode = value.decode("latin-1")
    if mode == UNSIGNED or mode in CHUNKED:
        return mode
    if mode.startswith("STREAMING-AWS4-ECDSA-"):
        raise Unsupported(f"x-amz-content-sha256: {mode} is not implemented.", Header="x-amz-content-sha256")
    raise ArgumentInvalid(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, one of the STREAMING modes, or a valid SHA-256 value.",
        ArgumentName="x-amz-content-sha256",
        ArgumentValue=mode,
    )


def is_sha256(value: bytes) -> bool:
    """Whether this is 64 hex digits."""
    return len(value) == 64 and not value.translate(None, _HEX_DIGITS)
