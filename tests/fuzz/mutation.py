"""Inputs that are nearly right: samples of real ones, bent at random."""

from collections.abc import Sequence
from random import Random

INPUT_SIZE_MAX = 64 * 1024
BENDS_MAX = 6

TOKENS = (
    *(
        b"\r\n",
        b"\n",
        b"\0",
        b"%",
        b"%2F",
        b"%00",
        b"%zz",
        b"+",
        b"&",
        b"=",
        b";",
        b",",
        b'"',
        b"..",
        b"//",
        b":",
        b" ",
    ),
    *(b"-1", b"0", b"18446744073709551616", b"9" * 400, b"null", b"*", b"W/", b"bytes=", b"chunk-signature="),
    *(b"0\r\n\r\n", b"<", b"</", b"&amp;", b"&#0;", b"<!DOCTYPE a>", b"<![CDATA[", b"{", b"["),
    *(b"\xff\xfe", b"\xed\xa0\x80", b"\xc3\xa9"),
)
"""Pieces that parsers trip over."""


def bent(chance: Random, samples: Sequence[bytes]) -> bytes:
    """One of the samples with up to BENDS_MAX changes, at most INPUT_SIZE_MAX bytes."""
    data = bytearray(chance.choice(samples))
    for _ in range(chance.randint(1, BENDS_MAX)):
        _bend(chance, data, samples)
    return bytes(data[:INPUT_SIZE_MAX])


def _bend(chance: Random, data: bytearray, samples: Sequence[bytes]) -> None:
    start = chance.randint(0, len(data))
    stop = min(len(data), start + chance.choice((1, 2, 8, 64)))
    match chance.randrange(6):
        case 0:
            data[start:stop] = b""
        case 1:
            data[start:start] = chance.choice(TOKENS)
        case 2:
            data[start:stop] = chance.choice(TOKENS)
        case 3:
            data[start:stop] = chance.randbytes(stop - start)
        case 4:
            data[start:start] = data[start:stop] * chance.choice((1, 2, 50))
        case _:
            other = chance.choice(samples)
            data[start:] = other[chance.randint(0, len(other)) :]
