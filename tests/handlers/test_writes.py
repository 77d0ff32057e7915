"""PutObject, DeleteObject and DeleteObjects: all or nothing."""

from base64 import b64encode
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import MIB
from tests.handlers.node import Body, Node, md5_of

OLD = b"old content"


def deletion(*keys: str, quiet: bool = False) -> bytes:
    entries = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return f"<Delete>{'<Quiet>true</Quiet>' if quiet else ''}{entries}</Delete>".encode()


def listed(node: Node, bucket: str = "demo") -> list[str]:
    return node.request("GET", f"/{bucket}?list-type=2").texts("Key")


@pytest.mark.parametrize(
    ("headers", "payload", "body", "code"),
    [
        ({"content-md5": md5_of(b"other")}, "UNSIGNED-PAYLOAD", Body([b"data"]), "BadDigest"),
        ({"content-md5": "bm8="}, "UNSIGNED-PAYLOAD", Body([b"data"]), "InvalidDigest"),
        ({"x-amz-checksum-crc32": "AAAAAA=="}, "UNSIGNED-PAYLOAD", Body([b"data"]), "BadDigest"),
        ({}, sha256(b"other").hexdigest(), Body([b"data"]), "XAmzContentSHA256Mismatch"),
        ({}, "UNSIGNED-PAYLOAD", Body([b"da"]), "IncompleteBody"),
        ({}, "UNSIGNED-PAYLOAD", Body([b"da"], breaks_off=True), "IncompleteBody"),
        ({}, "UNSIGNED-PAYLOAD", Body([b"data", b"more"]), "IncompleteBody"),
        ({"content-length": str(5 * 1024**3 + 1)}, "UNSIGNED-PAYLOAD", Body([b"data"]), "EntityTooLarge"),
        ({"x-amz-meta-a": "x" * 2048}, "UNSIGNED-PAYLOAD", Body([b"data"]), "MetadataTooLarge"),
        ({"if-match": '"other"'}, "UNSIGNED-PAYLOAD", Body([b"data"]), "PreconditionFailed"),
        ({"if-none-match": "*"}, "UNSIGNED-PAYLOAD", Body([b"data"]), "PreconditionFailed"),
        ({"if-modified-since": "x"}, "UNSIGNED-PAYLOAD", Body([b"data"]), "NotImplemented"),
        ({"x-amz-server-side-encryption": "AES256"}, "UNSIGNED-PAYLOAD", Body([b"data"]), "NotImplemented"),
    ],
)
def test_a_refused_write_leaves_the_old_object(
    node: Node, headers: dict[str, str], payload: str, body: Body, code: str
) -> None:
    node.request("PUT", "/demo/k", OLD)
    reply = node.request("PUT", "/demo/k", body, {"content-length": "4", **headers}, payload=payload)
    assert reply.code == code
    assert node.request("GET", "/demo/k").body == OLD
    assert listed(node) == ["k"]


@pytest.mark.parametrize(
    "headers",
    [{"if-match": '"other"'}, {"if-none-match": "*"}, {"content-length": str(6 * 1024**3)}],
)
def test_what_is_known_to_fail_is_refused_before_the_body_is_asked_for(node: Node, headers: dict[str, str]) -> None:
    node.request("PUT", "/demo/k", OLD)
    body = Body([b"data"])
    assert node.request("PUT", "/demo/k", body, {"content-length": "4", **headers}).code
    assert not body.asked


def test_a_body_is_stored_as_it_came_whatever_its_pieces(node: Node) -> None:
    data = bytes(range(251)) * 20_000
    for cut in (1_000_003, MIB, 70_000):
        pieces = [data[at : at + cut] for at in range(0, len(data), cut)]
        headers = {"content-length": str(len(data)), "content-md5": md5_of(data)}
        assert node.request("PUT", "/demo/k", Body(pieces), headers, payload=sha256(data).hexdigest()).status == 200
        assert node.request("GET", "/demo/k").body == data


