"""The failures the gateway expects and their S3 rows."""

from gateway import errors
from gateway.errors import GatewayError
from gateway.s3.errors import ROWS


def leaves(of: type[GatewayError]) -> set[type[GatewayError]]:
    """The classes of the package below `of` that nothing derives from."""
    below = [child for child in of.__subclasses__() if child.__module__.startswith("gateway.")]
    return {leaf for child in below for leaf in (leaves(child) or {child})}


def test_every_failure_has_one_s3_row_and_every_row_a_failure() -> None:
    assert set(ROWS) == leaves(GatewayError)


def test_failures_are_declared_in_errors_and_nowhere_else() -> None:
    assert {leaf.__module__ for leaf in leaves(GatewayError)} == {errors.__name__}


def test_every_failure_has_a_sentence_for_the_client() -> None:
    assert not [leaf for leaf in leaves(GatewayError) if not leaf.sentence.strip()]
