"""The aws-chunked framing of bodies: a push decoder, and the chain of its signatures.

Sources: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks",
"... Including Trailing Headers".
"""

import hashlib
import hmac
from enum import Enum, auto
from typing import assert_never

from gateway.errors import BodyIncomplete, ChunkSizeInvalid, SignatureWrong, TrailerMalformed
from gateway.s3.modes import EMPTY_SHA256
from gateway.s3.proof import ChunkSeed

CHUNK_LINE_MAX = 1024
"""Bytes of a line with a chunk's size and extensions."""
SIZE_DIGITS_MAX = 16
TRAILERS_MAX = 4096
"""Bytes of all trailers with their line ends."""
SMALL_CHUNK_SIZE = 8192
SMALL_CHUNKS_MAX = 10_000
"""Chunks below SMALL_CHUNK_SIZE, the last of the body not counted."""

TRAILER_SIGNATURE = "x-amz-trailer-signature"

_HEX_DIGITS = b"0123456789abcdefABCDEF"


class SignatureChain:
    """Each signature covers the one before it; the first covers the request's."""

    def __init__(self, seed: ChunkSeed) -> None:
        self._seed = seed
        self._previous = seed.signature

    def check_chunk(self, sha256: str, signature: bytes | None) -> None:
        """Raise `SignatureWrong` unless this signs a chunk of that hash."""
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{sha256}", signature)

    def check_trailers(self, lines: bytes, signature: bytes) -> None:
        """Raise `SignatureWrong` unless this signs the trailers, `name:value` and a newline each."""
        self._check("AWS4-HMAC-SHA256-TRAILER", hashlib.sha256(lines).hexdigest(), signature)

    def _check(self, label: str, hashes: str, signature: bytes | None) -> None:
        seed = self._seed
        text = f"{label}\n{seed.date}\n{seed.scope}\n{self._previous}\n{hashes}"
        expected = hmac.digest(seed.signing_key, text.encode(), "sha256").hex()
        if signature is None or not hmac.compare_digest(expected.encode(), signature):
            raise SignatureWrong("The signature of a chunk or of the trailers does not match.", StringToSign=text)
        self._previous = expected


class _State(Enum):
    SIZE = auto()
    """A line with the next chunk's size is due."""
    DATA = auto()
    DATA_END = auto()
    """The line end behind a chunk's data is due."""
    TRAILER = auto()
    """A trailer or the empty last line is due."""
    END = auto()


