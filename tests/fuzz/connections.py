"""Raw bytes as inputs: a connection finds the same requests in them however they are cut, and those that h11 finds."""

import zlib
from collections.abc import Sequence
from random import Random

from gateway.server.connection import PIPELINE_MAX
from tests.fuzz.clients import recorded
from tests.server.conversation import Outcome, Peer, converse, cuts

CUTS_MAX = 8
SIZE_MAX = 4096
"""Longer inputs tell nothing more and take long."""


def connection(data: bytes) -> str:
    """What a client sends."""
    data = data[:SIZE_MAX]
    whole = converse([data])
    chance = Random(zlib.crc32(data))
    pieces = cuts(data, {chance.randrange(len(data) + 1) for _ in range(chance.randint(1, CUTS_MAX))})
    cut = converse(pieces)
    # Raw UTF-8 is understood in a request line that begins what arrives, and refused in the midst of a pipeline.
    shared = PIPELINE_MAX if data.isascii() else min(len(whole.seen), len(cut.seen), PIPELINE_MAX)
    assert _requests(whole)[:shared] == _requests(cut)[:shared], f"whole {whole}, cut into {pieces} {cut}"
    peer = Peer()
    if peer.accepts(data) and _is_comparable(whole):
        ours = [(seen.head.method.encode(), seen.head.target, seen.body) for seen in whole.seen]
        assert ours[: len(peer.requests)] == peer.requests[: len(ours)], f"ours {ours}, h11's {peer.requests}"
    errors = " ".join(seen.error for seen in whole.seen)
    return f"{len(whole.seen)} {whole.refused} {errors} {whole.closed} {len(peer.requests)}"


def _is_comparable(outcome: Outcome) -> bool:
    """Whether all was accepted. What follows the head of a CONNECT is no body to us; such a connection ends there."""
    return not outcome.refused and not any(seen.error or seen.head.method == "CONNECT" for seen in outcome.seen)


def _requests(outcome: Outcome) -> list[tuple[object, ...]]:
    """What reaches the door. A body that broke off is whatever had arrived."""
    return [(seen.head, b"" if seen.error else seen.body, seen.error) for seen in outcome.seen]


def samples() -> Sequence[bytes]:
    """What clients send, one request or several, and the framings that HTTP leaves open."""
    requests = [_sent(number) for number in range(0, len(recorded()), 7)]
    return [*requests, b"".join(requests[:3]), *_CORNERS]


def _sent(number: int) -> bytes:
    request = recorded()[number]
    fields = [field for field in request.head.fields if field[0] not in (b"content-length", b"transfer-encoding")]
    fields.append((b"content-length", b"%d" % len(request.body)))
    lines = b"".join(b"%b: %b\r\n" % field for field in fields)
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (request.head.method.encode(), request.head.target, lines, request.body)


_GET = b"GET /k HTTP/1.1\r\nHost: h\r\n\r\n"
_CORNERS = (
    b"\r\n\r\n" + _GET + b"\r\n" + _GET,
    b"PUT /b/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5;ext="1"\r\nhello\r\n00006\r\n world\r\n0\r\nx-trailer: y\r\n\r\n' + _GET,
    b"GET /caf\xc3\xa9?a=\xff HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + _GET,
    b"PUT /k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello" + _GET,
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n" + _GET,
    b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + _GET,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: h\r\nA:\r\nB: \t c \t\r\n\r\n",
    b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\nbytes",
)
