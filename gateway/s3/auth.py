"""Who sent this request: chooses the mechanism and verifies the signature."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.errors import ArgumentInvalid, RequestInvalid, Unsupported
from gateway.s3 import forwarding, sigv2, sigv4
from gateway.s3.canonical import FieldMap, Signable, field_map
from gateway.s3.forwarding import Networks
from gateway.s3.head import Head, Target
from gateway.s3.keyring import KeyRing, SecretOf
from gateway.s3.modes import CHUNK_SIGNING, UNSIGNED, parse_mode
from gateway.s3.presigned import is_v2, is_v4
from gateway.s3.proof import ANONYMOUS, Mechanism, Proof
from gateway.s3.usual import UsualReads


@dataclass(frozen=True, slots=True)
class AuthRules:
    """What the configuration says about signatures and proxies.

    `signature_v2_expires_max_s` limits how far ahead a V2 URL may expire, which V2 itself does not.
    """

    signature_v2: Literal["off", "urls-and-forms", "all"] = "urls-and-forms"
    signature_v2_expires_max_s: float = 7 * 86400
    trusted_proxies: Networks = ()
    domain: str = ""


class Verifier:
    """Verifies requests against secrets; remembers signing keys that proved right."""

    def __init__(self, rules: AuthRules, secret_of: SecretOf) -> None:
        self.rules = rules
        self._ring = KeyRing(secret_of)
        self.usual_reads = UsualReads(self._ring, rules.domain)

    def authenticate(self, head: Head, target: Target, now_s: float) -> Proof:
        """What the request proves about its sender; a request without any signature is anonymous.

        Raises what the tables of faults say, all of them `GatewayError`s.
        """
        fields = field_map(head.fields)
        request = Signable(head, target, fields, self.rules.trusted_proxies, self.rules.domain)
        match _mechanism(head, target, fields):
            case Mechanism.V4_HEADER:
                return sigv4.verify_header(request, self._ring, now_s)
            case Mechanism.V4_QUERY:
                return sigv4.verify_query(request, self._ring, now_s)
            case Mechanism.V2_HEADER:
                self._refuse_v2(allowed=self.rules.signature_v2 == "all")
                return sigv2.verify_header(request, self._ring, now_s)
            case Mechanism.V2_QUERY:
                self._refuse_v2(allowed=self.rules.signature_v2 != "off")
                return sigv2.verify_query(request, self._ring, now_s, self.rules.signature_v2_expires_max_s)
            case Mechanism.FORM:
                return Proof(Mechanism.FORM)
            case Mechanism.ANONYMOUS:
                return _anonymous(target, fields)

    def authenticate_form(self, fields: Mapping[str, str]) -> Proof:
        """What the fields of a form prove about its sender. Names in `fields` are lower case.

        The signature covers the policy only: whether the policy allows the form is
        `post_policy.check_policy`'s question.
        """
        if "x-amz-signature" in fields or "x-amz-credential" in fields or "x-amz-algorithm" in fields:
            return sigv4.verify_policy(fields, self._ring)
        if "awsaccesskeyid" in fields or "signature" in fields:
            self._refuse_v2(allowed=self.rules.signature_v2 != "off")
            return sigv2.verify_policy(fields, self._ring)
        if "policy" in fields:
            raise ArgumentInvalid("A form with a policy must be signed.", ArgumentName="policy")
        return ANONYMOUS

    def _refuse_v2(self, *, allowed: bool) -> None:
        if not allowed:
            raise RequestInvalid(
                "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
            )


def scheme_of(head: Head, rules: AuthRules) -> str:
    """ "http" or "https": what the client spoke, to us or to a trusted proxy."""
    return forwarding.scheme_of(head, rules.trusted_proxies)


def client_address(head: Head, rules: AuthRules) -> str:
    """The client's address, seen through trusted proxies."""
    return forwarding.client_address(head, rules.trusted_proxies)


def _mechanism(head: Head, target: Target, fields: FieldMap) -> Mechanism:
    found = []
    authorization = fields.get(b"authorization")
    if authorization:
        found.append(_header_mechanism(authorization))
    if is_v4(target.query):
        found.append(Mechanism.V4_QUERY)
    if is_v2(target.query):
        found.append(Mechanism.V2_QUERY)
    if len(found) > 1:
        raise ArgumentInvalid("Only one auth mechanism allowed", ArgumentName="Authorization")
    if found:
        return found[0]
    return Mechanism.FORM if _is_form(head, target) else Mechanism.ANONYMOUS


def _header_mechanism(authorization: bytes) -> Mechanism:
    scheme = authorization.partition(b" ")[0]
    if scheme == sigv4.ALGORITHM:
        return Mechanism.V4_HEADER
    if scheme == b"AWS":
        return Mechanism.V2_HEADER
    if scheme == sigv4.ALGORITHM_ASYMMETRIC:
        raise Unsupported(f"{scheme.decode()} signatures are not implemented.", Header="Authorization")
    raise ArgumentInvalid("Unsupported Authorization Type", ArgumentName="Authorization")


def _is_form(head: Head, target: Target) -> bool:
    if head.method != "POST" or target.bucket is None or target.key is not None:
        return False
    return all(name.startswith(b"x-") for name, _ in target.query)


def _anonymous(target: Target, fields: FieldMap) -> Proof:
    value = fields.get(b"x-amz-content-sha256")
    mode = UNSIGNED if value is None else parse_mode(value)
    if mode in CHUNK_SIGNING:
        raise RequestInvalid("Signed chunks need a signed request.")
    for name, _ in target.query:
        if name.startswith(b"response-"):
            raise RequestInvalid("Request specific response headers cannot be used for anonymous GET requests.")
    return ANONYMOUS if mode == UNSIGNED else Proof(Mechanism.ANONYMOUS, payload=mode)
