"""Envelopes around what clients carry for us: readable by anybody, made by nobody but us."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence

TAG_SIZE = 16
SEALED_SIZE_MAX = 16 * 1024
"""Characters; more is not ours."""
_LENGTH_SIZE = 4


class Sealer:
    """Seals byte strings for one purpose, `name`; an envelope of another name does not open.

    Of `keys` the first seals and all open, so that keys can be changed while envelopes are out.
    """

    def __init__(self, keys: Sequence[bytes], name: str) -> None:
        assert keys, "a sealer needs a key"
        self._keys = [hmac.digest(key, b"seal\0" + name.encode(), "sha256") for key in keys]

    def seal(self, payload: bytes) -> str:
        """An envelope in characters that need no escape in a URL."""
        return urlsafe_b64encode(_tag(self._keys[0], payload) + payload).rstrip(b"=").decode()

    def open(self, sealed: str) -> bytes | None:
        """The payload; None if the envelope is not ours, was altered, or has another name."""
        raw = _decoded(sealed)
        if raw is None:
            return None
        tag, payload = raw[:TAG_SIZE], raw[TAG_SIZE:]
        opens = [hmac.compare_digest(tag, _tag(key, payload)) for key in self._keys]
        return payload if any(opens) else None


def pack(fields: Sequence[bytes]) -> bytes:
    """Several byte strings as one; `unpack` undoes it."""
    return b"".join(len(field).to_bytes(_LENGTH_SIZE, "big") + field for field in fields)


def unpack(packed: bytes) -> list[bytes]:
    """What was packed. Only for opened envelopes: a string that `pack` did not make is our mistake."""
    fields, at = [], 0
    while at < len(packed):
        start = at + _LENGTH_SIZE
        at = start + int.from_bytes(packed[at:start], "big")
        assert at <= len(packed), "not packed by us"
        fields.append(packed[start:at])
    return fields


def _tag(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, payload, "sha256")[:TAG_SIZE]


def _decoded(sealed: str) -> bytes | None:
    if len(sealed) > SEALED_SIZE_MAX:
        return None
    try:
        raw = urlsafe_b64decode(sealed.encode("ascii") + b"=" * (-len(sealed) % 4))
    except (UnicodeEncodeError, Base64Error):
        return None
    # Base64 readers skip foreign characters and spare bits; one payload has exactly one envelope here.
    return raw if urlsafe_b64encode(raw).rstrip(b"=").decode() == sealed else None
