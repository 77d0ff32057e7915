"""Bodies in every mode, made by an independent writer, and what becomes of them when they are cut."""

import base64
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

from gateway.s3 import modes
from gateway.s3.head import Head
from gateway.s3.keyring import signing_key
from gateway.s3.payload import Plan, Receiver, Verdict, plan
from gateway.s3.proof import ChunkSeed, Mechanism, Proof
from tests.s3.auth import signer

SEED = "0" * 64
ALL_MODES = ["plain", modes.UNSIGNED, *sorted(modes.CHUNKED)]
"""`plain` stands for the hex digits of the SHA-256."""


@dataclass(frozen=True)
class Body:
    """A request's raw body, and what its head says about it."""

    raw: bytes
    payload: bytes
    head: Head
    proof: Proof

    @property
    def plan(self) -> Plan:
        return plan(self.head, self.proof, length_required=True)


def body_of(mode: str, chunks: Sequence[bytes]) -> Body:
    """The chunks as a body of this mode, with a CRC32 in the header or, where there is one, in the trailer."""
    payload = b"".join(chunks)
    crc32 = base64.b64encode(zlib.crc32(payload).to_bytes(4, "big")).decode()
    trailers = [("x-amz-checksum-crc32", crc32)]
    fields = [(b"x-amz-decoded-content-length", b"%d" % len(payload))] if mode in modes.CHUNKED else []
    match mode:
        case modes.CHUNKS_UNSIGNED:
            framed = b"".join([b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks])
            raw = framed + f"0\r\nx-amz-checksum-crc32:{crc32}\r\n\r\n".encode()
        case modes.CHUNKS_SIGNED:
            raw = signer.chunked(list(chunks), SEED)
        case modes.CHUNKS_AND_TRAILER_SIGNED:
            raw = signer.chunked(list(chunks), SEED, trailers)
        case _:
            raw = payload
    if mode.endswith("-TRAILER"):
        fields.append((b"x-amz-trailer", b"x-amz-checksum-crc32"))
    else:
        fields.append((b"x-amz-checksum-crc32", crc32.encode()))
    fields.append((b"content-length", b"%d" % len(raw)))
    said = hashlib.sha256(payload).hexdigest() if mode == "plain" else mode
    return Body(raw, payload, Head("PUT", b"/b/k", tuple(fields)), proof_with(said))


def proof_with(payload: str) -> Proof:
    if payload not in modes.CHUNK_SIGNING:
        return Proof(Mechanism.V4_HEADER, signer.ACCESS_KEY, payload)
    key = signing_key(signer.SECRET, signer.STAMP[:8].encode(), b"us-east-1")
    return Proof(Mechanism.V4_HEADER, signer.ACCESS_KEY, payload, ChunkSeed(key, signer.STAMP, signer.scope(), SEED))


def receive(plan: Plan, pieces: Sequence[bytes]) -> tuple[bytes, Verdict]:
    receiver = Receiver(plan)
    received = b"".join(bytes(part) for piece in pieces for part in receiver.feed(piece))
    return received, receiver.end()


def cut(raw: bytes, places: Sequence[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places; empty pieces are no bytes that arrived."""
    edges = [0, *sorted(min(place, len(raw)) for place in places), len(raw)]
    return [raw[start:stop] for start, stop in pairwise(edges) if stop > start]


CHUNKS = st.lists(st.binary(min_size=1, max_size=300), max_size=5)
PLACES = st.lists(st.integers(0, 2500), max_size=8)
