"""Buckets in the host name, direct and through a proxy's absolute-form request lines."""

import socket
from collections.abc import Iterator

import boto3
import pytest
from botocore.client import BaseClient
from botocore.config import Config

from tests.clients.conftest import new_bucket
from tests.clients.contents import MIB, content
from tests.real.node import Node
from tests.real.wire import Wire, fetch

pytestmark = pytest.mark.slow

DOMAIN = "s3.localhost"


@pytest.fixture(scope="module", params=[False, True], ids=["http", "https"])
def named_node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with a domain."""
    with Node(tmp_path_factory.mktemp("named"), tls=request.param, domain=DOMAIN) as node:
        yield node


@pytest.fixture(autouse=True)
def _localhost_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolves `*.localhost` to loopback as RFC 6761 (section 6.3) asks of resolvers; not every machine's does."""
    system = socket.getaddrinfo

    def resolve(host: object, *rest: object, **named: object) -> object:
        name = host.decode() if isinstance(host, bytes) else str(host)
        return system("127.0.0.1" if name.endswith(".localhost") else name, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def client_for(node: Node, **options: object) -> BaseClient:
    """boto3 that puts the bucket into the host name."""
    return boto3.client(
        "s3",
        endpoint_url=f"{'https' if node.ca_file else 'http'}://{DOMAIN}:{node.s3_port}",
        aws_access_key_id=node.access_key,
        aws_secret_access_key=node.secret_key,
        region_name="us-east-1",
        verify=str(node.ca_file) if node.ca_file else None,
        config=Config(s3={"addressing_style": "virtual"}, **options),
    )


def exercise(client: BaseClient, wire: Wire, bucket: str) -> None:
    """Writes, reads and lists with the bucket in the host name, and checks it in path style."""
    for key in ("plain", "folder/two  blanks", "odd//+%2F", "/leading"):
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert wire.get(bucket, key) == key.encode()
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    listed = [row["Key"] for row in client.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == wire.keys(bucket)
    assert len(listed) == 4


def test_the_bucket_may_stand_in_the_host_name(named_node: Node) -> None:
    wire = Wire(named_node)
    bucket = new_bucket(wire)
    client = client_for(named_node)
    exercise(client, wire, bucket)
    client.put_object(Bucket=bucket, Key="large", Body=content(6 * MIB))
    assert wire.get(bucket, "large") == content(6 * MIB)


def test_buckets_are_made_and_removed_by_host_name(named_node: Node) -> None:
    client = client_for(named_node)
    client.create_bucket(Bucket="by-host-name")
    assert "by-host-name" in [row["Name"] for row in client.list_buckets()["Buckets"]]
    client.delete_bucket(Bucket="by-host-name")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_name_the_bucket_in_the_host(named_node: Node, version: str) -> None:
    bucket = new_bucket(Wire(named_node))
    client = client_for(named_node, signature_version=version)
    ca_file = str(named_node.ca_file) if named_node.ca_file else None
    url = client.generate_presigned_url("put_object", {"Bucket": bucket, "Key": "a b//c"})
    assert f"{bucket}.{DOMAIN}" in url
    assert fetch(url, method="PUT", body=b"by url", ca_file=ca_file).status == 200
    url = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b//c"})
    assert fetch(url, ca_file=ca_file).body == b"by url"


def test_absolute_form_request_lines_as_through_a_proxy(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Node(tmp_path_factory.mktemp("proxied"), domain=DOMAIN) as node:
        wire = Wire(node)
        bucket = new_bucket(wire)
        exercise(client_for(node, proxies={"http": node.endpoint}), wire, bucket)
