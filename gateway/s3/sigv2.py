"""Signature version 2: presigned URLs and forms, and headers where they are switched on.

Source: "Signing and authenticating REST requests (AWS signature version 2)".
"""

import hmac
from base64 import b64encode
from collections.abc import Iterator, Mapping

from gateway.errors import AccessRefused, ArgumentInvalid, AuthorizationMalformed, RequestInvalid, SignatureWrong
from gateway.s3.canonical import FieldMap, Signable, field_map
from gateway.s3.dates import xml_date
from gateway.s3.head import Query, Style, Target
from gateway.s3.keyring import KeyRing
from gateway.s3.modes import CHUNK_SIGNING, UNSIGNED, parse_mode
from gateway.s3.presigned import V2_MOVED, V2_PARAMETERS
from gateway.s3.proof import Mechanism, Proof
from gateway.s3.signing_times import check_skew, date_missing, seconds_of, stamp_of_http_date

SUB_RESOURCES = frozenset(
    b"accelerate acl analytics cors defaultObjectAcl delete inventory lifecycle location logging metrics "
    b"notification object-lock partNumber policy replication requestPayment restore select select-type "
    b"storageClass tagging torrent uploadId uploads versionId versioning versions website "
    b"response-cache-control response-content-disposition response-content-encoding "
    b"response-content-language response-content-type response-expires".split()
)
"""The query parameters that the signature covers."""


def verify_header(request: Signable, ring: KeyRing, now_s: float) -> Proof:
    """The proof of a request signed in its Authorization header."""
    fields = request.fields
    key_id, colon, signature = fields[b"authorization"].removeprefix(b"AWS ").strip().rpartition(b":")
    if not (colon and key_id and signature):
        raise AuthorizationMalformed(
            "The authorization header is malformed; it must be AWS <access-key-id>:<signature>."
        )
    stamp = _header_stamp(fields)
    requested_s = seconds_of(stamp) if stamp is not None else None
    if stamp is None or requested_s is None:
        raise date_missing()
    check_skew(requested_s, stamp.decode(), now_s)
    date = b"" if b"x-amz-date" in fields else fields[b"date"]
    _check(strings_to_sign(request, date, {}), key_id.decode("latin-1"), signature, ring)
    return Proof(Mechanism.V2_HEADER, key_id.decode("latin-1"), _mode(fields, {}))


def verify_query(request: Signable, ring: KeyRing, now_s: float, expires_max_s: float) -> Proof:
    """The proof of a presigned URL that lasts at most `expires_max_s` from now."""
    query = request.target.query
    signing = _signing_parameters(query)
    _check_expires(signing[b"Expires"], now_s, expires_max_s)
    key_id = signing[b"AWSAccessKeyId"].decode("latin-1")
    moved = _moved(query)
    # A plus in base64 that was not escaped has become a blank.
    signature = signing[b"Signature"].replace(b" ", b"+")
    _check(strings_to_sign(request, signing[b"Expires"], moved), key_id, signature, ring)
    _refuse_unsigned(query)
    digest = moved.get(b"content-md5")
    return Proof(
        Mechanism.V2_QUERY,
        key_id,
        _mode(request.fields, moved),
        content_md5=digest.decode("latin-1") if digest is not None else None,
    )


def verify_policy(fields: Mapping[str, str], ring: KeyRing) -> Proof:
    """The proof of a form whose policy is signed. Names in `fields` are lower case."""
    for name in ("awsaccesskeyid", "policy", "signature"):
        if not fields.get(name):
            raise ArgumentInvalid(f"Bucket POST must contain a field named '{name}'.", ArgumentName=name)
    key_id = fields["awsaccesskeyid"]
    _check([fields["policy"].encode()], key_id, fields["signature"].encode(), ring)
    return Proof(Mechanism.FORM, key_id)


def strings_to_sign(request: Signable, date: bytes, moved: Mapping[bytes, bytes]) -> list[bytes]:
    """What the secret may have signed, the likeliest first.

    `date` is `Expires` for URLs; `moved` are headers that stand in the query.
    """
    fields = request.fields
    lines = [request.head.method.encode("latin-1")]
    lines += [fields.get(name, moved.get(name, b"")) for name in V2_MOVED]
    lines.append(date)
    amazon = {name: value for name, value in {**moved, **fields}.items() if name.startswith(b"x-amz-")}
    lines += [b"%b:%b" % pair for pair in sorted(amazon.items())]
    return [b"\n".join((*lines, resource)) for resource in _resources(request.target)]


