"""Who a request comes from, as far as policies care."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.access.facts import Facts
from gateway.access.policies import Policy


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated user, or nobody in particular (`user` and `key_id` None).

    `facts` are those that hold for the whole request: address, transport, user name.
    """

    user: str | None = None
    key_id: str | None = None
    policies: tuple[Policy, ...] = ()
    facts: Facts = field(default_factory=dict)

    def owns(self, owner: str) -> bool:
        return self.user is not None and self.user == owner

    def facts_with(self, more: Mapping[str, str]) -> Facts:
        """The request's facts and those of one action in it."""
        return {**self.facts, **more} if more else self.facts
