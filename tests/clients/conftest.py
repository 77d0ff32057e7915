"""Buckets and tools for the clients' tests."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.contents import crowd
from tests.clients.tools import AwsCli, Boto3, Minio, Rclone, S3cmd, Tool
from tests.real.node import Node
from tests.real.wire import Wire, path

TOOLS: dict[str, tuple[Callable[[Node], Tool], str]] = {
    "boto3": (Boto3, "node"),
    "boto3-tls": (Boto3, "tls_node"),
    "aws": (AwsCli, "node"),
    "aws-tls": (AwsCli, "tls_node"),
    "s3cmd": (S3cmd, "node"),
    "rclone": (Rclone, "node"),
    "minio": (Minio, "node"),
    "minio-tls": (Minio, "tls_node"),
}

_numbers = itertools.count()


@pytest.fixture(scope="session")
def crowded_buckets() -> dict[Node, str]:
    """The bucket of `crowd()` on each node, made when the first test wants it."""
    return {}


@pytest.fixture(params=list(TOOLS))
def tool_name(request: pytest.FixtureRequest) -> str:
    """The name of the client under test."""
    return str(request.param)


@pytest.fixture
def its_node(tool_name: str, request: pytest.FixtureRequest) -> Node:
    """The node that the client under test talks to."""
    node = request.getfixturevalue(TOOLS[tool_name][1])
    assert isinstance(node, Node)
    return node


@pytest.fixture
def tool(tool_name: str, its_node: Node) -> Tool:
    """The client under test."""
    return TOOLS[tool_name][0](its_node)


@pytest.fixture
def its_wire(its_node: Node) -> Wire:
    """An independent way to the same node."""
    return Wire(its_node)


@pytest.fixture
def its_bucket(its_wire: Wire) -> str:
    """A new bucket on that node."""
    return new_bucket(its_wire)


@pytest.fixture
def crowded(its_node: Node, its_wire: Wire, crowded_buckets: dict[Node, str]) -> str:
    """A bucket on that node that holds what `crowd()` says. Leave it as it is."""
    if its_node not in crowded_buckets:
        crowded_buckets[its_node] = new_bucket(its_wire)
        its_wire.put_many(crowded_buckets[its_node], crowd())
    return crowded_buckets[its_node]


@pytest.fixture
def wire(node: Node) -> Wire:
    """An independent way to the node that speaks plain http."""
    return Wire(node)


@pytest.fixture
def bucket(wire: Wire) -> str:
    """A new bucket on the node that speaks plain http."""
    return new_bucket(wire)


def new_bucket(wire: Wire) -> str:
    """Makes a bucket of a name that no other test uses."""
    name = f"bucket-{next(_numbers)}"
    answer = wire.request("PUT", path(name))
    assert answer.status == 200, answer
    return name


@pytest.fixture
def a_file(tmp_path: Path) -> Callable[[bytes], Path]:
    """Makes files with the given bytes."""
    numbers = itertools.count()

    def made(body: bytes) -> Path:
        file = tmp_path / f"source-{next(numbers)}"
        file.write_bytes(body)
        return file

    return made
