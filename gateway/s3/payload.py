"""What a request's body must be, and the judge that every byte of it passes."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5

from gateway.errors import (
    BodyIncomplete,
    DigestInvalid,
    DigestWrong,
    LengthMissing,
    ObjectTooLarge,
    PayloadHashWrong,
    RequestInvalid,
    RequestMalformed,
    TrailerMalformed,
)
from gateway.model import Algorithm, Checksum, ChecksumType
from gateway.s3.canonical import FieldMap, field_map
from gateway.s3.checksums import HEADER_PREFIX, Digest, algorithm_of, digest_of, header_of, parse
from gateway.s3.chunked import ChunkDecoder
from gateway.s3.head import Head
from gateway.s3.modes import CHUNKED, CHUNKS_AND_TRAILER_SIGNED, UNSIGNED
from gateway.s3.proof import ChunkSeed, Proof

OBJECT_SIZE_MAX = 5 * 1024**3
"""Bytes of one PUT or part ("Amazon S3 API Reference", PutObject, UploadPart)."""

_CHECKSUM_OPTIONS = frozenset((b"x-amz-checksum-mode", b"x-amz-checksum-type", b"x-amz-checksum-algorithm"))
"""Headers that begin like a checksum and are none."""


@dataclass(frozen=True, slots=True)
class ChunkFraming:
    """The aws-chunked framing around the object's bytes."""

    seed: ChunkSeed | None = None
    trailer_signed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """How a body is framed and what it must prove.

    `size` is the object's; None where only the end of the body will tell. `framing` is None for a
    plain body. `sha256` and `md5` are raw hashes it must have, `checksum` is one sent ahead,
    `trailer` the algorithm of one that will follow.
    """

    size: int | None
    framing: ChunkFraming | None = None
    sha256: bytes | None = None
    md5: bytes | None = None
    checksum: Checksum | None = None
    trailer: Algorithm | None = None


def plan(
    head: Head,
    proof: Proof,
    *,
    length_required: bool,
    size_max: int | None = OBJECT_SIZE_MAX,
    checksum_of_body: bool = True,
) -> Plan:
    """What the head promises of the body; raises what is wrong with the head alone.

    `length_required` is for uploads of bytes (PutObject, UploadPart): they must tell a length, and
    must send the checksum whose algorithm they name. `checksum_of_body` is False where
    `x-amz-checksum-*` speaks of something else than the body, as in CompleteMultipartUpload.
    """
    fields = field_map(head.fields)
    claims = _claims(fields, uploads=length_required) if checksum_of_body else _Claims()
    has_body = b"content-length" in fields or b"transfer-encoding" in fields
    if length_required and not has_body:
        raise LengthMissing
    size = _size(fields, proof.payload) if has_body else 0
    if size is not None and size_max is not None and size > size_max:
        raise ObjectTooLarge(ProposedSize=size, MaxSizeAllowed=size_max)
    return Plan(
        size,
        framing=_framing(proof) if has_body else None,
        sha256=bytes.fromhex(proof.payload) if proof.payload != UNSIGNED and proof.payload not in CHUNKED else None,
        md5=_md5_of(fields, proof),
        checksum=claims.checksum,
        trailer=claims.trailer,
    )