class ChunkDecoder:
    """Takes the framing off a body, cut anywhere.

    `seed` is given when chunks are signed, `trailer_signed` when the trailers are, too. After `end`,
    `trailers` holds names in lower case and values without outer blanks, in the order sent.
    """

    def __init__(self, seed: ChunkSeed | None = None, *, trailer_signed: bool = False) -> None:
        assert seed is not None or not trailer_signed
        self.trailers: list[tuple[str, str]] = []
        self._chain = SignatureChain(seed) if seed is not None else None
        self._trailer_signed = trailer_signed
        self._state = _State.SIZE
        self._line = bytearray()
        self._left = 0
        self._hash = hashlib.sha256()
        self._signature: bytes | None = None
        self._small_chunks = 0
        self._is_small = False
        self._trailers_size = 0
        self._trailers_signed = False

    def feed(self, data: bytes | memoryview) -> list[memoryview]:
        """The payload in this stretch of the body, as views of `data`.

        Raises `BodyIncomplete`, `ChunkSizeInvalid`, `TrailerMalformed` or `SignatureWrong` as soon as it shows.
        """
        view = memoryview(data)
        pieces: list[memoryview] = []
        while view:
            match self._state:
                case _State.DATA:
                    piece, view = view[: self._left], view[self._left :]
                    pieces.append(self._take(piece))
                case _State.SIZE | _State.DATA_END | _State.TRAILER:
                    view = self._read_line(view)
                case _State.END:
                    raise BodyIncomplete("Bytes follow the end of the chunks.")
                case _:
                    assert_never(self._state)
        return pieces

    def end(self) -> None:
        """The body is over. Raises `BodyIncomplete` if the framing is not."""
        # Some clients leave the last, empty line out when there are no trailers.
        is_bare = self._state is _State.TRAILER and not self._line and not self._trailers_size
        if self._state is _State.END or (is_bare and not self._trailer_signed):
            return
        raise BodyIncomplete("The body ended before its last chunk.")

    def _take(self, piece: memoryview) -> memoryview:
        self._left -= len(piece)
        if self._chain is not None:
            self._hash.update(piece)
        if not self._left:
            self._finish_chunk()
            self._state = _State.DATA_END
        return piece

    def _finish_chunk(self) -> None:
        if self._chain is not None:
            self._chain.check_chunk(self._hash.hexdigest(), self._signature)
            self._hash = hashlib.sha256()

    def _read_line(self, view: memoryview) -> memoryview:
        """Take bytes up to the end of a line; act on the line if it is whole; give the rest back."""
        limit = self._line_max() - len(self._line)
        found = bytes(view[:limit])
        stop = found.find(b"\n")
        if stop < 0:
            if len(view) >= limit:
                raise self._line_too_long()
            self._line += found
            return view[len(found) :]
        self._line += found[: stop + 1]
        line = bytes(self._line)
        self._line.clear()
        self._act(line)
        return view[stop + 1 :]

    def _line_max(self) -> int:
        match self._state:
            case _State.TRAILER:
                return TRAILERS_MAX - self._trailers_size
            case _State.DATA_END:
                return len(b"\r\n")
            case _:
                return CHUNK_LINE_MAX

    def _line_too_long(self) -> BodyIncomplete | ChunkSizeInvalid | TrailerMalformed:
        match self._state:
            case _State.TRAILER:
                return TrailerMalformed(f"The trailers are longer than {TRAILERS_MAX} bytes.")
            case _State.DATA_END:
                return BodyIncomplete("A chunk is longer than its size says.")
            case _:
                return ChunkSizeInvalid(f"The line before a chunk is longer than {CHUNK_LINE_MAX} bytes.")

    def _act(self, line: bytes) -> None:
        if self._state is _State.TRAILER:
            self._trailers_size += len(line)
            # Some clients end trailers with a bare newline (AWS's own examples do).
            self._trailer(line.removesuffix(b"\n").removesuffix(b"\r"))
        elif not line.endswith(b"\r\n"):
            raise BodyIncomplete("A line of the chunk framing does not end in CRLF.")
        elif self._state is _State.SIZE:
            self._size(line[:-2])
        elif line == b"\r\n":
            self._state = _State.SIZE
        else:
            raise BodyIncomplete("A chunk is longer than its size says.")

    def _size(self, line: bytes) -> None:
        digits, *extensions = line.split(b";")
        if not digits or digits.translate(None, _HEX_DIGITS):
            raise BodyIncomplete("A chunk's size is not a hexadecimal number.")
        if len(digits) > SIZE_DIGITS_MAX:
            raise ChunkSizeInvalid(f"A chunk's size has more than {SIZE_DIGITS_MAX} digits.")
        self._signature = _signature_among(extensions)
        self._left = int(digits, 16)
        if self._left:
            self._count_small_chunks()
            self._state = _State.DATA
        else:
            self._finish_chunk()
            self._state = _State.TRAILER

    def _count_small_chunks(self) -> None:
        # The chunk before this one was not the last; it may have been a small one.
        self._small_chunks += self._is_small
        if self._small_chunks > SMALL_CHUNKS_MAX:
            raise ChunkSizeInvalid
        self._is_small = self._left < SMALL_CHUNK_SIZE

    def _trailer(self, line: bytes) -> None:
        if not line:
            # Before the signature an empty line ends nothing: minio-go writes one there.
            if self._trailers_signed or not self._trailer_signed:
                self._state = _State.END
            return
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or not name or name != name.strip() or self._trailers_signed:
            raise TrailerMalformed
        if self._trailer_signed and name.lower() == TRAILER_SIGNATURE:
            self._check_trailers(value.strip().encode("latin-1"))
        else:
            self.trailers.append((name.lower(), value.strip()))

    def _check_trailers(self, signature: bytes) -> None:
        assert self._chain is not None
        lines = "".join([f"{name}:{value}\n" for name, value in self.trailers])
        self._chain.check_trailers(lines.encode("latin-1"), signature)
        self._trailers_signed = True


def _signature_among(extensions: list[bytes]) -> bytes | None:
    for extension in extensions:
        name, _, value = extension.strip().partition(b"=")
        if name == b"chunk-signature":
            return value
    return None
