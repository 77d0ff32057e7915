"""Secrets by access key id, and the signing keys derived from them."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import KeyIdUnknown

SecretOf = Callable[[str], str | None]
"""The secret of an access key id; None if there is no such key."""

SIGNING_KEYS_MAX = 1024
"""Signing keys remembered: a few per access key, since each day and each region has its own."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A V4 credential: whose key, and the day and region it was narrowed to."""

    key_id: str
    day: bytes
    region: bytes

    @property
    def scope(self) -> bytes:
        return b"%b/%b/s3/aws4_request" % (self.day, self.region)


def parse_credential(raw: bytes) -> Credential | None:
    """Read `id/YYYYMMDD/region/s3/aws4_request`; None if it is anything else.

    It is split from the right, since an id may contain slashes.
    """
    parts = raw.rsplit(b"/", 4)
    if len(parts) != 5 or parts[3] != b"s3" or parts[4] != b"aws4_request":
        return None
    key_id, day, region = parts[:3]
    if not key_id or len(day) != 8 or not day.isdigit():
        return None
    return Credential(key_id.decode("latin-1"), day, region)


def signing_key(secret: str, day: bytes, region: bytes) -> bytes:
    """The key of a day and a region ("Signature Calculations for the Authorization Header", task 3)."""
    key = hmac.digest(b"AWS4" + secret.encode(), day, "sha256")
    for word in (region, b"s3", b"aws4_request"):
        key = hmac.digest(key, word, "sha256")
    return key


class KeyRing:
    """Answers with secrets and signing keys; remembers the signing keys that have proved right.

    The least recently used goes first. Nothing is remembered before a signature verified, because
    the region is the client's text: strangers could otherwise push out the keys in use.
    """

    def __init__(self, secret_of: SecretOf, *, size_max: int = SIGNING_KEYS_MAX) -> None:
        self.secret_of = secret_of
        self._size_max = size_max
        # Keyed by the secret itself: a secret that changes under the same id finds nothing old.
        self._proven: dict[tuple[str, bytes, bytes], bytes] = {}

    def secret(self, key_id: str) -> str:
        """The secret of this id. Raises `KeyIdUnknown`."""
        secret = self.secret_of(key_id)
        if secret is None:
            raise KeyIdUnknown(AWSAccessKeyId=key_id)
        return secret

    def signing_key(self, credential: Credential) -> bytes:
        """The signing key for this credential. Raises `KeyIdUnknown`."""
        secret = self.secret(credential.key_id)
        entry = (secret, credential.day, credential.region)
        key = self._proven.pop(entry, None)
        if key is None:
            return signing_key(secret, credential.day, credential.region)
        self._proven[entry] = key
        return key

    def remember(self, credential: Credential, key: bytes) -> None:
        """Keep a signing key whose signature has just verified."""
        entry = (self.secret(credential.key_id), credential.day, credential.region)
        if entry in self._proven:
            return
        self._proven[entry] = key
        if len(self._proven) > self._size_max:
            del self._proven[next(iter(self._proven))]
