"""Who may ask the admin API: the bearer token, or an access key whose policy says so."""

import hmac
from collections.abc import Awaitable, Callable

from fastapi import HTTPException, Request

from gateway.access.policies import Ask, allows
from gateway.admin.service import AdminService
from gateway.errors import AccessRefused
from gateway.s3.auth import client_address, scheme_of
from gateway.s3.head import Head
from gateway.s3.proof import Mechanism
from gateway.s3.target import resolve

READ = "admin:Read"
"""The action of everything that changes nothing."""
WRITE = "admin:Write"
"""The action of everything that changes something."""

_BEARER = "Bearer "


def requires(service: AdminService, action: str) -> Callable[[Request], Awaitable[str]]:
    """A dependency of routes: lets only those pass who may do `action`, and says who it is: a key's id, or `token`.

    401 for a request without any proof or with the wrong token, else the S3 error of its signature.
    """
    token = service.config.admin.token.reveal().encode()

    async def gate(request: Request) -> str:
        authorization = request.headers.get("authorization", "")
        if authorization.startswith(_BEARER):
            given = authorization.removeprefix(_BEARER).strip().encode()
            if not token or not hmac.compare_digest(given, token):
                raise _unproven("The bearer token is wrong.")
            return "token"
        return _signer(service, _head(request), action)

    return gate


def _signer(service: AdminService, head: Head, action: str) -> str:
    rules = service.verifier.rules
    proof = service.verifier.authenticate(head, resolve(head, ""), service.clock.now_s())
    if proof.mechanism is not Mechanism.V4_HEADER:
        raise _unproven("Sign with an access key (SigV4, service s3) or send the bearer token.")
    caller = service.access.caller(proof, address=client_address(head, rules), secure=scheme_of(head, rules) == "https")
    if not allows(caller.policies, Ask(action, facts=caller.facts)):
        raise AccessRefused(f"No policy of this access key allows {action}.")
    assert proof.key_id is not None
    return proof.key_id


def _unproven(message: str) -> HTTPException:
    return HTTPException(401, message, headers={"www-authenticate": "Bearer"})


def _head(request: Request) -> Head:
    raw_path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return Head(
        method=request.method,
        target=raw_path + b"?" + query if query else raw_path,
        fields=tuple((name.lower(), value.strip()) for name, value in request.headers.raw),
        scheme=request.url.scheme,
        peer=request.client.host if request.client else "",
    )
