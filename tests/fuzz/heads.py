"""Request heads as inputs: where they point, what they ask for, and who signed them."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from ipaddress import ip_network

from gateway.errors import GatewayError
from gateway.s3 import dates, ranges, tagging, validators
from gateway.s3.auth import AuthRules, Verifier, client_address, scheme_of
from gateway.s3.canonical import canonical_path
from gateway.s3.choice import choose
from gateway.s3.head import Head, Target
from gateway.s3.headers import content_fields, metadata_fields, read_sent
from gateway.s3.payload import plan
from gateway.s3.proof import Mechanism, Proof
from gateway.s3.signing_times import seconds_of
from gateway.s3.sigv2 import SUB_RESOURCES
from gateway.s3.stored import read_stored
from gateway.s3.target import resolve
from gateway.server.framing import ascii_line
from tests.fuzz.clients import DOMAIN, recorded
from tests.fuzz.hunt import check_field, outcome
from tests.s3.auth.signer import ACCESS_KEY, NOW_S, SECRET

RULES = AuthRules(
    signature_v2="all", signature_v2_expires_max_s=1e9, domain=DOMAIN, trusted_proxies=(ip_network("10.0.0.0/8"),)
)

_METHOD = re.compile(rb"[A-Z]{1,20}")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_STAMP = re.compile(rb"[0-9]{8}T[0-9]{6}Z")
_V2_PARAMETERS = (b"AWSAccessKeyId", b"Signature", b"Expires")
_NEVER_SIGNED = ("x-amz-signature", "x-amz-content-sha256")
"""The payload's hash has a line of its own in what is signed."""


def written(head: Head) -> bytes:
    """A head as an input: method and target on the first line, then the fields."""
    lines = [b"%b %b" % (head.method.encode(), head.target), *(b"%b: %b" % field for field in head.fields)]
    return b"\n".join(lines)


def read(data: bytes) -> Head:
    """The head that the input stands for, without what the HTTP parser would never let through."""
    line, *rest = data.split(b"\n")
    method, _, target = line.partition(b" ")
    fields = [(name.lower(), value.strip(b" \t")) for name, _, value in (each.partition(b":") for each in rest)]
    return Head(
        method.decode() if _METHOD.fullmatch(method) else "GET",
        ascii_line(re.sub(rb"[\x00-\x20\x7f]", b"", target)) or b"/",
        tuple(field for field in fields if _NAME.fullmatch(field[0]) and not _CONTROL.search(field[1])),
        peer="10.0.0.1",
    )


def heads_of_clients() -> list[bytes]:
    """What clients send, and heads that none would."""
    return [*(written(request.head) for request in recorded()), *_CORNERS]


_CORNERS = (
    b"GET /\nHost: h",
    b"OPTIONS *\nHost: h",
    b"GET http://bucket.s3.example.com:9000/k?tagging\nHost: other",
    b"GET //a/../b//%2F%2f?x-id=GetObject&partNumber=1&partNumber=1&=&&a=b=c+d\nHost: bucket.s3.example.com",
    b"GET /b/k\nHost: [::1]:9000\nX-Forwarded-For: 1.2.3.4, ::1\nX-Forwarded-Proto: https\nX-Forwarded-Host: h:443\n"
    b'Forwarded: for=1.2.3.4;host=h\nRange: bytes=-5\nIf-Range: "a"\nIf-None-Match: "a", W/"b", *\nRange: bytes=0-',
    b"PUT /b/k\nHost: h\nContent-Length: 5\nContent-MD5: XUFAKrxLKna5cZ2REBfFkg==\nx-amz-checksum-crc32: NhCmhg==\n"
    b"x-amz-meta-a: b\nx-amz-meta-a: \xff\xfe\nx-amz-tagging: a=b&c=d%20e\nx-amz-acl: private\nExpires: 0\n"
    b"Content-Encoding: gzip, aws-chunked\nCache-Control: max-age=1\nx-amz-storage-class: STANDARD",
    b"PUT /b/k\nHost: h\nx-amz-copy-source: /b/a%2Fb?versionId=null\nx-amz-metadata-directive: REPLACE\n"
    b"x-amz-copy-source-if-unmodified-since: Thu, 01 Jan 2026 00:00:00 GMT\nx-amz-copy-source-range: bytes=0-9",
    b"PUT /b/k\nHost: h\nTransfer-Encoding: chunked\nx-amz-decoded-content-length: 5\nx-amz-trailer: "
    b"x-amz-checksum-crc32\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nExpect: 100-continue",
)


# target: equal canonical paths mean equal keys.


def target(data: bytes) -> str:
    """Where a head points."""
    return outcome(lambda: _points(read(data)))


def _points(head: Head) -> str:
    where = resolve(head, DOMAIN)
    # No bucket's name has a slash; a path that claims one has the canonical form of a key's.
    if head.target.startswith(b"/") and "/" not in (where.bucket or ""):
        again = resolve(replace(head, target=canonical_path(where.path)), DOMAIN)
        assert (again.style, again.bucket, again.key) == (where.style, where.bucket, where.key)
    return f"{where.style} {where.bucket is None} {where.key is None} {len(where.query)}"


