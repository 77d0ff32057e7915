"""What clients sign besides the Authorization header: URLs, forms and chunks, written down from the documentation."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tests.real.wire import EMPTY_SHA256, Query, Signer

Conditions = Sequence[object]


def key_and_scope(signer: Signer, day: str) -> tuple[bytes, str]:
    """The signing key of a day, and its credential scope."""
    words = (day, signer.region, "s3", "aws4_request")
    key = f"AWS4{signer.secret_key}".encode()
    for word in words:
        key = hmac.digest(key, word.encode(), "sha256")
    return key, "/".join(words)


def authorized(
    signer: Signer, method: str, target: str, headers: Mapping[str, str], payload: str, stamp: str
) -> dict[str, str]:
    """`headers` and the Authorization that signs exactly these; `stamp` is the time they are signed at."""
    key, scope = key_and_scope(signer, stamp[:8])
    names = ";".join(sorted(headers))
    path, _, query = target.partition("?")
    lines = [method, path, query, *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, payload]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
    claims = f"Credential={signer.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": f"AWS4-HMAC-SHA256 {claims}"}


@dataclass(frozen=True, slots=True)
class Url:
    """A URL to presign with version 4; names of `headers` are lower case and signed."""

    method: str
    path: str
    host: str
    query: Query = ()
    headers: Mapping[str, str] | None = None
    expires: str = "300"
    payload: str = "UNSIGNED-PAYLOAD"
    lower_case: bool = False
    """Whether the names of the signing parameters, but for the signature's, are written in lower case."""

    def signed(self, signer: Signer, now: datetime | None = None, changes: Mapping[str, str] | None = None) -> str:
        """The request target; `changes` replace signing parameters before they are signed."""
        moment = now or datetime.now(UTC)
        stamp, day = f"{moment:%Y%m%dT%H%M%SZ}", f"{moment:%Y%m%d}"
        key, scope = key_and_scope(signer, day)
        headers = {"host": self.host, **(self.headers or {})}
        names = ";".join(sorted(headers))
        parameters = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{signer.access_key}/{scope}",
            "X-Amz-Date": stamp,
            "X-Amz-Expires": self.expires,
            "X-Amz-SignedHeaders": names,
            **(changes or {}),
        }
        if self.lower_case:
            parameters = {name.lower(): value for name, value in parameters.items()}
        query = encoded(sorted([*self.query, *parameters.items()]))
        lines = [self.method, self.path, query, *(f"{name}:{headers[name]}" for name in sorted(headers))]
        lines += ["", names, self.payload]
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return f"{self.path}?{query}&X-Amz-Signature={signature}"


def encoded(query: Query) -> str:
    """A query as the canonical request has it."""
    return "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in query)


def presigned_v2(
    signer: Signer, method: str, resource: str, *, expires: str, headers: Sequence[str] = ("", ""), amz: str = ""
) -> str:
    """The signing parameters of a version 2 URL; `headers` are Content-MD5 and Content-Type, `amz` canonical lines."""
    text = "\n".join([method, *headers, expires, amz + resource])
    signature = signature_v2(signer, text)
    return encoded([("AWSAccessKeyId", signer.access_key), ("Expires", expires), ("Signature", signature)])


def signature_v2(signer: Signer, text: str) -> str:
    """The signature of version 2 over a string."""
    return base64.b64encode(hmac.digest(signer.secret_key.encode(), text.encode(), "sha1")).decode()


def policy(conditions: Conditions, *, expires_in: timedelta = timedelta(minutes=5)) -> str:
    """The policy of a form."""
    end = datetime.now(UTC) + expires_in
    document = {"expiration": f"{end:%Y-%m-%dT%H:%M:%SZ}", "conditions": conditions}
    return base64.b64encode(json.dumps(document).encode()).decode()


def form_fields_v4(signer: Signer) -> dict[str, str]:
    """The fields that say who signs a form with version 4."""
    now = datetime.now(UTC)
    _, scope = key_and_scope(signer, f"{now:%Y%m%d}")
    return {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": f"{signer.access_key}/{scope}",
        "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
    }


def form_signature_v4(signer: Signer, text: str, stamp: str) -> str:
    """The version 4 signature over a form's policy."""
    key, _ = key_and_scope(signer, stamp[:8])
    return hmac.digest(key, text.encode(), "sha256").hex()


def multipart_form(fields: Iterable[tuple[str, str]], file: bytes | None, filename: str = "x.txt") -> bytes:
    """The body of a form with the boundary `edge`."""
    lines = b""
    for name, value in fields:
        lines += f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    if file is not None:
        disposition = f'form-data; name="file"; filename="{filename}"'
        lines += f"--edge\r\nContent-Disposition: {disposition}\r\nContent-Type: text/plain\r\n\r\n".encode()
        lines += file + b"\r\n"
    return lines + b"--edge--\r\n"


def chunks(pieces: Iterable[bytes], trailers: Sequence[tuple[str, str]] = ()) -> bytes:
    """An aws-chunked body without signatures."""
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return body + b"0\r\n" + b"".join(f"{name}:{value}\r\n".encode() for name, value in trailers) + b"\r\n"


def signed_chunks(
    signer: Signer,
    fields: Mapping[str, str],
    pieces: Iterable[bytes],
    trailers: Sequence[tuple[str, str]] | None = None,
) -> bytes:
    """An aws-chunked body whose chunks are signed, and the trailers, too, if they are given.

    `fields` are those of the signed head.
    """
    stamp = fields["x-amz-date"]
    key, scope = key_and_scope(signer, stamp[:8])
    previous = fields["authorization"].rpartition("Signature=")[2]
    body = b""
    for piece in [*pieces, b""]:
        hashes = f"{EMPTY_SHA256}\n{hashlib.sha256(piece).hexdigest()}"
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{previous}\n{hashes}"
        previous = hmac.digest(key, text.encode(), "sha256").hex()
        body += f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece + (b"\r\n" if piece else b"")
    if trailers is None:
        return body + b"\r\n"
    lines = "".join(f"{name}:{value}\n" for name, value in trailers).encode()
    text = f"AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{previous}\n{hashlib.sha256(lines).hexdigest()}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return body + lines.replace(b"\n", b"\r\n") + f"x-amz-trailer-signature:{signature}\r\n\r\n".encode()
