"""Reads as nearly all of them are, understood in a few steps: signed in the header, and saying nothing unusual.

What the names of a request's header fields decide is decided once for all requests that have the same names, and what
the Authorization field says before its signature once for all that a client signs alike. Both are learnt from
requests whose signature has verified. A request that is not understood here is not wrong: `target`, `auth` and
`choice` say what it is, and whatever they would refuse, or read otherwise, is not understood.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

from gateway.errors import GatewayError
from gateway.model import KEY_SIZE_MAX, Bucket, Key
from gateway.s3 import sigv4
from gateway.s3.canonical import canonical_path
from gateway.s3.keyring import KeyRing
from gateway.s3.modes import EMPTY_SHA256, UNSIGNED
from gateway.s3.operations import ReadSpec
from gateway.s3.ranges import parse_range
from gateway.s3.signing_times import SKEW_MAX_S, seconds_of
from gateway.s3.target import unquote, virtual_bucket

SIGNERS_MAX = 1024
"""Remembered at once; one more, and all are learnt anew."""
SPECS_MAX = 4096
SHAPE_SIZE_MAX = 4096
"""Bytes of the names of all fields and of what is signed alike; SDKs send well below 1 KiB."""
TEXT_SIZE_MAX = 512
"""Bytes of the host, the range and the checksum mode together, which are remembered as they are."""

_NEEDED = frozenset((b"host", b"authorization", b"x-amz-date", b"x-amz-content-sha256"))
_QUIET = _NEEDED | {b"x-amz-user-agent", b"x-amz-checksum-mode", b"x-amz-request-payer", b"x-amz-security-token"}
"""Those of `x-amz-...` that neither ask for more nor refuse."""
_SPEAKING = frozenset(
    (
        b"cache-control",
        b"content-length",
        b"content-md5",
        b"expect",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"transfer-encoding",
        b"upgrade",
        b"x-forebay-timing",
    )
)
_MODES = frozenset((EMPTY_SHA256.encode(), UNSIGNED.encode()))
_SIGNATURE_SIZE = 64
_HMAC_BLOCK_SIZE = 64
_START = sigv4.ALGORITHM + b"\n"


class UsualRead(NamedTuple):
    """What was understood: whose key has signed, and what it wants to read."""

    key_id: str
    bucket: Bucket
    key: Key
    spec: ReadSpec


class _Signer:
    """Requests that one client signs alike. `template` makes the canonical request, `take` what it is filled with."""

    __slots__ = ("day", "inner", "key_id", "outer", "scope", "secret", "take", "template")

    def __init__(self, claim: sigv4.Claim, names: Sequence[bytes], secret: str, key: bytes) -> None:
        signed = claim.signed_headers.split(b";")
        lines = b"".join([b"%b:%%b\n" % _literal(name) for name in signed])
        self.template = b"%%b\n%%b\n\n%b\n%b\n%%b" % (lines, _literal(claim.signed_headers))
        self.take: Callable[[Sequence[bytes]], tuple[bytes, ...]] = itemgetter(
            *(names.index(name) for name in signed), names.index(b"x-amz-content-sha256")
        )
        self.key_id = claim.credential.key_id
        self.day = claim.credential.day
        self.scope = b"\n%b\n" % claim.credential.scope
        self.secret = secret
        # RFC 2104, section 4: what both hashes begin with is the same for all texts of a key.
        padded = key.ljust(_HMAC_BLOCK_SIZE, b"\0")
        self.inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded))
        self.outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in padded))

    def signature(self, stamp: bytes, canonical: bytes) -> bytes:
        """What such a request is signed with; see `sigv4.string_to_sign`."""
        inner, outer = self.inner.copy(), self.outer.copy()
        inner.update(_START + stamp + self.scope + hashlib.sha256(canonical).hexdigest().encode())
        outer.update(inner.digest())
        return outer.hexdigest().encode()


class _Shape:
    """Where the fields stand in requests that have the same names in the same order; -1 for what there is none of."""

    __slots__ = ("authorization", "checksum_mode", "host", "payload", "range", "signers", "stamp")

    def __init__(self, names: Sequence[bytes]) -> None:
        self.host = names.index(b"host")
        self.authorization = names.index(b"authorization")
        self.stamp = names.index(b"x-amz-date")
        self.payload = names.index(b"x-amz-content-sha256")
        self.range = names.index(b"range") if b"range" in names else -1
        self.checksum_mode = names.index(b"x-amz-checksum-mode") if b"x-amz-checksum-mode" in names else -1
        self.signers: dict[bytes, _Signer] = {}


class UsualReads:
    """Understands usual reads; belongs to one event loop. `domain` is that of virtual hosts, "" for none."""

    def __init__(self, ring: KeyRing, domain: str) -> None:
        self._ring = ring
        self._domain = domain
        self._shapes: dict[tuple[bytes, ...], _Shape] = {}
        self._count = 0

    def read(
        self, method: str, target: bytes, names: Sequence[bytes], values: Sequence[bytes], now_s: float
    ) -> UsualRead | None:
        """The read that a verified request asks for. `names` and `values` are those of the fields as they came."""
        shape = self._shapes.get(tuple(names))
        if shape is None or b"?" in target or target[:1] != b"/":
            return None
        authorization = values[shape.authorization]
        signer = shape.signers.get(authorization[:-_SIGNATURE_SIZE])
        if signer is None or self._ring.secret_of(signer.key_id) != signer.secret:
            return None
        stamp = values[shape.stamp]
        signed_s = seconds_of(stamp)
        if signed_s is None or stamp[:8] != signer.day or abs(signed_s - now_s) > SKEW_MAX_S:
            return None
        canonical = signer.template % (method.encode(), canonical_path(target), *signer.take(values))
        if values[shape.payload] not in _MODES or _has_odd_blanks(canonical):
            return None
        if not hmac.compare_digest(signer.signature(stamp, canonical), authorization[-_SIGNATURE_SIZE:]):
            return None
        host = values[shape.host]
        range_value = values[shape.range] if shape.range >= 0 else b""
        checksum_mode = values[shape.checksum_mode] if shape.checksum_mode >= 0 else b""
        if len(host) + len(range_value) + len(checksum_mode) > TEXT_SIZE_MAX:
            return None
        place = _place(target, host, self._domain)
        return None if place is None else UsualRead(signer.key_id, *place, _spec(range_value, checksum_mode))

    def learn(self, names: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Remembers how a request was signed that has verified with version 4 in its header, if it is usual and new."""
        lower = [name.lower() for name in names]
        if not _is_usual(lower):
            return
        authorization = values[lower.index(b"authorization")]
        if sum(map(len, names)) + len(authorization) > SHAPE_SIZE_MAX:
            return
        claim = sigv4.header_claim(authorization)
        if claim.signature != authorization[-_SIGNATURE_SIZE:] or not set(claim.signed_headers.split(b";")) <= set(
            lower
        ):
            return
        secret = self._ring.secret(claim.credential.key_id)
        if self._knows(names, authorization, secret):
            return
        if self._count >= SIGNERS_MAX:
            self._shapes.clear()
            self._count = 0
        shape = self._shapes.setdefault(tuple(names), _Shape(lower))
        signer = _Signer(claim, lower, secret, self._ring.signing_key(claim.credential))
        shape.signers[authorization[:-_SIGNATURE_SIZE]] = signer
        self._count += 1

    def _knows(self, names: Sequence[bytes], authorization: bytes, secret: str) -> bool:
        shape = self._shapes.get(tuple(names))
        signer = None if shape is None else shape.signers.get(authorization[:-_SIGNATURE_SIZE])
        return signer is not None and signer.secret == secret


