"""Requests as botocore makes them, turned into heads as the gateway receives them."""

from calendar import timegm
from dataclasses import replace
from time import strptime
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from botocore.awsrequest import AWSRequest

from gateway.errors import GatewayError
from gateway.s3.auth import AuthRules, Verifier
from gateway.s3.head import Head
from gateway.s3.proof import Proof
from gateway.s3.target import resolve
from tests.s3.auth.signer import ACCESS_KEY, SECRET


def verifier(rules: AuthRules | None = None) -> Verifier:
    return Verifier(rules or AuthRules(), {ACCESS_KEY: SECRET}.get)


def proof_of(head: Head, now_s: float, rules: AuthRules | None = None) -> Proof:
    rules = rules or AuthRules()
    return verifier(rules).authenticate(head, resolve(head, rules.domain), now_s)


def sender_of(head: Head, now_s: float) -> str | None:
    """Whose request this is; None if it is refused, or proves nothing because its query has become a path."""
    try:
        return proof_of(head, now_s).key_id
    except GatewayError:
        return None


def head_of(method: str, url: str, headers: dict[str, str] | None = None) -> Head:
    """The head that a client sends for this URL."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = {"host": parts.netloc, **{name.lower(): value.strip() for name, value in (headers or {}).items()}}
    return Head(
        method,
        target.encode(),
        tuple((name.encode(), value.encode("utf-8")) for name, value in fields.items()),
        scheme=parts.scheme,
    )


def head_of_botocore(request: AWSRequest) -> Head:
    headers = {
        name: value.decode("latin-1") if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    return head_of(request.method, request.url, headers)


def time_of(head: Head) -> float:
    """When the request was signed, as it says itself."""
    stamp = head.first(b"x-amz-date")
    assert stamp is not None
    return float(timegm(strptime(stamp.decode(), "%Y%m%dT%H%M%SZ")))


def with_field(head: Head, name: bytes, value: bytes | None) -> Head:
    """The head with another value of a field; None leaves the field out."""
    others = tuple(field for field in head.fields if field[0] != name)
    return replace(head, fields=others if value is None else (*others, (name, value)))


def meaning_of(target: bytes) -> tuple[bytes, list[tuple[str, str]]]:
    """A target decoded: `+` for `%20` in a query, or an escape in lower case, is no other request."""
    path, _, query = target.partition(b"?")
    return unquote_to_bytes(path), parse_qsl(query.decode(), keep_blank_values=True)
