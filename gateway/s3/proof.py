"""What a request's authentication came to, before anyone asks what it is allowed to do."""

from dataclasses import dataclass, field
from enum import Enum


class Mechanism(Enum):
    """How the caller proved itself."""

    V4_HEADER = "v4-header"
    V4_QUERY = "v4-query"
    V2_HEADER = "v2-header"
    V2_QUERY = "v2-query"
    FORM = "form"
    """The proof is in the body's form fields, which nobody has read yet."""
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class ChunkSeed:
    """Where the chain of chunk signatures starts: the request's own signature.

    `date` is `YYYYMMDDTHHMMSSZ`, `scope` is `YYYYMMDD/region/s3/aws4_request`, `signature` 64 hex digits.
    """

    signing_key: bytes = field(repr=False)
    date: str
    scope: str
    signature: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A verified signature, or the absence of one.

    `payload` is the body's mode as signed: 64 hex digits, `UNSIGNED-PAYLOAD` or a `STREAMING-...` word;
    `seed` is there when the mode signs chunks. `content_md5` is a Content-MD5 that the signer moved
    into the URL, where it binds the body as the header would.
    """

    mechanism: Mechanism
    key_id: str | None = None
    payload: str = "UNSIGNED-PAYLOAD"
    seed: ChunkSeed | None = None
    content_md5: str | None = None


ANONYMOUS = Proof(Mechanism.ANONYMOUS)
