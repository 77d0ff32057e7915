"""CopyObject within a bucket and between buckets."""

import asyncio
import zlib
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.backends.base import WriteSpec
from gateway.backends.memory import MemoryBackend
from gateway.errors import StorageFull
from gateway.model import Info, Key, Version
from tests.handlers.node import Node, Reply

DATA = b"to be copied" * 1000
STORED = {"content-type": "text/plain", "x-amz-meta-a": "1", "x-amz-tagging": "t=1"}


def copy(node: Node, target: str, source: str, headers: dict[str, str] | None = None, user: str = "root") -> Reply:
    return node.request("PUT", target, headers={"x-amz-copy-source": source, **(headers or {})}, user=user)


@pytest.fixture
def etag(node: Node) -> str:
    return node.request("PUT", "/demo/source", DATA, STORED).fields["etag"]


@pytest.mark.parametrize("target", ["/demo/copy", "/other/copy"])
@pytest.mark.parametrize("source", ["demo/source", "/demo/source", "/demo/sour%63e"])
def test_a_copy_has_the_bytes_and_all_that_was_stored_with_them(
    node: Node, etag: str, target: str, source: str
) -> None:
    reply = copy(node, target, source)
    assert reply.text("ETag") == etag
    read = node.request("GET", target)
    assert read.body == DATA
    assert (read.fields["content-type"], read.fields["x-amz-meta-a"]) == ("text/plain", "1")
    assert node.request("GET", f"{target}?tagging").texts("Value") == ["1"]