def plan_of_form(fields: Mapping[str, str]) -> Plan:
    """What a form's fields, which act as headers, promise of its file. Names are lower case."""
    raw = {name.encode(): value.encode() for name, value in fields.items()}
    return Plan(None, md5=_parse_md5(raw.get(b"content-md5")), checksum=_claims(raw, uploads=True).checksum)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a body came to.

    `checksum` is verified or computed. `proven` says that the client proved the body by at least
    one of Content-MD5, checksum, SHA-256 or signed chunks.
    """

    size: int
    checksum: Checksum | None
    proven: bool


class Receiver:
    """Takes a raw body in pieces cut anywhere, gives the object's bytes, and judges them at the end.

    `compute` is a checksum to have even if the client sends none. Not thread-safe, but each call may
    come from another thread.
    """

    def __init__(self, plan: Plan, *, compute: Algorithm | None = None) -> None:
        self._plan = plan
        self._compute = compute
        self._decoder = _decoder_of(plan.framing)
        self._size = 0
        self._md5 = md5() if plan.md5 is not None else None
        self._digests = {algorithm: digest_of(algorithm) for algorithm in _algorithms(plan, compute)}
        self._running: list[Digest] = [*self._digests.values()]
        if self._md5 is not None:
            self._running.append(self._md5)

    def feed(self, data: bytes | memoryview) -> list[bytes | memoryview]:
        """The object's bytes in this stretch of the raw body, as views of `data` where it is framed.

        Raises `BodyIncomplete` for broken framing or more bytes than were announced, and
        `SignatureWrong` for a chunk, as soon as it shows.
        """
        pieces: list[bytes | memoryview] = [*self._decoder.feed(data)] if self._decoder else [data] if data else []
        self._size += sum(map(len, pieces))
        if self._plan.size is not None and self._size > self._plan.size:
            raise BodyIncomplete("The body is longer than the request said.")
        for piece in pieces:
            for digest in self._running:
                digest.update(piece)
        return pieces

    def end(self) -> Verdict:
        """Judge the whole body, after its last byte. Raises whatever is wrong with it."""
        if self._decoder is not None:
            self._decoder.end()
        if self._plan.size is not None and self._size != self._plan.size:
            raise BodyIncomplete
        self._check_sha256()
        if self._md5 is not None and self._md5.digest() != self._plan.md5:
            raise DigestWrong("The Content-MD5 you specified did not match what we received.")
        trailing = self._trailing()
        claim = self._plan.checksum or trailing
        if claim is not None and self._digests[claim.algorithm].digest() != claim.value:
            raise DigestWrong(
                f"The {claim.algorithm.value} you specified did not match the calculated checksum.",
            )
        return Verdict(self._size, self._computed() or claim, self._is_proven(claim))

    def _check_sha256(self) -> None:
        if self._plan.sha256 is None:
            return
        computed = self._digests[Algorithm.SHA256].digest()
        if computed != self._plan.sha256:
            raise PayloadHashWrong(
                ClientComputedContentSHA256=self._plan.sha256.hex(), S3ComputedContentSHA256=computed.hex()
            )

    def _trailing(self) -> Checksum | None:
        """The checksum in the trailers, which must be those announced and no others."""
        trailers = self._decoder.trailers if self._decoder is not None else []
        announced = [] if self._plan.trailer is None else [header_of(self._plan.trailer)]
        if [name for name, _ in trailers] != announced:
            raise TrailerMalformed
        return None if self._plan.trailer is None else _full_object(self._plan.trailer, trailers[0][1])

    def _computed(self) -> Checksum | None:
        return None if self._compute is None else Checksum(self._compute, self._digests[self._compute].digest())

    def _is_proven(self, claim: Checksum | None) -> bool:
        plan = self._plan
        if claim is not None or plan.md5 is not None or plan.sha256 is not None:
            return True
        return plan.framing is not None and plan.framing.seed is not None


def _decoder_of(framing: ChunkFraming | None) -> ChunkDecoder | None:
    return None if framing is None else ChunkDecoder(framing.seed, trailer_signed=framing.trailer_signed)


def _algorithms(plan: Plan, compute: Algorithm | None) -> set[Algorithm]:
    wanted = {compute, plan.trailer, None if plan.checksum is None else plan.checksum.algorithm}
    if plan.sha256 is not None:
        wanted.add(Algorithm.SHA256)
    return {algorithm for algorithm in wanted if algorithm is not None}


# What the head says.


@dataclass(frozen=True, slots=True)
class _Claims:
    checksum: Checksum | None = None
    trailer: Algorithm | None = None


def _framing(proof: Proof) -> ChunkFraming | None:
    if proof.payload not in CHUNKED:
        return None
    return ChunkFraming(proof.seed, trailer_signed=proof.payload == CHUNKS_AND_TRAILER_SIGNED)


def _size(fields: FieldMap, mode: str) -> int | None:
    """The object's size: None if it is plain and of unknown length."""
    length = fields.get(b"content-length")
    if length is not None and b"transfer-encoding" in fields:
        raise RequestMalformed("A request must not have both content-length and transfer-encoding.")
    if mode in CHUNKED:
        decoded = _number(fields.get(b"x-amz-decoded-content-length"))
        if decoded is None:
            raise LengthMissing("You must provide the x-amz-decoded-content-length header.")
        return decoded
    if length is None:
        return None
    size = _number(length)
    if size is None:
        raise RequestMalformed("The content-length is not a number.")
    return size


def _number(text: bytes | None) -> int | None:
    # Nineteen digits hold every length there can be.
    return int(text) if text is not None and text.isdigit() and len(text) <= 19 else None


def _md5_of(fields: FieldMap, proof: Proof) -> bytes | None:
    if b"content-md5" in fields or proof.content_md5 is None:
        return _parse_md5(fields.get(b"content-md5"))
    return _parse_md5(proof.content_md5.encode("latin-1"))


def _parse_md5(text: bytes | None) -> bytes | None:
    if text is None:
        return None
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        raise DigestInvalid from None
    if len(value) != md5().digest_size:
        raise DigestInvalid
    return value


def _claims(fields: FieldMap, *, uploads: bool) -> _Claims:
    sent = [name for name in fields if name.startswith(b"x-amz-checksum-") and name not in _CHECKSUM_OPTIONS]
    announced = [name.strip().lower() for name in fields.get(b"x-amz-trailer", b"").split(b",") if name.strip()]
    if len(sent) + len(announced) > 1:
        raise RequestInvalid("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
    algorithm = _algorithm(sent[0] if sent else announced[0]) if sent or announced else None
    _check_named(fields, algorithm, uploads=uploads)
    if algorithm is None:
        return _Claims()
    if sent:
        return _Claims(checksum=_full_object(algorithm, fields[sent[0]].decode("latin-1")))
    return _Claims(trailer=algorithm)


def _algorithm(name: bytes) -> Algorithm:
    text = name.decode("latin-1")
    if not text.startswith(HEADER_PREFIX):
        raise RequestInvalid(f"The value specified in the x-amz-trailer header is not supported: {text}.")
    return algorithm_of(text.removeprefix(HEADER_PREFIX))


def _check_named(fields: FieldMap, sent: Algorithm | None, *, uploads: bool) -> None:
    named = fields.get(b"x-amz-sdk-checksum-algorithm")
    if named is None:
        return
    algorithm = algorithm_of(named.decode("latin-1"))
    if sent is None and uploads:
        raise RequestInvalid(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            "headers were found."
        )
    if sent is not None and sent is not algorithm:
        raise RequestInvalid("Value for x-amz-sdk-checksum-algorithm header is invalid.")


def _full_object(algorithm: Algorithm, text: str) -> Checksum:
    checksum = parse(algorithm, text)
    if checksum.type is ChecksumType.COMPOSITE:
        raise DigestWrong(f"The value of {header_of(algorithm)} is of an object of several parts.")
    return checksum