def test_a_body_of_unknown_size_is_taken_up_to_a_limit(node: Node) -> None:
    chunked = {"transfer-encoding": "chunked"}
    assert node.request("PUT", "/demo/k", Body([OLD, OLD]), chunked).status == 200
    assert node.request("GET", "/demo/k").body == OLD * 2
    reply = node.request("PUT", "/demo/k", Body([b"x" * MIB] * 9), chunked)
    assert (reply.status, reply.code) == (411, "MissingContentLength")
    assert node.request("GET", "/demo/k").body == OLD * 2


def test_a_write_without_any_length_is_refused(node: Node) -> None:
    assert node.request("PUT", "/demo/k").code == "MissingContentLength"
    assert listed(node) == []


def test_a_verified_checksum_is_answered_and_kept(node: Node) -> None:
    value = b64encode(sha256(OLD).digest()).decode()
    reply = node.request("PUT", "/demo/k", OLD, {"x-amz-checksum-sha256": value})
    assert reply.fields["x-amz-checksum-sha256"] == value
    head = node.request("HEAD", "/demo/k", headers={"x-amz-checksum-mode": "ENABLED"})
    assert head.fields["x-amz-checksum-sha256"] == value


def test_conditions_on_a_missing_object(node: Node) -> None:
    assert node.request("PUT", "/demo/k", OLD, {"if-match": "*"}).code == "NoSuchKey"
    assert node.request("PUT", "/demo/k", OLD, {"if-none-match": "*"}).status == 200


def test_of_racing_creators_exactly_one_wins(node: Node) -> None:
    async def race() -> list[int]:
        import asyncio

        async with asyncio.TaskGroup() as tasks:
            racers = [
                tasks.create_task(node.answered("PUT", "/demo/k", b"%d" % at, {"if-none-match": "*"}))
                for at in range(5)
            ]
        return sorted(racer.result().status for racer in racers)

    assert node.run(race()) == [200, 412, 412, 412, 412]


def test_tags_come_with_the_object(node: Node) -> None:
    assert node.request("PUT", "/demo/k", OLD, {"x-amz-tagging": "a=1&b=2"}).status == 200
    assert node.request("GET", "/demo/k?tagging").texts("Key") == ["a", "b"]
    document = b"<Tagging><TagSet><Tag><Key>c</Key><Value>3</Value></Tag></TagSet></Tagging>"
    assert node.request("PUT", "/demo/k?tagging", document).status == 200
    assert node.request("GET", "/demo/k?tagging").texts("Value") == ["3"]
    assert node.request("DELETE", "/demo/k?tagging").status == 204
    assert node.request("GET", "/demo/k?tagging").texts("Key") == []
    assert node.request("GET", "/demo/k").body == OLD


def test_a_deleted_key_is_gone_and_may_be_deleted_again(node: Node) -> None:
    node.request("PUT", "/demo/k", OLD)
    for _ in range(2):
        assert node.request("DELETE", "/demo/k").status == 204
    assert listed(node) == []


@pytest.mark.parametrize(
    ("target", "headers", "code"),
    [
        ("/demo/k", {"if-match": '"other"'}, "PreconditionFailed"),
        ("/demo/none", {"if-match": "*"}, "NoSuchKey"),
        ("/demo/k", {"x-amz-if-match-size": "1"}, "PreconditionFailed"),
        ("/demo/none", {"x-amz-if-match-size": "1"}, ""),
        ("/demo/k", {"if-none-match": "*"}, "NotImplemented"),
        ("/demo/k?versionId=v1", {}, ""),
        ("/demo/k?tagging=x&unknown=1", {}, "NotImplemented"),
    ],
)
def test_a_delete_that_does_not_apply_deletes_nothing(
    node: Node, target: str, headers: dict[str, str], code: str
) -> None:
    node.request("PUT", "/demo/k", OLD)
    reply = node.request("DELETE", target, headers=headers)
    assert reply.code == code
    assert code or reply.status == 204
    assert node.request("GET", "/demo/k").body == OLD


