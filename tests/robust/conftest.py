"""The node that these tests treat badly."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.node import Node
from tests.real.wire import Wire


@pytest.fixture(scope="module")
def sufferer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of this module's own."""
    with Node(tmp_path_factory.mktemp("sufferer")) as node:
        yield node


@pytest.fixture
def wire(sufferer: Node) -> Wire:
    """An independent way to that node."""
    return Wire(sufferer)


@pytest.fixture
def demo(sufferer: Node) -> Path:
    """The directory behind its bucket `demo`."""
    return sufferer.directory / "demo"