@pytest.mark.parametrize("target", ["/demo/copy", "/other/copy", "/demo/source"])
def test_replaced_metadata_is_what_the_copy_has(node: Node, etag: str, target: str) -> None:
    headers = {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-b": "2"}
    assert copy(node, target, "demo/source", headers).status == 200
    read = node.request("GET", target)
    assert read.body == DATA
    assert read.fields["content-type"] == "binary/octet-stream"
    assert read.fields["x-amz-meta-b"] == "2"
    assert "x-amz-meta-a" not in read.fields


def test_replaced_tags_are_what_the_copy_has(node: Node, etag: str) -> None:
    headers = {"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "u=2"}
    copy(node, "/demo/copy", "demo/source", headers)
    assert node.request("GET", "/demo/copy?tagging").texts("Key") == ["u"]


@pytest.mark.parametrize("target", ["/demo/copy", "/other/copy"])
def test_a_checksum_that_is_asked_for_is_computed(node: Node, etag: str, target: str) -> None:
    reply = copy(node, target, "demo/source", {"x-amz-checksum-algorithm": "CRC32"})
    assert reply.text("ChecksumCRC32") == b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
    head = node.request("HEAD", target, headers={"x-amz-checksum-mode": "enabled"})
    assert head.fields["x-amz-checksum-crc32"] == reply.text("ChecksumCRC32")


@pytest.mark.parametrize("target", ["/demo/copy", "/other/copy"])
def test_an_empty_object_is_copied(node: Node, target: str) -> None:
    node.request("PUT", "/demo/empty", b"")
    assert copy(node, target, "demo/empty").status == 200
    assert node.request("GET", target).body == b""


@pytest.mark.parametrize(
    ("source", "headers", "code"),
    [
        ("demo/none", {}, "NoSuchKey"),
        ("nowhere/x", {}, "NoSuchBucket"),
        ("demo/source?versionId=v1", {}, "NoSuchVersion"),
        ("demo/source", {"x-amz-copy-source-if-match": '"other"'}, "PreconditionFailed"),
        ("demo/source", {"x-amz-copy-source-if-none-match": "ETAG"}, "PreconditionFailed"),
        ("demo/source", {"if-none-match": "*"}, "PreconditionFailed"),
        ("demo/source", {"if-match": '"other"'}, "PreconditionFailed"),
        ("demo/source", {"x-amz-metadata-directive": "MERGE"}, "InvalidArgument"),
        ("demo/source", {"x-amz-source-expected-bucket-owner": "1" * 64}, "AccessDenied"),
        ("demo", {}, "InvalidArgument"),
        ("arn:aws:s3:::demo/source", {}, "NotImplemented"),
    ],
)
@pytest.mark.parametrize("bucket", ["demo", "other"])
def test_a_refused_copy_leaves_what_is_there(
    node: Node, etag: str, bucket: str, source: str, headers: dict[str, str], code: str
) -> None:
    node.request("PUT", f"/{bucket}/there", b"old")
    sent = {name: value.replace("ETAG", etag) for name, value in headers.items()}
    assert copy(node, f"/{bucket}/there", source, sent).code == code
    assert node.request("GET", f"/{bucket}/there").body == b"old"


def test_a_copy_onto_itself_must_change_something(node: Node, etag: str) -> None:
    reply = copy(node, "/demo/source", "demo/source")
    assert (reply.status, reply.code) == (400, "InvalidRequest")


def test_both_sides_of_a_copy_are_judged(node: Node, etag: str) -> None:
    assert node.request("PUT", "/alices", user="alice").status == 200
    assert copy(node, "/alices/k", "demo/source", user="alice").code == "AccessDenied"
    assert copy(node, "/demo/k", "demo/source", user="reader").code == "AccessDenied"
    node.request("PUT", "/alices/source", DATA, user="alice")
    assert copy(node, "/alices/k", "alices/source", user="alice").status == 200


class ChangingStore(MemoryBackend):
    """Runs `before` each time a copy is about to begin."""

    def __init__(self, before: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._before = before

    async def copy(self, source: Key, pin: Version, key: Key, spec: WriteSpec) -> Info:
        await self._before()
        return await super().copy(source, pin, key, spec)


def test_a_copy_starts_again_when_its_source_changes(tmp_path: Path) -> None:
    versions = iter([b"second", b"third"])

    async def change() -> None:
        data = next(versions, None)
        if data is not None:
            await node.answered("PUT", "/demo/source", data)

    with Node(tmp_path, store=lambda: ChangingStore(change)) as node:
        node.request("PUT", "/demo/source", b"first")
        assert copy(node, "/demo/copy", "demo/source").status == 200
        assert node.request("GET", "/demo/copy").body == b"third"


@contextmanager
def slow_node(data_dir: Path, before: Callable[[], Awaitable[object]]) -> Iterator[Node]:
    """A node whose copies wait for `before`, and which soon answers that they take long."""
    with Node(data_dir, store=lambda: ChangingStore(before)) as node:
        node.change_service(slow_answer_s=0.001)
        node.request("PUT", "/demo/source", DATA)
        yield node


def test_a_copy_that_takes_long_answers_200_first_and_the_result_in_the_end(tmp_path: Path) -> None:
    proceed = asyncio.Event()

    async def scenario() -> Reply:
        answer = await node.begun("PUT", "/demo/copy", {"x-amz-copy-source": "demo/source"})
        assert (answer.status, answer.size) == (200, None)
        assert answer.stream is not None
        assert await anext(answer.stream) == b'<?xml version="1.0" encoding="UTF-8"?>\n'
        assert await anext(answer.stream) == b" "
        proceed.set()
        return await node.finished(answer)

    with slow_node(tmp_path, proceed.wait) as node:
        reply = node.run(scenario())
        assert b"<CopyObjectResult" in reply.body
        assert b"<?xml" not in reply.body
        assert node.request("GET", "/demo/copy").body == DATA


def test_a_late_failure_is_an_error_document(tmp_path: Path) -> None:
    proceed = asyncio.Event()

    async def fail() -> None:
        await proceed.wait()
        raise StorageFull

    async def scenario() -> Reply:
        answer = await node.begun("PUT", "/demo/copy", {"x-amz-copy-source": "demo/source"})
        proceed.set()
        return await node.finished(answer)

    with slow_node(tmp_path, fail) as node:
        reply = node.run(scenario())
        assert reply.status == 200
        assert reply.text("Code") == "ServiceUnavailable"
        assert reply.text("RequestId") == "REQ1"


def test_a_client_that_leaves_ends_the_copy(tmp_path: Path) -> None:
    async def scenario() -> None:
        before = asyncio.all_tasks()
        answer = await node.begun("PUT", "/demo/copy", {"x-amz-copy-source": "demo/source"})
        assert answer.held is not None
        await answer.held.aclose()
        assert asyncio.all_tasks() == before

    with slow_node(tmp_path, asyncio.Event().wait) as node:
        node.run(scenario())
        assert node.request("GET", "/demo/copy").code == "NoSuchKey"