def test_a_delete_whose_conditions_hold_deletes(node: Node) -> None:
    etag = node.request("PUT", "/demo/k", OLD).fields["etag"]
    reply = node.request("DELETE", "/demo/k", headers={"if-match": etag, "x-amz-if-match-size": str(len(OLD))})
    assert reply.status == 204
    assert listed(node) == []


def test_many_keys_are_deleted_each_on_its_own(node: Node) -> None:
    for key in ("a", "b", "c"):
        node.request("PUT", f"/demo/{key}", OLD)
    document = (
        b"<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object>"
        b"<Object><Key>b</Key><ETag>&quot;other&quot;</ETag></Object>"
        b"<Object><Key>c</Key><VersionId>v7</VersionId></Object>"
        b"<Object><Key>" + b"k" * 1025 + b"</Key></Object></Delete>"
    )
    reply = node.request("POST", "/demo?delete", document, {"content-md5": md5_of(document)})
    assert reply.status == 200
    assert [entry.tag.rpartition("}")[2] for entry in reply.xml] == ["Deleted", "Deleted", "Error", "Deleted", "Error"]
    assert reply.texts("Code") == ["PreconditionFailed", "KeyTooLongError"]
    assert listed(node) == ["b", "c"]


def test_quiet_deletes_tell_only_errors(node: Node) -> None:
    document = deletion("a", "b", quiet=True)
    reply = node.request("POST", "/demo?delete", document, {"content-md5": md5_of(document)})
    assert list(reply.xml) == []


def test_deletes_of_many_keys_want_a_proof_of_their_body(node: Node) -> None:
    node.request("PUT", "/demo/a", OLD)
    document = deletion("a")
    assert node.request("POST", "/demo?delete", document).code == "InvalidRequest"
    wrong = {"content-md5": md5_of(b"other")}
    assert node.request("POST", "/demo?delete", document, wrong).code == "BadDigest"
    assert listed(node) == ["a"]
    assert node.request("POST", "/demo?delete", document, payload=sha256(document).hexdigest()).status == 200
    assert listed(node) == []


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "MalformedXML"),
        (b"<Delete>", "MalformedXML"),
        (b"<Delete></Delete>", "MalformedXML"),
        (deletion(*["k"] * 1001), "MalformedXML"),
        (b"<Delete>" + b" " * (8 * MIB) + b"</Delete>", "MaxMessageLengthExceeded"),
    ],
)
def test_a_bad_list_of_keys_deletes_nothing(node: Node, document: bytes, code: str) -> None:
    node.request("PUT", "/demo/k", OLD)
    assert node.request("POST", "/demo?delete", document, {"content-md5": md5_of(document)}).code == code
    assert listed(node) == ["k"]


def test_a_thousand_keys_are_deleted_at_once(node: Node) -> None:
    keys = [f"k{at:04}" for at in range(1000)]
    for key in keys:
        node.request("PUT", f"/demo/{key}", b"")
    document = deletion(*keys)
    reply = node.request("POST", "/demo?delete", document, {"content-md5": md5_of(document)})
    assert reply.texts("Key") == keys
    assert listed(node) == []


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(1, 400), max_size=20))
def test_a_document_means_the_same_however_its_body_is_cut(node: Node, places: set[int]) -> None:
    document = deletion("k\u00e9y", "a&amp;b", "none\U0001f600")
    keys = ["k%C3%A9y", "a%26b"]
    for key in keys:
        node.request("PUT", f"/demo/{key}", OLD)
    edges = [0, *sorted(place for place in places if place < len(document)), len(document)]
    pieces = [document[start:stop] for start, stop in pairwise(edges)]
    sent = {"content-md5": md5_of(document), "content-length": str(len(document))}
    reply = node.request("POST", "/demo?delete", Body(pieces), sent)
    assert reply.texts("Key") == ["k\u00e9y", "a&b", "none\U0001f600"]
    assert listed(node) == []
