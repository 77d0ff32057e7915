"""Signature version 4: in the Authorization header, in a presigned URL, and over a form's policy."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.errors import (
    AccessRefused,
    ArgumentInvalid,
    AuthorizationMalformed,
    PresignedMalformed,
    RequestInvalid,
    SignatureWrong,
    Unsupported,
)
from gateway.s3.canonical import (
    FieldMap,
    Signable,
    canonical_headers,
    canonical_path,
    canonical_query,
    canonical_request,
    unsigned,
)
from gateway.s3.dates import xml_date
from gateway.s3.forwarding import hosts_signed
from gateway.s3.head import Query
from gateway.s3.keyring import Credential, KeyRing, parse_credential
from gateway.s3.modes import CHUNK_SIGNING, EMPTY_SHA256, UNSIGNED, is_sha256, parse_mode
from gateway.s3.proof import ChunkSeed, Mechanism, Proof
from gateway.s3.signing_times import SKEW_MAX_S, check_skew, date_missing, seconds_of, stamp_of_http_date

ALGORITHM = b"AWS4-HMAC-SHA256"
ALGORITHM_ASYMMETRIC = b"AWS4-ECDSA-P256-SHA256"
EXPIRES_MAX_S = 604_800
"""The longest life of a presigned URL ("Authenticating Requests: Using Query Parameters")."""

_CONTENT_SHA256 = b"x-amz-content-sha256"
_QUERY_NAMES = (
    b"x-amz-algorithm",
    b"x-amz-credential",
    b"x-amz-date",
    b"x-amz-expires",
    b"x-amz-signedheaders",
    b"x-amz-signature",
)
_FORM_NAMES = ("policy", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says about its own signature. `signed_headers` is as sent: names joined by `;`."""

    credential: Credential
    signed_headers: bytes
    signature: bytes


def verify_header(request: Signable, ring: KeyRing, now_s: float) -> Proof:
    """The proof of a request signed in its Authorization header."""
    claim = header_claim(request.fields[b"authorization"])
    stamp = _header_stamp(request.fields)
    requested_s = seconds_of(stamp)
    if requested_s is None:
        raise date_missing()
    if stamp[:8] != claim.credential.day:
        raise AuthorizationMalformed(
            "The authorization header is malformed; the date in the credential scope is not the day of the request."
        )
    check_skew(requested_s, stamp.decode(), now_s)
    key = ring.signing_key(claim.credential)
    _refuse_unsigned(request.fields, claim.signed_headers)
    mode = _header_mode(request.fields)
    query = canonical_query(request.target.query)
    _check(request, claim, _Signed(stamp, query, mode.encode()), key)
    ring.remember(claim.credential, key)
    return _proof(Mechanism.V4_HEADER, claim, stamp, key, mode)


def verify_query(request: Signable, ring: KeyRing, now_s: float) -> Proof:
    """The proof of a presigned URL."""
    named = _query_fields(request.target.query)
    claim = _query_claim(named)
    stamp = named[b"x-amz-date"]
    _check_validity(stamp, named[b"x-amz-expires"], claim.credential, now_s)
    key = ring.signing_key(claim.credential)
    _refuse_unsigned(request.fields, claim.signed_headers)
    signed_mode, mode = _query_modes(named, request.fields, claim.signed_headers)
    query = canonical_query(request.target.query, without=b"x-amz-signature")
    _check(request, claim, _Signed(stamp, query, signed_mode.encode()), key)
    ring.remember(claim.credential, key)
    return _proof(Mechanism.V4_QUERY, claim, stamp, key, mode)


