"""What every test may lean on: hypothesis without deadlines, real nodes and real servers."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.real.node import Node
from tests.real.servers import Server, server_for_tests

# A deadline per example measures the machine, which may be shared, and not the code. CI repeats itself: an
# example that is new and fails should meet whoever looks for it, not somebody's unrelated change.
settings.register_profile("forebay", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
settings.load_profile("forebay")


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A running node that many tests share: leave its buckets as you found them, or use your own."""
    with Node(tmp_path_factory.mktemp("node")) as running:
        yield running


@pytest.fixture(scope="session")
def tls_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """The same with TLS on both ports."""
    with Node(tmp_path_factory.mktemp("tls-node"), tls=True) as running:
        yield running


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The moto server: S3 semantics close to AWS, without signatures."""
    with server_for_tests("moto", tmp_path_factory.mktemp("moto") / "run") as server:
        yield server
