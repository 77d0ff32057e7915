"""AWS Signature Version 4, client side: what a request to a store needs in its headers. Pure.

"Signature Calculations for the Authorization Header: Transferring Payload in a Single Chunk"
(Amazon S3 API Reference).
"""

import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
_SERVICE = "s3"
_SIGNING_KEYS_MAX = 1000
_BLANKS = re.compile("[ \t]+")
"""Not `str.split`, which also takes letters of latin-1 for blanks."""


@dataclass(frozen=True, slots=True)
class Signer:
    """What a client proves itself with."""

    key_id: str
    secret: str = field(repr=False)
    region: str
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it will be sent.

    `path` is percent-encoded already and sent as it is; `query` is neither encoded nor sorted. `headers`
    hold every header to be signed, `host` among them; their names are in any case. `payload` is the hex
    SHA-256 of the body, or `UNSIGNED-PAYLOAD`.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    payload: str = UNSIGNED


def sign(request: Request, signer: Signer, now_s: float) -> dict[str, str]:
    """The headers to add: `x-amz-date`, `x-amz-content-sha256`, `authorization` and, with a token, its own."""
    stamp = _stamp(int(now_s))
    added = {"x-amz-date": stamp, "x-amz-content-sha256": request.payload}
    if signer.session_token is not None:
        added["x-amz-security-token"] = signer.session_token
    signed = {name.lower(): _BLANKS.sub(" ", value.strip(" \t")) for name, value in request.headers.items()} | added
    lines = sorted(signed.items())
    names = ";".join([name for name, _ in lines])
    canonical = "\n".join(
        (
            request.method,
            request.path,
            encoded_query(request.query),
            *[f"{name}:{value}" for name, value in lines],
            "",
            names,
            request.payload,
        )
    )
    scope = f"{stamp[:8]}/{signer.region}/{_SERVICE}/aws4_request"
    digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
    day_key = _day_key(signer.key_id, signer.secret, stamp[:8], signer.region)
    signature = hmac.digest(day_key, f"{_ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
    credential = f"{signer.key_id}/{scope}"
    added["authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return added


def encoded_query(query: Sequence[tuple[str, str]]) -> str:
    """The query as it is signed and sent: all but unreserved characters encoded, sorted by name, then value."""
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in query)
    return "&".join(f"{name}={value}" for name, value in pairs)


def encoded_path(path: bytes) -> str:
    """A path as it is signed and sent: slashes stay, dots and all else keep their place."""
    return quote(path, safe="/-._~")


@lru_cache(maxsize=2)
def _stamp(now_s: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))


def _quoted(text: str) -> str:
    # Bytes that are no UTF-8 pass through text as lone surrogates.
    return quote(text, safe="-._~", errors="surrogateescape")


@lru_cache(maxsize=_SIGNING_KEYS_MAX)
def _day_key(_key_id: str, secret: str, date: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for step in (date, region, _SERVICE, "aws4_request"):
        key = hmac.digest(key, step.encode(), "sha256")
    return key
