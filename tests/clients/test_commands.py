"""What the command line clients do beyond the others: trees, pipes, and curl by hand."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.clients.contents import KIB, MIB, content
from tests.clients.tools import AwsCli, Rclone, S3cmd
from tests.real.missing import missing
from tests.real.node import Node
from tests.real.wire import Wire, path

pytestmark = pytest.mark.slow

TREE = {"one.txt": 10, "deep/two words.bin": 3 * KIB, "deep/er/caf\u00e9.bin": 200 * KIB, "deep/er/empty": 0}

AN_HOUR_AGO = time.time() - 3600


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with the files of `TREE`, old enough for objects made now to be newer in whole seconds."""
    root = tmp_path / "tree"
    for name, size in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content(size))
        os.utime(root / name, (AN_HOUR_AGO, AN_HOUR_AGO))
    return root


def files_of(root: Path) -> dict[str, bytes]:
    """Every file under `root` by its relative name."""
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def objects_of(wire: Wire, bucket: str) -> dict[str, bytes]:
    """Every object of a bucket."""
    return {key: wire.get(bucket, key) for key in wire.keys(bucket)}


def test_aws_sync_carries_a_tree_both_ways_and_only_what_changed(
    node: Node, wire: Wire, bucket: str, tree: Path, tmp_path: Path
) -> None:
    aws = AwsCli(node)
    assert aws.run("s3", "sync", str(tree), f"s3://{bucket}").count("upload:") == len(TREE)
    assert objects_of(wire, bucket) == files_of(tree)
    for name in TREE:
        os.utime(tree / name)
    assert aws.run("s3", "sync", str(tree), f"s3://{bucket}").count("upload:") == len(TREE), "newer files go up again"
    for name in TREE:
        os.utime(tree / name, (AN_HOUR_AGO, AN_HOUR_AGO))
    assert "upload:" not in aws.run("s3", "sync", str(tree), f"s3://{bucket}")
    (tree / "one.txt").unlink()
    (tree / "deep/two words.bin").write_bytes(b"changed")
    said = aws.run("s3", "sync", "--delete", str(tree), f"s3://{bucket}")
    assert (said.count("upload:"), said.count("delete:")) == (1, 1)
    aws.run("s3", "sync", f"s3://{bucket}", str(tmp_path / "back"))
    assert files_of(tmp_path / "back") == files_of(tree)


def test_aws_moves_and_lists_recursively(node: Node, wire: Wire, bucket: str) -> None:
    aws = AwsCli(node)
    wire.put(bucket, "old/name", b"body")
    aws.run("s3", "mv", f"s3://{bucket}/old/name", f"s3://{bucket}/new/name")
    listed = aws.run("s3", "ls", "--recursive", "--summarize", f"s3://{bucket}")
    assert "new/name" in listed
    assert "Total Objects: 1" in listed
    assert wire.keys(bucket) == ["new/name"]


def test_aws_reads_and_writes_pipes(node: Node, wire: Wire, bucket: str) -> None:
    aws = AwsCli(node)
    aws.run.output("s3", "cp", "-", f"s3://{bucket}/piped", stdin=content(9 * MIB))
    assert wire.get(bucket, "piped") == content(9 * MIB)
    assert aws.run.output("s3", "cp", f"s3://{bucket}/piped", "-") == content(9 * MIB)


def test_s3cmd_sync_carries_a_tree_both_ways(node: Node, wire: Wire, bucket: str, tree: Path, tmp_path: Path) -> None:
    s3cmd = S3cmd(node)
    s3cmd.run("sync", f"{tree}/", f"s3://{bucket}/")
    assert objects_of(wire, bucket) == files_of(tree)
    (tmp_path / "back").mkdir()
    s3cmd.run("sync", f"s3://{bucket}/", f"{tmp_path}/back/")
    assert files_of(tmp_path / "back") == files_of(tree)


def test_s3cmd_tells_and_sets_what_a_private_bucket_allows(node: Node, wire: Wire, bucket: str) -> None:
    s3cmd = S3cmd(node)
    wire.put(bucket, "k", b"body")
    assert "tester: FULL_CONTROL" in s3cmd.run("info", f"s3://{bucket}/k")
    assert "us-east-1" in s3cmd.run("info", f"s3://{bucket}")
    s3cmd.run("setacl", "--acl-private", f"s3://{bucket}/k")
    s3cmd.run("mv", f"s3://{bucket}/k", f"s3://{bucket}/moved")
    assert wire.keys(bucket) == ["moved"]


def test_rclone_sync_check_and_pipe(node: Node, wire: Wire, bucket: str, tree: Path) -> None:
    rclone = Rclone(node)
    rclone.run("sync", str(tree), f"node:{bucket}")
    assert objects_of(wire, bucket) == files_of(tree)
    rclone.run("check", "--download", str(tree), f"node:{bucket}")
    rclone.run.output("rcat", f"node:{bucket}/piped", stdin=content(20 * MIB))
    assert wire.get(bucket, "piped") == content(20 * MIB)
    rclone.run("moveto", f"node:{bucket}/piped", f"node:{bucket}/moved")
    assert wire.get(bucket, "moved") == content(20 * MIB)
    assert "piped" not in wire.keys(bucket)
    rclone.run("purge", f"node:{bucket}")
    assert wire.request("HEAD", path(bucket)).status == 404


@pytest.mark.parametrize("which", ["node", "tls_node"])
def test_curl_signs_by_hand(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    node = request.getfixturevalue(which)
    wire = Wire(node)
    url = f"{node.endpoint}/by-curl/folder/a%20b.bin"
    assert wire.request("PUT", path("by-curl")).status == 200
    source = tmp_path / "source"
    source.write_bytes(content(MIB))
    curl(node, "-T", str(source), "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", url)
    assert wire.get("by-curl", "folder/a b.bin") == content(MIB)
    assert curl(node, url) == content(MIB)
    # curl 7.88 signs unsorted queries as they are: parameters must stand in order, as its manual says.
    listing = curl(node, f"{node.endpoint}/by-curl?list-type=2&prefix=folder%2F")
    assert b"<Key>folder/a b.bin</Key>" in listing
    curl(node, "-X", "DELETE", url)
    assert wire.keys("by-curl") == []


def curl(node: Node, *words: str) -> bytes:
    """Runs curl with the node's key; a status above 399 fails the test."""
    program = shutil.which("curl")
    if program is None:
        missing("curl is not installed (Debian: apt install curl)")
    command = [program, "-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3"]
    command += ["--user", f"{node.access_key}:{node.secret_key}"]
    if node.ca_file:
        command += ["--cacert", str(node.ca_file)]
    done = subprocess.run([*command, *words], check=False, capture_output=True, timeout=60)
    assert done.returncode == 0, done
    return done.stdout