def _resources(target: Target) -> Iterator[bytes]:
    bucket = b""
    if target.style is Style.VIRTUAL_HOST and target.bucket is not None:
        bucket = b"/" + target.bucket.encode()
    covered = sorted(parameter for parameter in target.query if parameter[0] in SUB_RESOURCES)
    pairs = b"&".join([b"%b=%b" % parameter if parameter[1] else parameter[0] for parameter in covered])
    query = b"?" + pairs if pairs else b""
    yield bucket + target.path + query
    # botocore 1.43 signs `/bucket/` for a bucket that it addresses as `/bucket`.
    if target.bucket is not None and target.key is None and not target.path.endswith(b"/"):
        yield bucket + target.path + b"/" + query


def _check(texts: list[bytes], key_id: str, signature: bytes, ring: KeyRing) -> None:
    secret = ring.secret(key_id).encode()
    if any(hmac.compare_digest(b64encode(hmac.digest(secret, text, "sha1")), signature) for text in texts):
        return
    raise SignatureWrong(
        AWSAccessKeyId=key_id,
        SignatureProvided=signature.decode("utf-8", "replace"),
        StringToSign=texts[0].decode("utf-8", "replace"),
    )


def _mode(fields: FieldMap, moved: Mapping[bytes, bytes]) -> str:
    value = fields.get(b"x-amz-content-sha256", moved.get(b"x-amz-content-sha256"))
    mode = UNSIGNED if value is None else parse_mode(value)
    if mode in CHUNK_SIGNING:
        raise RequestInvalid("Signed chunks need a request that is signed with AWS4-HMAC-SHA256.")
    return mode


def _header_stamp(fields: FieldMap) -> bytes | None:
    text = fields.get(b"x-amz-date") or fields.get(b"date") or b""
    return text if seconds_of(text) is not None else stamp_of_http_date(text.decode("latin-1"))


def _signing_parameters(query: Query) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in query:
        if name not in V2_PARAMETERS:
            continue
        if name in found:
            raise ArgumentInvalid(f"{name.decode()} must not occur twice.", ArgumentName=name.decode())
        found[name] = value
    if len(found) < len(V2_PARAMETERS):
        raise AccessRefused("Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
    return found


def _check_expires(expires: bytes, now_s: float, expires_max_s: float) -> None:
    # More digits than this are no date; converting very many would cost quadratic time.
    if not expires.isdigit() or len(expires) > 18:
        raise AccessRefused("Invalid date (should be seconds since epoch)")
    if now_s >= int(expires):
        raise AccessRefused("Request has expired", Expires=xml_date(int(expires)), ServerTime=xml_date(int(now_s)))
    if int(expires) > now_s + expires_max_s:
        raise AccessRefused(
            f"Expires must lie at most {expires_max_s:.0f} seconds ahead", ServerTime=xml_date(int(now_s))
        )


def _moved(query: Query) -> FieldMap:
    # Several of one name are joined, as whoever reads them as headers joins them.
    return field_map(tuple(pair for pair in query if pair[0].startswith(b"x-amz-") or pair[0] in V2_MOVED))


def _refuse_unsigned(query: Query) -> None:
    """Refuse parameters that the signature does not cover and that could turn the request into another."""
    for name in _unsigned(query):
        text = name.decode("utf-8", "replace")
        raise AccessRefused(f"The query parameter {text} is not covered by a signature of version 2.")


def _unsigned(query: Query) -> Iterator[bytes]:
    for name, _ in query:
        if name in SUB_RESOURCES or name in V2_PARAMETERS or name in V2_MOVED:
            continue
        # Names with x- select nothing; but x-amz- ones count as headers, and only in lower case are they signed.
        lower = name.lower()
        if not lower.startswith(b"x-") or (lower.startswith(b"x-amz-") and name != lower):
            yield name
