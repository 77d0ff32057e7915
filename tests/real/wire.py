"""Signed requests made by hand: a reader and writer that shares no code with the product or with any SDK."""

import hashlib
import hmac
import http.client
import re
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlsplit

from tests.real.node import Node

EMPTY_SHA256 = hashlib.sha256().hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
TIMEOUT_S = 60
PIECE_SIZE = 1024 * 1024
CONNECTIONS = 4

Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The `Code` of an error document, or "" where the body is none."""
        _, found, rest = self.body.partition(b"<Code>")
        return rest.partition(b"</Code>")[0].decode() if found else ""


@dataclass(frozen=True, slots=True)
class Signer:
    """Signature version 4 in the header, as in "Signature Calculations for the Authorization Header"."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"

    def signed(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        *,
        payload: str = UNSIGNED,
        now: datetime | None = None,
    ) -> dict[str, str]:
        """`headers` (with `host`, names lower case) and the three that prove who asks.

        `target` is a raw request target whose path and query are already encoded as S3 wants them.
        """
        moment = now or datetime.now(UTC)
        stamp, day = f"{moment:%Y%m%dT%H%M%SZ}", f"{moment:%Y%m%d}"
        every = {**headers, "x-amz-date": stamp, "x-amz-content-sha256": payload}
        names = sorted(every)
        path, _, query = target.partition("?")
        pairs = sorted(part.partition("=")[::2] for part in query.split("&") if part)
        lines = [method, path, "&".join(f"{name}={value}" for name, value in pairs)]
        lines += [f"{name}:{' '.join(every[name].split())}" for name in names]
        lines += ["", ";".join(names), payload]
        scope = f"{day}/{self.region}/s3/aws4_request"
        digest = hashlib.sha256("\n".join(lines).encode("latin-1")).hexdigest()
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        credential = f"Credential={self.access_key}/{scope},SignedHeaders={';'.join(names)}"
        every["authorization"] = f"AWS4-HMAC-SHA256 {credential},Signature={signature}"
        return every


class Wire:
    """One node reached through bare sockets; every request is signed and has a connection of its own."""

    def __init__(self, node: Node, signer: Signer | None = None) -> None:
        self.signer = signer or Signer(node.access_key, node.secret_key)
        self._host, self._port = "127.0.0.1", node.s3_port
        self._trust = ssl.create_default_context(cafile=str(node.ca_file)) if node.ca_file else None

    @property
    def host(self) -> str:
        """What stands in the host header."""
        return f"{self._host}:{self._port}"

    @property
    def scheme(self) -> str:
        """What the node speaks: http or https."""
        return "https" if self._trust else "http"

    def connect(self) -> socket.socket:
        """A connection of its own, TLS included where the node speaks it."""
        plain = socket.create_connection((self._host, self._port), TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._trust.wrap_socket(plain, server_hostname=self._host) if self._trust else plain

    def head(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | None = None,
        *,
        payload: str = UNSIGNED,
        now: datetime | None = None,
    ) -> bytes:
        """The bytes of a signed request's head."""
        given = {"host": self.host, **(headers or {})}
        return head_bytes(method, target, self.signer.signed(method, target, given, payload=payload, now=now))

    def request(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        """One exchange with the whole body in memory."""
        given = dict(headers or {})
        if body is not None:
            given["content-length"] = str(len(body))
        payload = EMPTY_SHA256 if body is None else hashlib.sha256(body).hexdigest()
        with self.connect() as sock:
            sock.sendall(self.head(method, target, given, payload=payload) + (body or b""))
            return answer_of(sock, method)

    def get(self, bucket: str, key: str) -> bytes:
        """The bytes of an object; an `AssertionError` shows any other answer than 200."""
        answer = self.request("GET", path(bucket, key))
        assert answer.status == 200, answer
        return answer.body

    def put(self, bucket: str, key: str, body: bytes) -> Answer:
        """Writes an object in one request."""
        return self.request("PUT", path(bucket, key), body=body)

    def put_many(self, bucket: str, bodies: Mapping[str, bytes]) -> None:
        """Writes many small objects over a few connections."""
        keys = list(bodies)
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(
                pool.map(
                    lambda some: self._put_in_turn(bucket, some, bodies),
                    [keys[start::CONNECTIONS] for start in range(CONNECTIONS)],
                )
            )

    def _put_in_turn(self, bucket: str, keys: Sequence[str], bodies: Mapping[str, bytes]) -> None:
        with self.connect() as sock:
            for key in keys:
                body = bodies[key]
                sock.sendall(self.head("PUT", path(bucket, key), {"content-length": str(len(body))}) + body)
                answer = answer_of(sock, "PUT")
                assert answer.status == 200, answer

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """All keys under `prefix`, in the order of the listing."""
        found: list[str] = []
        while True:
            query = [("encoding-type", "url"), ("list-type", "2"), ("prefix", prefix)]
            if found:
                query.append(("start-after", found[-1]))
            answer = self.request("GET", path(bucket, query=query))
            assert answer.status == 200, answer
            found += [unquote(key) for key in re.findall("<Key>(.*?)</Key>", answer.body.decode())]
            if b"<IsTruncated>true</IsTruncated>" not in answer.body:
                return found

    def sha256(self, bucket: str, key: str) -> str:
        """The hash of an object's bytes, read piece by piece."""
        digest = hashlib.sha256()
        with self.connect() as sock:
            sock.sendall(self.head("GET", path(bucket, key)))
            response = http.client.HTTPResponse(sock, method="GET")
            response.begin()
            assert response.status == 200, response.read()
            while piece := response.read(PIECE_SIZE):
                digest.update(piece)
        return digest.hexdigest()


def path(bucket: str, key: str = "", query: Query = ()) -> str:
    """A request target in path style: the key encoded once, nothing normalised."""
    target = f"/{bucket}/{quote(key, safe='-._~/')}" if key else f"/{bucket}"
    if query:
        target += "?" + "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in query)
    return target


def head_bytes(method: str, target: str, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> bytes:
    """A request head as it stands on the wire."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def answer_of(sock: socket.socket, method: str = "GET") -> Answer:
    """Reads one whole answer from the socket."""
    response = http.client.HTTPResponse(sock, method=method)
    response.begin()
    body = response.read()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)


def fetch(
    url: str,
    *,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    ca_file: str | None = None,
) -> Answer:
    """Uses a presigned URL exactly as it was given, adding nothing but host and length."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    given = {"host": parts.netloc, **(headers or {})}
    if body is not None:
        given["content-length"] = str(len(body))
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    with socket.create_connection((host, port), TIMEOUT_S) as plain:
        trust = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        sock = trust.wrap_socket(plain, server_hostname=host) if trust else plain
        sock.sendall(head_bytes(method, target, given) + (body or b""))
        return answer_of(sock, method)
