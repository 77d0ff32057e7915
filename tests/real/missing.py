"""What happens when something a test needs is not on this machine."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Ends the test: skipped with the reason, or failed where FOREBAY_TEST_REQUIRE=all (as in CI)."""
    if os.environ.get("FOREBAY_TEST_REQUIRE") == "all":
        pytest.fail(f"required on this machine, and missing: {what}", pytrace=False)
    pytest.skip(what)
