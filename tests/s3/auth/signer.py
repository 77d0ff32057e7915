"""An independent signer: signature version 4 written down once more, straight from the documentation."""

import hashlib
import hmac
from urllib.parse import quote

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
STAMP = "20130524T000000Z"
NOW_S = 1369353600.0


def sign(method: str, path: str, query: dict[str, str], headers: dict[str, str], payload: str) -> str:
    """The signature of a request whose path and query are not encoded yet and whose headers are all signed."""
    pairs = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in query.items())
    lines = [
        method,
        quote(path, safe="/"),
        "&".join(f"{name}={value}" for name, value in pairs),
        *[f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)],
        "",
        ";".join(sorted(headers)),
        payload,
    ]
    return seal(
        f"AWS4-HMAC-SHA256\n{STAMP}\n{scope()}\n{_sha256(chr(10).join(lines).encode())}",
    )


def seal(text: str) -> str:
    """The signature over a string to sign."""
    key = ("AWS4" + SECRET).encode()
    for word in (*scope().split("/"), text):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key.hex()


def scope() -> str:
    return f"{STAMP[:8]}/us-east-1/s3/aws4_request"


def authorization(signature: str, signed: list[str]) -> str:
    names = ";".join(sorted(signed))
    return f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope()}, SignedHeaders={names}, Signature={signature}"


def chunked(payloads: list[bytes], seed: str, trailers: list[tuple[str, str]] | None = None) -> bytes:
    """A body of signed chunks, the closing one included; trailers, if not None, are signed, too."""
    body, previous = b"", seed
    for data in (*payloads, b""):
        hashes = f"{_sha256(b'')}\n{_sha256(data)}"
        previous = seal(f"AWS4-HMAC-SHA256-PAYLOAD\n{STAMP}\n{scope()}\n{previous}\n{hashes}")
        body += f"{len(data):x};chunk-signature={previous}\r\n".encode() + data + (b"\r\n" if data else b"")
    if trailers is not None:
        lines = "".join(f"{name}:{value}\n" for name, value in trailers).encode()
        signature = seal(f"AWS4-HMAC-SHA256-TRAILER\n{STAMP}\n{scope()}\n{previous}\n{_sha256(lines)}")
        body += lines.replace(b"\n", b"\r\n") + b"x-amz-trailer-signature:" + signature.encode() + b"\r\n"
    return body + b"\r\n"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
