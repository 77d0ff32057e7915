"""One node for each module, with buckets in directories and in memory."""

import itertools
from collections.abc import Iterator

import pytest

from tests.real.node import Node
from tests.real.wire import Signer, Wire
from tests.wire.place import Place

DOMAIN = "s3.test"
SECRET = "another-secret-of-forty-characters-00000"

EXTRA = f"""
[[mount]]
bucket = "memory"
backend = "memory"

[[mount]]
bucket = "read-only"
backend = "local"
uri = "read-only"
writes = "deny"

[[access_key]]
id = "GUEST"
secret = "{SECRET}"
user = "guest"
policy = "own-buckets"

[policy.own-buckets]
statement = [{{ effect = "Allow", action = ["s3:CreateBucket", "s3:ListAllMyBuckets"], resource = ["*"] }}]
"""
"""The key GUEST may make buckets, and has no rights in those of others."""

_numbers = itertools.count()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of the module's own."""
    with Node(tmp_path_factory.mktemp("node"), domain=DOMAIN, extra=EXTRA) as running:
        yield running


@pytest.fixture(scope="module")
def wire(node: Node) -> Wire:
    """The way to the node with all rights."""
    return Wire(node)


@pytest.fixture(scope="module")
def guest_signer() -> Signer:
    """The key of somebody without rights in the buckets of others."""
    return Signer("GUEST", SECRET)


@pytest.fixture(scope="module")
def guest(node: Node, guest_signer: Signer) -> Wire:
    """The way to the node of somebody without rights in the buckets of others."""
    return Wire(node, guest_signer)


@pytest.fixture
def local(node: Node, wire: Wire) -> Place:
    """A new bucket in a directory."""
    return new_place(node, wire)


@pytest.fixture(params=["local", "memory"])
def place(request: pytest.FixtureRequest, node: Node, wire: Wire) -> Iterator[Place]:
    """An empty bucket: in a directory, then in memory."""
    if request.param == "local":
        yield new_place(node, wire)
        return
    memory = Place(wire, "memory")
    yield memory
    memory.clear()


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of the module's own that speaks TLS."""
    with Node(tmp_path_factory.mktemp("tls-node"), tls=True, domain=DOMAIN, extra=EXTRA) as running:
        yield running


@pytest.fixture(params=["http", "tls"])
def either(request: pytest.FixtureRequest) -> Place:
    """A new bucket in a directory, reached over http, then one reached over TLS."""
    node = request.getfixturevalue("node" if request.param == "http" else "secure")
    assert isinstance(node, Node)
    return new_place(node, Wire(node))


def new_place(node: Node, wire: Wire) -> Place:
    """Makes a bucket of a name that no other test uses."""
    bucket = f"bucket-{next(_numbers)}"
    answer = wire.request("PUT", f"/{bucket}")
    assert answer.status == 200, answer
    return Place(wire, bucket, node.directory / "buckets" / bucket)
