"""One request head as values: what the socket said, and where it points."""

from dataclasses import dataclass
from enum import Enum

from gateway.model import Bucket, Key

Fields = tuple[tuple[bytes, bytes], ...]
"""Header fields in the order received; names lower case, values without outer blanks."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request head as received.

    `target` is the raw request-target of the request line (origin-form or absolute-form). `scheme` is
    "http" or "https" and `peer` the TCP peer's address, both before any proxy header is believed.
    """

    method: str
    target: bytes
    fields: Fields
    scheme: str = "http"
    peer: str = ""

    @property
    def resource(self) -> str:
        """The path as sent, for error documents and logs; the query may hold signatures."""
        return self.target.partition(b"?")[0].decode("utf-8", "replace")

    def first(self, name: bytes) -> bytes | None:
        """The value of the first field of this (lower-case) name."""
        for field, value in self.fields:
            if field == name:
                return value
        return None

    def text(self, name: bytes) -> str | None:
        """All values of this name joined by `,` (RFC 9110, section 5.3), as header text (latin-1)."""
        values = [value for field, value in self.fields if field == name]
        return b",".join(values).decode("latin-1") if values else None


class Style(Enum):
    """Where the bucket's name stood."""

    PATH = "path"
    VIRTUAL_HOST = "virtual-host"


Query = tuple[tuple[bytes, bytes], ...]
"""Names and values decoded once, in the order sent; a name without `=` has the value b""."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request points.

    `host` is the authority as received (absolute-form: the target's). `path` is the raw path as
    sent, in virtual-host style without the bucket, in path style with it: what signatures cover.
    `key` is None for a bucket or the service, `bucket` None for the service.
    """

    style: Style
    host: bytes
    path: bytes
    bucket: Bucket | None
    key: Key | None
    query: Query

    def parameter(self, name: bytes) -> str | None:
        """The first value of a query parameter as text (UTF-8, replacing what is not)."""
        for parameter, value in self.query:
            if parameter == name:
                return value.decode("utf-8", "replace")
        return None
