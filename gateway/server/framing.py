"""How a request's body is delimited, and the requests whose framing cannot be trusted.

The parser (llhttp, in its strict mode) already refuses bare CR or LF, folded lines, blanks before the
colon, controls, repeated or malformed lengths, and a length beside a transfer coding. What it lets
pass is judged here (RFC 9112, sections 2.3, 3.2, 5 and 6).
"""

from dataclasses import dataclass

from gateway.errors import RequestMalformed, Unsupported
from gateway.s3.head import Fields

TARGET_SIZE_MAX = 16 * 1024
HEAD_SIZE_MAX = 64 * 1024
FIELDS_MAX = 200
TRAILERS_SIZE_MAX = 4 * 1024
LENGTH_DIGITS_MAX = 19


@dataclass(frozen=True, slots=True)
class Framing:
    """`length` is the announced body in bytes, None for a chunked one; 0 where there is none.

    `expects_continue` is also true for an announced body of 0 bytes: botocore waits for the 100 there too.
    """

    length: int | None
    expects_continue: bool

    @property
    def has_body(self) -> bool:
        return self.length != 0


def frame(version: str, fields: Fields) -> Framing:
    """Reads the framing off a head; raises `RequestMalformed` or `Unsupported`, after which the connection ends."""
    if version not in ("1.1", "1.0"):
        raise RequestMalformed("This HTTP version is not supported.")
    hosts = 0
    length: int | None = 0
    announced = False
    expects_continue = False
    for name, value in fields:
        if name == b"host":
            hosts += 1
        elif name == b"content-length":
            if len(value) > LENGTH_DIGITS_MAX or not value.isdigit():
                raise RequestMalformed("The Content-Length header is not a number of at most 19 digits.")
            length = int(value)
            announced = True
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":
                raise Unsupported("This transfer coding is not implemented.", Header="Transfer-Encoding")
            if version == "1.0":
                raise RequestMalformed("Transfer-Encoding does not exist in HTTP/1.0.")
            length = None
            announced = True
        elif name == b"expect":
            expects_continue = value.lower() == b"100-continue"
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        raise RequestMalformed("A request has exactly one Host header.")
    return Framing(length, expects_continue and announced and version == "1.1")


def ascii_line(line: bytes) -> bytes:
    """A request line with every byte beyond ASCII percent-encoded, which signatures and keys do not notice.

    The parser refuses such bytes, though a few clients send keys as raw UTF-8.
    """
    return b"".join(bytes((byte,)) if byte < 0x80 else b"%%%02X" % byte for byte in line)