def verify_policy(fields: Mapping[str, str], ring: KeyRing) -> Proof:
    """The proof of a form whose policy is signed ("Authenticating Requests: Browser-Based Uploads Using POST").

    Names in `fields` are lower case. Raises `ArgumentInvalid` for a signing field that is missing or malformed.
    """
    policy, algorithm, credential_text, stamp, signature = (_form_field(fields, name) for name in _FORM_NAMES)
    if algorithm == ALGORITHM_ASYMMETRIC:
        raise _asymmetric()
    if algorithm != ALGORITHM:
        raise _form_fault("x-amz-algorithm")
    credential = parse_credential(credential_text)
    if credential is None:
        raise _form_fault("x-amz-credential")
    if seconds_of(stamp) is None or stamp[:8] != credential.day:
        raise _form_fault("x-amz-date")
    key = ring.signing_key(credential)
    expected = hmac.digest(key, policy, "sha256").hex().encode()
    if not hmac.compare_digest(expected, signature):
        raise SignatureWrong(
            AWSAccessKeyId=credential.key_id, SignatureProvided=_text(signature), StringToSign=_text(policy)
        )
    ring.remember(credential, key)
    return Proof(Mechanism.FORM, credential.key_id)


def string_to_sign(stamp: bytes, scope: bytes, request: bytes) -> bytes:
    """What the signing key signs for a canonical request."""
    return b"\n".join((ALGORITHM, stamp, scope, hashlib.sha256(request).hexdigest().encode()))


# The signature itself.


@dataclass(frozen=True, slots=True)
class _Signed:
    """The parts of a signature that header and URL get from different places."""

    stamp: bytes
    query: bytes
    payload: bytes


def _check(request: Signable, claim: Claim, signed: _Signed, key: bytes) -> None:
    names = claim.signed_headers.split(b";")
    path = canonical_path(request.target.path)
    first: tuple[bytes, bytes] | None = None
    for host in hosts_signed(request.head, request.target.host, request.trusted, request.domain):
        headers = canonical_headers(names, request.fields, host)
        canonical = canonical_request(
            request.head.method, path, signed.query, headers, claim.signed_headers, signed.payload
        )
        text = string_to_sign(signed.stamp, claim.credential.scope, canonical)
        expected = hmac.digest(key, text, "sha256").hex().encode()
        if hmac.compare_digest(expected, claim.signature):
            return
        first = first or (text, canonical)
    assert first is not None
    raise SignatureWrong(
        AWSAccessKeyId=claim.credential.key_id,
        SignatureProvided=_text(claim.signature),
        StringToSign=_text(first[0]),
        CanonicalRequest=_text(first[1]),
    )


def _refuse_unsigned(fields: FieldMap, signed_headers: bytes) -> None:
    missing = list(unsigned(fields, signed_headers.split(b";")))
    if missing:
        raise AccessRefused(
            "There were headers present in the request which were not signed",
            HeadersNotSigned=_text(b", ".join(missing)),
        )


def _proof(mechanism: Mechanism, claim: Claim, stamp: bytes, key: bytes, mode: str) -> Proof:
    credential = claim.credential
    if mode not in CHUNK_SIGNING:
        return Proof(mechanism, credential.key_id, mode)
    seed = ChunkSeed(key, stamp.decode(), _text(credential.scope), claim.signature.decode())
    return Proof(mechanism, credential.key_id, mode, seed)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


# The Authorization header.


def header_claim(authorization: bytes) -> Claim:
    """What an Authorization field says. Raises `AuthorizationMalformed`."""
    scheme, _, rest = authorization.partition(b" ")
    assert scheme == ALGORITHM
    parts: dict[bytes, bytes] = {}
    for component in rest.split(b","):
        name, _, value = component.strip().partition(b"=")
        if name in parts:
            raise AuthorizationMalformed(f"The authorization header is malformed; {_text(name)} occurs twice.")
        parts[name] = value
    credential = parse_credential(_component(parts, b"Credential"))
    if credential is None:
        raise AuthorizationMalformed(
            "The authorization header is malformed; the Credential must be "
            "<access-key-id>/YYYYMMDD/<region>/s3/aws4_request."
        )
    signature = _component(parts, b"Signature")
    if not is_sha256(signature):
        raise AuthorizationMalformed("The authorization header is malformed; the Signature is not 64 hex digits.")
    return Claim(credential, _component(parts, b"SignedHeaders"), signature)


def _component(parts: Mapping[bytes, bytes], name: bytes) -> bytes:
    value = parts.get(name)
    if not value:
        raise AuthorizationMalformed(f"The authorization header is malformed; it has no {name.decode()}.")
    return value


