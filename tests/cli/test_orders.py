"""What people tell a running node about what it keeps, and what explain tells them, as commands."""

import json
from collections.abc import Iterator

import pytest

from tests.cli.run import Outcome, forebay
from tests.real.node import Node
from tests.real.wire import Wire, path

EXTRA = """
[[mount]]
bucket = "kept"
backend = "local"
uri = "kept"
admission = "auto"
freshness = "immutable"
ttl = "1d"
"""
KEY = "a/k"
URI = f"s3://kept/{KEY}"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("orders"), extra=EXTRA) as node:
        yield node


def told(node: Node, *arguments: str) -> Outcome:
    """A command, proven by the key that the node's configuration lets do everything."""
    return forebay(*arguments, "--config", node.directory / "config.toml", cwd=node.directory)


def answered(node: Node, *arguments: str) -> dict[str, object]:
    done = told(node, *arguments, "--json")
    assert (done.code, done.err) == (0, "")
    answer: dict[str, object] = json.loads(done.out)
    return answer


def word(node: Node) -> str:
    return Wire(node).request("GET", path("kept", KEY)).headers["x-cache"]


def write(node: Node, content: bytes) -> None:
    """Behind the node's back."""
    file = node.directory / "kept" / KEY
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)


def test_what_is_evicted_is_read_anew(node: Node) -> None:
    write(node, b"one")
    Wire(node).get("kept", KEY)
    assert word(node) == "hit"
    done = told(node, "evict", "s3://kept/a/")
    assert (done.code, done.out) == (0, "s3://kept/a/ evicted: the next reads take it from the backend\n")
    assert word(node) == "fill"
    assert answered(node, "evict", "s3://kept") == {"uri": "s3://kept", "bucket": "kept", "prefix": ""}
    assert word(node) == "fill"


def test_what_is_invalidated_is_seen_as_it_is_now(node: Node) -> None:
    write(node, b"old")
    told(node, "evict", URI)
    assert Wire(node).get("kept", KEY) == b"old"
    write(node, b"newer")
    assert Wire(node).get("kept", KEY) == b"old", "immutable until told"
    done = told(node, "invalidate", "s3://kept")
    assert (done.code, done.out) == (0, "s3://kept invalidated: the backend is asked before any of it is used again\n")
    assert Wire(node).get("kept", KEY) == b"newer"


def test_what_is_pinned_is_told_and_let_go(node: Node) -> None:
    write(node, b"x" * 1000)
    told(node, "evict", URI)
    Wire(node).get("kept", KEY)
    assert word(node) == "hit"
    done = told(node, "pin", URI, "--for", "7d")
    assert (done.code, done.out) == (0, f"{URI} 1 of 1 blocks pinned for 7 d 0 h\n")
    assert "pinned for 6 d 23 h" in told(node, "explain", URI).out
    assert answered(node, "pin", URI)["until_s"] == 0
    assert "pinned for good" in told(node, "explain", URI).out
    assert answered(node, "unpin", URI) == {"uri": URI, "blocks": 1, "done": 1, "until_s": None}
    assert "pinned" not in told(node, "explain", URI).out


def test_what_is_not_here_cannot_be_pinned(node: Node) -> None:
    done = told(node, "pin", "s3://kept/never-read")
    assert done.code == 1
    assert "read it first" in done.err


def test_explain_tells_log_segment_reads_and_the_gate(node: Node) -> None:
    write(node, b"x" * 1000)
    told(node, "evict", URI)
    Wire(node).get("kept", KEY)
    for _ in range(3):
        assert word(node) == "hit"
    lines = told(node, "explain", URI).out.splitlines()
    [place] = [line for line in lines if "segment" in line]
    assert "block 0: log small, segment " in place
    assert "read 3 times or more" in place
    assert "expires in 23 h" in place
    assert str(node.directory) in place, "the disk"
    assert any(line.startswith("gate") and "there is room" in line and "snapshot" in line for line in lines)
    assert any(line.startswith("last refused") and "none" in line for line in lines)
    assert any(line.startswith("evicted") and line.endswith("ago") for line in lines)
    assert any(line.startswith("policy") and "admission auto" in line and "ttl 1 d 0 h" in line for line in lines)


@pytest.mark.parametrize("order", ["evict", "invalidate", "pin", "unpin"])
def test_an_order_that_is_refused_fails_with_the_reason(node: Node, order: str) -> None:
    done = told(node, order, "s3://nowhere/k")
    assert (done.code, done.out) == (1, "")
    assert "refuses (404)" in done.err
    assert forebay(order, cwd=node.directory).code == 2


def test_a_time_that_is_none_is_wrong_usage(node: Node) -> None:
    for time in ("0s", "soon", "-1s"):
        assert told(node, "pin", URI, "--for", time).code == 2
