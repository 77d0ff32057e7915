"""GetObject and HeadObject through the dispatcher."""

import zlib
from base64 import b64encode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import MIB
from tests.handlers.node import Node

DATA = bytes(range(256)) * 4
CRC = b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()


@pytest.fixture
def etag(node: Node) -> str:
    return node.request(
        "PUT", "/demo/k", DATA, {"content-type": "text/plain", "x-amz-meta-colour": "blue", "x-amz-checksum-crc32": CRC}
    ).fields["etag"]


def test_an_object_is_read_back_with_all_that_was_stored(node: Node, etag: str) -> None:
    reply = node.request("GET", "/demo/k")
    assert (reply.status, reply.body) == (200, DATA)
    assert reply.fields["etag"] == etag
    assert reply.fields["content-type"] == "text/plain"
    assert reply.fields["x-amz-meta-colour"] == "blue"
    assert (reply.fields["x-cache"], reply.fields["age"]) == ("bypass", "0")


@pytest.mark.parametrize("query", ["", "?partNumber=1"])
@pytest.mark.parametrize("range_", [None, "bytes=0-0", "bytes=5-", "bytes=-7", "bytes=1000-5000"])
def test_head_says_what_get_would_say(node: Node, etag: str, query: str, range_: str | None) -> None:
    headers = {} if range_ is None else {"range": range_}
    get = node.request("GET", f"/demo/k{query}", headers=headers)
    head = node.request("HEAD", f"/demo/k{query}", headers=headers)
    assert (head.status, head.fields, head.code) == (get.status, get.fields, get.code)
    assert head.body == b"" or head.code
    if not get.code:
        assert head.size == len(get.body)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1100), st.integers(0, 1100))
def test_a_range_is_that_slice_of_the_object(node: Node, first: int, last: int) -> None:
    node.request("PUT", "/demo/k", DATA)
    reply = node.request("GET", "/demo/k", headers={"range": f"bytes={first}-{last}"})
    if last < first:
        assert (reply.status, reply.body) == (200, DATA)
    elif first >= len(DATA):
        assert (reply.status, reply.code) == (416, "InvalidRange")
        assert reply.fields["content-range"] == f"bytes */{len(DATA)}"
    else:
        assert (reply.status, reply.body) == (206, DATA[first : last + 1])
        stop = min(last, len(DATA) - 1)
        assert reply.fields["content-range"] == f"bytes {first}-{stop}/{len(DATA)}"


def test_an_object_larger_than_a_piece_is_streamed(node: Node) -> None:
    data = DATA * 3000
    assert len(data) > MIB
    node.request("PUT", "/demo/big", data)
    assert node.request("GET", "/demo/big").body == data
    assert node.request("GET", "/demo/big", headers={"range": "bytes=100-2500000"}).body == data[100:2500001]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-match": "ETAG"}, 200),
        ({"if-match": '"other"'}, 412),
        ({"if-none-match": "ETAG"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-modified-since": "MODIFIED"}, 304),
        ({"if-unmodified-since": "Tue, 14 Nov 2023 22:13:19 GMT"}, 412),
        # Conditions come before the range.
        ({"if-match": '"other"', "range": "bytes=9999-"}, 412),
        ({"if-none-match": "ETAG", "range": "bytes=9999-"}, 304),
        ({"if-match": "ETAG", "range": "bytes=9999-"}, 416),
        ({"if-range": "ETAG", "range": "bytes=0-1"}, 206),
        ({"if-range": '"other"', "range": "bytes=0-1"}, 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions_decide_before_the_body(
    node: Node, etag: str, method: str, headers: dict[str, str], status: int
) -> None:
    modified = node.request("HEAD", "/demo/k").fields["last-modified"]
    sent = {name: value.replace("ETAG", etag).replace("MODIFIED", modified) for name, value in headers.items()}
    reply = node.request(method, "/demo/k", headers=sent)
    assert reply.status == status
    if status == 304:
        assert reply.fields["etag"] == etag
        assert reply.body == b""


def test_a_checksum_is_told_only_of_the_whole_object_and_only_if_asked(node: Node, etag: str) -> None:
    asked = {"x-amz-checksum-mode": "enabled"}
    whole = node.request("GET", "/demo/k", headers=asked).fields
    assert whole["x-amz-checksum-crc32"] == CRC
    assert whole["x-amz-checksum-type"] == "FULL_OBJECT"
    assert "x-amz-checksum-crc32" not in node.request("GET", "/demo/k").fields
    assert "x-amz-checksum-crc32" not in node.request("GET", "/demo/k", headers={**asked, "range": "bytes=0-9"}).fields


def test_overrides_replace_stored_headers(node: Node, etag: str) -> None:
    reply = node.request("GET", "/demo/k?response-content-type=image%2Fpng&response-cache-control=no-store")
    assert reply.fields["content-type"] == "image/png"
    assert reply.fields["cache-control"] == "no-store"


def test_only_the_version_null_is_there(node: Node, etag: str) -> None:
    assert node.request("GET", "/demo/k?versionId=null").body == DATA
    reply = node.request("GET", "/demo/k?versionId=abc")
    assert (reply.status, reply.code) == (404, "NoSuchVersion")


def test_a_missing_key_is_told_only_to_who_may_list(node: Node) -> None:
    assert node.request("GET", "/demo/none").code == "NoSuchKey"
    assert node.request("GET", "/demo/none", user="reader").code == "AccessDenied"
    assert node.request("HEAD", "/demo/none", user="reader").status == 403


def test_an_empty_object_has_no_range(node: Node) -> None:
    node.request("PUT", "/demo/empty", b"")
    assert node.request("GET", "/demo/empty").body == b""
    assert node.request("GET", "/demo/empty?partNumber=1").status == 200
    assert node.request("GET", "/demo/empty", headers={"range": "bytes=0-"}).status == 416
    assert node.request("GET", "/demo/empty", headers={"range": "bytes=-1"}).status == 416


@pytest.mark.parametrize("range_", ["bytes=0-1,3-4", "lines=0-1", "bytes=x-y", "bytes=5-2"])
def test_a_range_that_cannot_be_read_is_ignored(node: Node, etag: str, range_: str) -> None:
    assert node.request("GET", "/demo/k", headers={"range": range_}).status == 200