# headers: whatever a write keeps can be sent again.


def headers(data: bytes) -> str:
    """What a head asks for, and every value with a grammar of its own."""
    head = read(data)
    client_address(head, RULES)
    scheme_of(head, RULES)
    for _, value in head.fields:
        _read_value(value.decode("latin-1"))
    return " ".join((outcome(lambda: _asks(head)), outcome(lambda: _keeps(head)), outcome(lambda: _promises(head))))


def _asks(head: Head) -> str:
    return type(choose(head, resolve(head, DOMAIN))).__name__


def _keeps(head: Head) -> str:
    stored = read_stored(read_sent(head, resolve(head, DOMAIN)))
    for name, value in (*content_fields(stored.content), *metadata_fields(stored.metadata)):
        check_field(name, value)
    return f"{len(stored.metadata)} {stored.tags is None}"


def _promises(head: Head) -> str:
    payload = head.first(b"x-amz-content-sha256") or b""
    mode = payload.decode("latin-1") if payload == b"STREAMING-UNSIGNED-PAYLOAD-TRAILER" else "UNSIGNED-PAYLOAD"
    promised = plan(head, Proof(Mechanism.ANONYMOUS, payload=mode), length_required=head.method == "PUT")
    return f"{promised.size is None} {promised.framing is None} {promised.md5 is None} {promised.checksum is None}"


_READERS: tuple[Callable[[str], object], ...] = (
    ranges.parse_range,
    ranges.copy_range,
    dates.parse_http_date,
    dates.parse_xml_date,
    validators.parse_tag_list,
    tagging.read_header,
    lambda text: seconds_of(text.encode("latin-1")),
)


def _read_value(text: str) -> None:
    for reader in _READERS:
        with suppress(GatewayError):
            reader(text)


# Signatures: a request that verifies means what one of the signed samples means.


def sigv4(data: bytes) -> str:
    """Signatures of version 4, in headers and URLs."""
    return _verified(read(data))


def sigv2(data: bytes) -> str:
    """Signatures of version 2, in headers and URLs."""
    return _verified(read(data))


def sigv4_samples() -> Sequence[bytes]:
    """The heads that verify with a signature of version 4."""
    return _signed_by((Mechanism.V4_HEADER, Mechanism.V4_QUERY))


def sigv2_samples() -> Sequence[bytes]:
    """The heads that verify with a signature of version 2."""
    return _signed_by((Mechanism.V2_HEADER, Mechanism.V2_QUERY))


def _verified(head: Head) -> str:
    def verify() -> str:
        where, proof = _proven(head)
        if proof.mechanism not in (Mechanism.ANONYMOUS, Mechanism.FORM):
            assert _meaning(head, where, proof) in _signed_meanings(), f"nobody signed {head}"
        return str(proof.mechanism)

    return outcome(verify)


def _proven(head: Head) -> tuple[Target, Proof]:
    where = resolve(head, DOMAIN)
    return where, Verifier(RULES, {ACCESS_KEY: SECRET}.get).authenticate(head, where, _said_time(head))


def _said_time(head: Head) -> float:
    """The time of the request's own stamp, so that no sample is ever too old."""
    match = _STAMP.search(written(head))
    stamped = seconds_of(match.group()) if match else None
    return NOW_S if stamped is None else stamped


Meaning = tuple[object, ...]


def _meaning(head: Head, where: Target, proof: Proof) -> Meaning:
    """What a signature must cover: the method, the object, the query, and the fields of S3.

    Runs of blanks within a field are one (that is how they are signed), names beginning with `x-` select nothing,
    and a header signed by version 2 covers only sub-resources.
    """
    query = sorted(pair for pair in where.query if pair[0] not in _V2_PARAMETERS and not _begins_with_x(pair[0]))
    if proof.mechanism is Mechanism.V2_HEADER:
        query = [pair for pair in query if pair[0] in SUB_RESOURCES]
    fields = sorted(
        (name, " ".join(value.split()))
        for name, value in read_sent(head, where).values.items()
        if name.startswith("x-amz-") and name not in _NEVER_SIGNED
    )
    return head.method, where.bucket, where.key, tuple(query), tuple(fields)


def _begins_with_x(name: bytes) -> bool:
    return name.lower().startswith(b"x-")


@cache
def _signed() -> Sequence[tuple[bytes, Mechanism, Meaning]]:
    return list(_verifying(read(data) for data in heads_of_clients()))


def _verifying(heads: Iterable[Head]) -> Iterable[tuple[bytes, Mechanism, Meaning]]:
    for head in heads:
        with suppress(GatewayError):
            where, proof = _proven(head)
            if proof.key_id is not None:
                yield written(head), proof.mechanism, _meaning(head, where, proof)


@cache
def _signed_meanings() -> frozenset[Meaning]:
    return frozenset(meaning for _, _, meaning in _signed())


def _signed_by(mechanisms: tuple[Mechanism, ...]) -> Sequence[bytes]:
    samples = [data for data, mechanism, _ in _signed() if mechanism in mechanisms]
    assert len(samples) >= 8, "the clients' own signatures verify"
    return samples
