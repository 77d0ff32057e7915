"""What configuration lets conditions ask, access can answer."""

import pytest

from gateway.access import facts
from gateway.access.facts import compile_check
from gateway.config.policies import CONDITION_KEYS, OPERATORS

FACTS = {
    facts.PREFIX,
    facts.DELIMITER,
    facts.KEYS_MAX,
    facts.ACL,
    facts.SOURCE_IP,
    facts.SECURE_TRANSPORT,
    facts.USER_NAME,
}
VALUES = {"NumericLessThanEquals": "7", "Bool": "true", "IpAddress": "10.0.0.0/8", "NotIpAddress": "10.0.0.0/8"}
HOLDING = {"NumericLessThanEquals": "7", "Bool": "true", "IpAddress": "10.1.2.3", "NotIpAddress": "11.0.0.1"}


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("suffix", ["", facts.IF_EXISTS])
def test_every_operator_that_configuration_takes_is_understood(operator: str, suffix: str) -> None:
    check = compile_check(operator + suffix, facts.PREFIX, [VALUES.get(operator, "a")])
    negated = "Not" in operator
    assert check.holds({facts.PREFIX: HOLDING.get(operator, "b" if negated else "a")})
    assert check.holds({}) == (negated or bool(suffix))


def test_every_key_that_configuration_takes_is_a_fact_of_requests() -> None:
    assert {key.lower() for key in CONDITION_KEYS} == FACTS
