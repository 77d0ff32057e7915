"""Runs every contract test on every store."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.skips import CHANCES, SKIPS
from tests.contract.stores import SERVED, STORES, Store
from tests.real.servers import Server, server_for_tests

Servers = Callable[[str], Server]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """The real servers by their names, each started when the first test asks for it."""
    running: dict[str, Server] = {}
    with ExitStack() as stack:

        def server(name: str) -> Server:
            if name not in running:
                directory = tmp_path_factory.mktemp(name) / "run"
                running[name] = stack.enter_context(server_for_tests(name, directory))
            return running[name]

        yield server


@pytest.fixture(params=[*sorted(STORES), *(pytest.param(name, marks=pytest.mark.slow) for name in sorted(SERVED))])
def store(request: pytest.FixtureRequest, tmp_path: Path, servers: Servers) -> Store:
    name = request.param
    return SERVED[name](servers(name)) if name in SERVED else STORES[name](tmp_path / "root")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
            continue
        store = str(item.callspec.params.get("store"))
        chance = CHANCES.get((item.originalname, store))
        if chance is not None:
            item.add_marker(pytest.mark.skip(reason=chance))
            continue
        reason = SKIPS.get((item.originalname, store)) or SKIPS.get((item.name, store))
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))