def _is_usual(names: Sequence[bytes]) -> bool:
    present = frozenset(names)
    return (
        len(present) == len(names)
        and present >= _NEEDED
        and not present & _SPEAKING
        and all(name in _QUIET for name in present if name.startswith(b"x-amz-"))
    )


def _has_odd_blanks(canonical: bytes) -> bool:
    """Whether there are blanks in it that a signature is not computed over, as around values and side by side."""
    if b"\t" in canonical:
        return True
    return b" " in canonical and (b"  " in canonical or b" \n" in canonical)


def _place(target: bytes, host: bytes, domain: str) -> tuple[Bucket, Key] | None:
    """The bucket and the key of a target without a query; None where `resolve` would find anything else."""
    try:
        bucket = _virtual_bucket(host, domain) if domain else None
        raw = target[1:]
        if bucket is None:
            name, _, raw = raw.partition(b"/")
            bucket = _bucket(name)
        key = raw
        if b"%" in raw:
            key = unquote(raw)
            key.decode()
    except (GatewayError, UnicodeDecodeError):
        return None
    return (bucket, Key(key)) if 0 < len(key) <= KEY_SIZE_MAX and 0 not in key else None


@lru_cache(maxsize=1024)
def _bucket(name: bytes) -> Bucket:
    return Bucket(unquote(name).decode())


_virtual_bucket = lru_cache(maxsize=1024)(virtual_bucket)


@lru_cache(maxsize=SPECS_MAX)
def _spec(range_value: bytes, checksum_mode: bytes) -> ReadSpec:
    # As in `object_rules`, of values without outer blanks; b"": not there.
    text = range_value.strip(b" \t").decode("latin-1")
    return ReadSpec(
        range=parse_range(text) if text else None,
        with_checksum=checksum_mode.strip(b" \t").lower() == b"enabled",
    )


def _literal(text: bytes) -> bytes:
    return text.replace(b"%", b"%%")
