"""The access keys and policies of a node: from a key's id to its secret, its user and the user's rights."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.access.callers import Caller
from gateway.access.facts import SECURE_TRANSPORT, SOURCE_IP, USER_NAME
from gateway.access.policies import Policy, allows_all, compile_policy
from gateway.clock import Clock
from gateway.config import AccessKeyConfig, PolicyConfig
from gateway.config.policies import ANONYMOUS_POLICY
from gateway.errors import KeyIdUnknown
from gateway.model import Bucket
from gateway.s3.proof import Proof

SWEEPING_MAX = 4096
"""Answers of `Access.allows_all` remembered; they never change, as the keys and policies do not."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One usable key. `expires_s` is unix time, None for a key that lasts."""

    id: str
    secret: str
    user: str
    policies: tuple[Policy, ...]
    expires_s: float | None

    def __repr__(self) -> str:
        return f"AccessKey(id={self.id!r}, user={self.user!r})"


class Access:
    """Answers who a key belongs to and what its user may do. Nothing but time changes what it answers."""

    def __init__(self, keys: Iterable[AccessKeyConfig], policies: Mapping[str, PolicyConfig], clock: Clock) -> None:
        compiled = {name: compile_policy(policy.statement) for name, policy in policies.items()}
        self._clock = clock
        self._keys = {key.id: _access_key(key, compiled) for key in keys}
        self._sweeping: dict[tuple[str, str, Bucket, str], bool] = {}
        anonymous = compiled.get(ANONYMOUS_POLICY)
        self._anonymous = (anonymous,) if anonymous else ()

    def secret_of(self, key_id: str) -> str | None:
        """The secret of a key that is known and not expired."""
        key = self._usable(key_id)
        return key.secret if key else None

    def caller(self, proof: Proof, *, address: str, secure: bool) -> Caller:
        """Who made this proof. Raises KeyIdUnknown if the key ended since."""
        facts = {SOURCE_IP: address, SECURE_TRANSPORT: "true" if secure else "false"}
        if proof.key_id is None:
            return Caller(policies=self._anonymous, facts=facts)
        key = self._usable(proof.key_id)
        if key is None:
            raise KeyIdUnknown(AWSAccessKeyId=proof.key_id)
        return Caller(key.user, key.id, key.policies, facts | {USER_NAME: key.user})

    def allows_all(self, key_id: str, action: str, bucket: Bucket, owner: str) -> bool:
        """Whether a key may do this to all objects of a bucket of `owner`, whatever the facts; False: it depends."""
        asked = (key_id, action, bucket, owner)
        answer = self._sweeping.get(asked)
        if answer is None:
            key = self._keys.get(key_id)
            answer = key is not None and allows_all(key.policies, action, bucket, owned=key.user == owner)
            if len(self._sweeping) >= SWEEPING_MAX:
                self._sweeping.clear()
            self._sweeping[asked] = answer
        return answer

    def is_public(self, bucket: Bucket) -> bool:
        """Whether the anonymous policy allows anything at all in this bucket."""
        return any(
            statement.allows and statement.resources.may_cover_within(bucket)
            for policy in self._anonymous
            for statement in policy.statements
        )

    def _usable(self, key_id: str) -> AccessKey | None:
        key = self._keys.get(key_id)
        if key is None or (key.expires_s is not None and key.expires_s <= self._clock.now_s()):
            return None
        return key


def _access_key(key: AccessKeyConfig, policies: Mapping[str, Policy]) -> AccessKey:
    return AccessKey(
        id=key.id,
        secret=key.secret.reveal(),
        user=key.owner,
        policies=tuple(policies[name] for name in key.policy),
        expires_s=key.expires.timestamp() if key.expires else None,
    )
