"""A node as users run it: start, stop, kill, start again."""

import json
import urllib.request
from pathlib import Path

import pytest

from tests.real.node import Node, NodeFailed

pytestmark = pytest.mark.slow


def test_what_was_put_before_a_kill_is_there_after_a_restart(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        s3 = node.boto3()
        s3.create_bucket(Bucket="made-at-run-time")
        s3.put_object(Bucket="made-at-run-time", Key="a//b", Body=b"kept")
        node.kill()
        node.restart()
        assert s3.get_object(Bucket="made-at-run-time", Key="a//b")["Body"].read() == b"kept"


def test_a_node_that_is_asked_to_stop_ends_with_success(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        assert node.stop() == 0


def test_a_node_serves_both_ports_over_tls(tls_node: Node) -> None:
    assert tls_node.endpoint.startswith("https://")
    # The node is shared by many tests, some of which make buckets.
    assert "demo" in {bucket["Name"] for bucket in tls_node.boto3().list_buckets()["Buckets"]}


def test_a_node_says_in_json_lines_what_it_does(tmp_path: Path) -> None:
    with Node(tmp_path) as node:
        node.stop()
    lines = [json.loads(line) for line in node.log_text().splitlines()]
    assert all({"time", "level", "message"} <= line.keys() for line in lines)


def test_no_secret_appears_in_a_log_at_debug(tmp_path: Path) -> None:
    with Node(tmp_path, sets=("log.level=debug",)) as node:
        node.boto3().list_buckets()
        node.stop()
    assert "ListBuckets" in node.log_text()
    assert node.secret_key not in node.log_text()


def test_a_node_is_alive_ready_and_measured_on_its_admin_port(node: Node) -> None:
    for path, word in (("/healthz", ""), ("/readyz", ""), ("/metrics", "forebay_build_info")):
        with urllib.request.urlopen(f"{node.admin}{path}", timeout=5) as answer:
            assert word in answer.read().decode()


def test_a_node_with_a_wrong_configuration_does_not_start_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(NodeFailed, match="nonsense"), Node(tmp_path, extra="[nonsense]\n"):
        pass
