"""Inputs that are nearly right: samples of real ones, bent at random."""

from collections.abc import Sequence
from random import Random

INPUT_SIZE_MAX = 64 * 1024
BENDS_MAX = 6

_WORDS = (
    "%|%2F|%00|%zz|%0d%0a|%ff|+|&|=|;|,|:|\"|'|\\|/|//|..|?|#|*|@| |  |\t|-|-1|0|1|00|+1|1_0|1e9|2147483648|"
    "9223372036854775808|18446744073709551616|ffffffffffffffff|null|true|NaN|W/|bytes=|0-0|chunk-signature=|"
    "aws-chunked|STREAMING-UNSIGNED-PAYLOAD-TRAILER|UNSIGNED-PAYLOAD|X-Amz-Signature=|x-amz-meta-a:|"
    "x-amz-checksum-crc32:|<|>|</|/>|&amp;|&#0;|&#xD800;|&a;|<!DOCTYPE a>|<![CDATA[|]]>|<!--|<?xml version='1.0'?>|"
    '{|}|[|]|"\\ud800"|$key|starts-with|${filename}|filename*=|boundary=|Content-Length: 5|Transfer-Encoding: chunked|'
    "Expect: 100-continue|Connection: close|HTTP/1.0|Host: h"
)
TOKENS = (
    *(word.encode() for word in _WORDS.split("|")),
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"0\r\n\r\n", b"\r\n--", b"--", b"|", b"\0", b"\x7f", b"\x1f", b"\x85"),
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3\xa9", b"\xf0\x9f\x98\x80", b"\xc0\x80"),
    *(b"9" * 400, b"9" * 5000, b"[" * 2000, b"<a>" * 20, b"%41" * 100, b"a" * 9000),
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
    stop = min(len(data), start + chance.choice((1, 1, 2, 8, 64)))
    match chance.randrange(8):
        case 0:
            data[start:stop] = b""
        case 1:
            data[start:start] = chance.choice(TOKENS)
        case 2:
            data[start:stop] = chance.choice(TOKENS)
        case 3:
            data[start:stop] = chance.randbytes(stop - start)
        case 4:
            data[start:start] = data[start:stop] * chance.choice((1, 2, 50, 500))
        case 5:
            if start < len(data):
                data[start] ^= 1 << chance.randrange(8)
        case 6:
            _move(chance, data, start, stop)
        case _:
            other = chance.choice(samples)
            data[start:] = other[chance.randint(0, len(other)) :]


def _move(chance: Random, data: bytearray, start: int, stop: int) -> None:
    stretch = data[start:stop]
    del data[start:stop]
    at = chance.randint(0, len(data))
    data[at:at] = stretch
