"""The node that handlers are tested on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handlers.node import Node


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with Node(tmp_path) as node:
        yield node
        assert node.service.budget.used_bytes == 0, "memory was not given back"
