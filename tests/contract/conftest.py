"""Runs every contract test on every store."""

from pathlib import Path

import pytest

from tests.contract.skips import SKIPS
from tests.contract.stores import STORES, Store


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path / "root")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            continue
        reason = SKIPS.get((item.originalname, str(item.callspec.params.get("store"))))
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