def _header_stamp(fields: FieldMap) -> bytes:
    stamp = fields.get(b"x-amz-date")
    if stamp is None:
        stamp = stamp_of_http_date(_text(fields.get(b"date", b"")))
    if stamp is None:
        raise date_missing()
    return stamp


def _header_mode(fields: FieldMap) -> str:
    value = fields.get(_CONTENT_SHA256)
    if value is not None:
        return parse_mode(value)
    if b"transfer-encoding" in fields or fields.get(b"content-length", b"0") != b"0":
        raise RequestInvalid("Missing required header for this request: x-amz-content-sha256")
    return EMPTY_SHA256


# The presigned URL.


def _query_fields(query: Query) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in query:
        lower = name.lower()
        if lower not in _QUERY_NAMES and lower != _CONTENT_SHA256:
            continue
        if lower in found:
            raise PresignedMalformed(f"{_text(name)} must not occur twice.")
        found[lower] = value
    return found


def _query_claim(named: Mapping[bytes, bytes]) -> Claim:
    if named.get(b"x-amz-algorithm") == ALGORITHM_ASYMMETRIC:
        raise _asymmetric()
    if not all(named.get(name) for name in _QUERY_NAMES):
        raise PresignedMalformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    if named[b"x-amz-algorithm"] != ALGORITHM:
        raise PresignedMalformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"')
    credential = parse_credential(named[b"x-amz-credential"])
    if credential is None:
        raise PresignedMalformed(
            "Error parsing the X-Amz-Credential parameter; it must be "
            "<access-key-id>/YYYYMMDD/<region>/s3/aws4_request."
        )
    signature = named[b"x-amz-signature"]
    if not is_sha256(signature):
        raise PresignedMalformed("X-Amz-Signature must be 64 hex digits.")
    return Claim(credential, named[b"x-amz-signedheaders"], signature)


def _check_validity(stamp: bytes, expires: bytes, credential: Credential, now_s: float) -> None:
    signed_s = seconds_of(stamp)
    if signed_s is None:
        raise PresignedMalformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    if stamp[:8] != credential.day:
        raise PresignedMalformed("The date in X-Amz-Credential is not the day of X-Amz-Date.")
    if not expires.isdigit():
        raise PresignedMalformed("X-Amz-Expires should be a number of seconds, not negative.")
    # A longer number is too large anyway, and converting it would cost quadratic time.
    if len(expires) > 9 or int(expires) > EXPIRES_MAX_S:
        raise PresignedMalformed(f"X-Amz-Expires must be less than a week (in seconds) that is {EXPIRES_MAX_S}")
    if signed_s - now_s > SKEW_MAX_S:
        raise AccessRefused("Request is not valid yet")
    end_s = signed_s + int(expires)
    if now_s >= end_s or int(expires) == 0:
        raise AccessRefused(
            "Request has expired",
            Expires=xml_date(end_s),
            ServerTime=xml_date(int(now_s)),
            **{"X-Amz-Expires": int(expires)},
        )


def _query_modes(named: Mapping[bytes, bytes], fields: FieldMap, signed_headers: bytes) -> tuple[str, str]:
    """What the canonical request has for the payload, and how the body is really framed."""
    header = fields.get(_CONTENT_SHA256)
    if _CONTENT_SHA256 in named:
        signed = parse_mode(named[_CONTENT_SHA256])
    elif header is not None and _CONTENT_SHA256 in signed_headers.split(b";"):
        signed = parse_mode(header)
    else:
        signed = UNSIGNED
    # Where the URL leaves the body open, its sender says how it is framed.
    return signed, parse_mode(header) if header is not None and signed == UNSIGNED else signed


# The form.


def _form_field(fields: Mapping[str, str], name: str) -> bytes:
    value = fields.get(name)
    if not value:
        raise ArgumentInvalid(f"Bucket POST must contain a field named '{name}'.", ArgumentName=name)
    return value.encode()


def _form_fault(name: str) -> ArgumentInvalid:
    return ArgumentInvalid(f"The form field {name} is malformed.", ArgumentName=name)


def _asymmetric() -> Unsupported:
    return Unsupported(f"{ALGORITHM_ASYMMETRIC.decode()} signatures are not implemented.")
