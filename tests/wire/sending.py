"""Requests that no client would send: unsigned, cut, or with a head of their own."""

import hashlib
import http.client
import io
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from tests.real.wire import EMPTY_SHA256, Answer, Wire, answer_of, head_bytes


def send_raw(wire: Wire, data: bytes, method: str = "GET") -> Answer:
    """Sends these bytes on a connection of its own, all of them unless the node answers before and closes."""
    with wire.connect() as sock:
        with suppress(ConnectionError):
            sock.sendall(data)
        return answer_of(sock, method)


def send_unsigned(
    wire: Wire, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """A request without any proof of who sends it."""
    given = {"host": wire.host, **(headers or {})}
    if body is not None:
        given["content-length"] = str(len(body))
    return send_raw(wire, head_bytes(method, target, given) + (body or b""), method)


def answers_of(sock: socket.socket, methods: Iterable[str]) -> list[Answer]:
    """The answers to several requests that were sent at once."""
    reader = _Reader(socket.SocketIO(sock, "r"))
    answers = []
    for method in methods:
        response = http.client.HTTPResponse(sock, method=method)
        # Each response would read ahead into the next one with a buffer of its own.
        response.fp = reader
        response.begin()
        body = response.read()
        answers.append(Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body))
    return answers


class _Reader(io.BufferedReader):
    """Outlives the responses that are read from it."""

    def close(self) -> None:
        pass


@dataclass(slots=True)
class Draft:
    """A signed request that can be spoiled before it is sent: `headers` are signed, `extra` are added afterwards.

    `signed_target` is what the signature covers, if that is not the target itself.
    """

    wire: Wire
    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    payload: str | None = None
    extra: dict[str, str] = field(default_factory=dict)
    signed_target: str | None = None

    def fields(self) -> dict[str, str]:
        """The signed fields, with those that prove."""
        payload = self.payload
        if payload is None:
            payload = hashlib.sha256(self.body).hexdigest() if self.body else EMPTY_SHA256
        given = {"host": self.wire.host, **self.headers}
        return self.wire.signer.signed(self.method, self.signed_target or self.target, given, payload=payload)

    def send(self, **changes: str | None) -> Answer:
        """Sends it, with some of the signed fields changed, or left out for None; `_` in names stands for `-`."""
        fields = self.fields()
        for name, value in changes.items():
            fields.pop(name.replace("_", "-"), None)
            if value is not None:
                fields[name.replace("_", "-")] = value
        if self.body:
            fields.setdefault("content-length", str(len(self.body)))
        return send_raw(
            self.wire, head_bytes(self.method, self.target, {**fields, **self.extra}) + self.body, self.method
        )
