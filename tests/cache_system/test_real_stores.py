"""The cache in front of real S3 servers, as a user meets it: copy twice, overwrite behind its back, explain."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient

from tests.clients.contents import MIB, content
from tests.clients.tools import AwsCli
from tests.real.node import Node
from tests.real.servers import Server, server_for_tests
from tests.real.wire import Wire, path
from tests.robust.watching import until

pytestmark = pytest.mark.slow

LAKE = "lake"
KEY = "set/a b+c.bin"
EXPLAIN_MAX_S = 20

MOUNTS = """
[store]
paths = ["store"]
capacity = "1GiB"
[[mount]]
bucket = "cached"
backend = "s3"
uri = "s3://{lake}/deep/"
freshness = "1s"
[mount.options]
endpoint_url = "{endpoint}"
region = "{region}"
access_key_id = "{access_key}"
secret_access_key = "{secret_key}"
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A node, and a client of the store behind it."""

    node: Node
    behind: BaseClient

    def overwrite(self, body: bytes) -> None:
        """Writes the object at the store, past the node."""
        self.behind.upload_fileobj(io.BytesIO(body), LAKE, f"deep/{KEY}")

    def words(self) -> str:
        """Where a GET comes from."""
        return Wire(self.node).request("GET", path("cached", KEY)).headers["x-cache"]


@pytest.fixture(params=["moto", "seaweedfs"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """A node before each of the stores."""
    with server_for_tests(request.param, tmp_path / "run") as server:
        behind = client_of(server)
        behind.create_bucket(Bucket=LAKE)
        directory = tmp_path / "node"
        directory.mkdir()
        with Node(directory, extra=configuration(server)) as node:
            yield Pair(node, behind)


def client_of(server: Server) -> BaseClient:
    """A client of the store itself."""
    values = server.values
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=values["ACCESS_KEY"],
        aws_secret_access_key=values["SECRET_KEY"],
        region_name=values["REGION"],
    )


def configuration(server: Server) -> str:
    """A mount on the store."""
    values: Mapping[str, str] = server.values
    return MOUNTS.format(
        lake=LAKE,
        endpoint=server.endpoint,
        region=values["REGION"],
        access_key=values["ACCESS_KEY"],
        secret_key=values["SECRET_KEY"],
    )


def test_a_copy_fills_the_next_hits_and_an_overwrite_behind_its_back_is_seen(pair: Pair, tmp_path: Path) -> None:
    old, new = content(20 * MIB, 1), content(18 * MIB, 2)
    aws, target = AwsCli(pair.node), tmp_path / "copied"
    pair.overwrite(old)
    for _ in range(2):
        aws.get("cached", KEY, target)
        assert target.read_bytes() == old
    assert pair.words() in ("hit", "revalidated")
    told = explained(pair.node, f"s3://cached/{KEY}")
    assert (told["size"], told["blocks"], told["blocks_present"]) == (len(old), 20, [[0, 19]])
    pair.overwrite(new)
    etag = pair.behind.head_object(Bucket=LAKE, Key=f"deep/{KEY}")["ETag"]
    until(lambda: Wire(pair.node).request("HEAD", path("cached", KEY)).headers["etag"] == etag)
    aws.get("cached", KEY, target)
    assert target.read_bytes() == new
    assert explained(pair.node, f"s3://cached/{KEY}")["blocks_present"] == [[0, 17]]


def test_what_is_written_through_the_node_lies_at_the_store_and_hits(pair: Pair, tmp_path: Path) -> None:
    source, body = tmp_path / "source", content(20 * MIB)
    source.write_bytes(body)
    AwsCli(pair.node).put("cached", KEY, source)
    assert pair.behind.get_object(Bucket=LAKE, Key=f"deep/{KEY}")["Body"].read() == body
    assert pair.words() in ("hit", "revalidated")
    assert Wire(pair.node).get("cached", KEY) == body
    assert Wire(pair.node).keys("cached") == [KEY]


def explained(node: Node, uri: str) -> Mapping[str, object]:
    """What `forebay explain --json` tells."""
    environment = {
        **os.environ,
        "FOREBAY_ENDPOINT": node.admin,
        "FOREBAY_ACCESS_KEY_ID": node.access_key,
        "FOREBAY_SECRET_ACCESS_KEY": node.secret_key,
    }
    command = [sys.executable, "-m", "gateway", "explain", uri, "--json"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, timeout=EXPLAIN_MAX_S)
    told: Mapping[str, object] = json.loads(done.stdout)
    return told
