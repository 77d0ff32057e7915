"""Which failure answers when several hold, and who may know what."""

from pathlib import Path

import pytest

from tests.handlers.node import ALL, CONFIG, Body, Node, md5_of

CASES = [
    ("GET", "/{bucket}/k"),
    ("HEAD", "/{bucket}/k"),
    ("PUT", "/{bucket}/k"),
    ("DELETE", "/{bucket}/k"),
    ("GET", "/{bucket}/k?acl"),
    ("GET", "/{bucket}/k?tagging"),
    ("GET", "/{bucket}/k?legal-hold"),
    ("POST", "/{bucket}/k?uploads"),
    ("PUT", "/{bucket}/k?partNumber=1&uploadId=u"),
    ("POST", "/{bucket}/k?uploadId=u"),
    ("DELETE", "/{bucket}/k?uploadId=u"),
    ("GET", "/{bucket}/k?uploadId=u"),
    ("HEAD", "/{bucket}"),
    ("DELETE", "/{bucket}"),
    ("GET", "/{bucket}"),
    ("GET", "/{bucket}?list-type=2"),
    ("GET", "/{bucket}?uploads"),
    ("GET", "/{bucket}?location"),
    ("GET", "/{bucket}?policy"),
    ("POST", "/{bucket}?delete"),
]


@pytest.mark.parametrize(("method", "target"), CASES)
def test_access_is_judged_before_the_bucket_is_known_to_exist(node: Node, method: str, target: str) -> None:
    body = Body([b"x"])
    reply = node.request(method, target.format(bucket="nowhere"), body, {"content-length": "1"}, user="alice")
    assert (reply.status, reply.code) == (403, "AccessDenied")
    assert not body.asked


@pytest.mark.parametrize(("method", "target"), CASES)
def test_a_missing_bucket_is_told_to_who_has_the_right(node: Node, method: str, target: str) -> None:
    body = Body([b"x"])
    reply = node.request(method, target.format(bucket="nowhere"), body, {"content-length": "1"})
    assert (reply.status, reply.code) == (404, "NoSuchBucket")
    assert reply.fields["BucketName"] == "nowhere"
    assert not body.asked


@pytest.mark.parametrize(
    ("method", "target", "bucket"),
    [
        *((method, target, "nowhere") for method, target in CASES),
        *((method, target, "demo") for method, target in CASES),
        ("GET", "/", ""),
        ("PUT", "/{bucket}", "new"),
    ],
)
def test_an_unsigned_request_is_refused_without_an_anonymous_policy(
    node: Node, method: str, target: str, bucket: str
) -> None:
    reply = node.request(method, target.format(bucket=bucket), user=None)
    assert (reply.status, reply.code) == (403, "AccessDenied")


def test_a_list_of_keys_is_not_read_from_a_stranger_who_may_delete_none(node: Node) -> None:
    node.request("PUT", "/demo/k", b"1")
    body = Body([b"<Delete><Object><Key>k</Key></Object></Delete>"])
    reply = node.request("POST", "/demo?delete", body, user=None)
    assert (reply.status, reply.code) == (403, "AccessDenied")
    assert not body.asked
    assert node.request("GET", "/demo/k").body == b"1"


def test_strangers_delete_key_by_key_where_they_may_delete_some(tmp_path: Path) -> None:
    allowed = {"effect": "Allow", "action": "s3:Delete*", "resource": "demo/open/*"}
    policies = {"anonymous": {"statement": [allowed]}, "all": {"statement": [ALL]}}
    root = {"id": "root", "secret": "root-secret", "user": "root", "policy": "all"}
    config = {**CONFIG, "policy": policies, "access_key": [root]}
    document = b"<Delete><Object><Key>k</Key></Object><Object><Key>open/k</Key></Object></Delete>"
    with Node(tmp_path, config) as open_node:
        for key in ("k", "open/k"):
            open_node.request("PUT", f"/demo/{key}", b"1")
        reply = open_node.request("POST", "/demo?delete", document, {"content-md5": md5_of(document)}, user=None)
        assert reply.texts("Code") == ["AccessDenied"]
        assert reply.texts("Key") == ["k", "open/k"]
        assert open_node.request("GET", "/demo/k").body == b"1"
        assert open_node.request("GET", "/demo/open/k").code == "NoSuchKey"
        refused = open_node.request("POST", "/other?delete", document, {"content-md5": md5_of(document)}, user=None)
        assert (refused.status, refused.code) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/fixed/k"),
        ("DELETE", "/fixed/k"),
        ("POST", "/fixed/k?uploads"),
        ("PUT", "/fixed/k?partNumber=1&uploadId=u"),
        ("POST", "/fixed/k?uploadId=u"),
        ("DELETE", "/fixed/k?uploadId=u"),
        ("PUT", "/fixed/k?tagging"),
        ("DELETE", "/fixed/k?tagging"),
        ("POST", "/fixed?delete"),
    ],
)
def test_a_read_only_bucket_refuses_every_write_before_its_body(node: Node, method: str, target: str) -> None:
    body = Body([b"x"])
    reply = node.request(method, target, body, {"content-length": "1"})
    assert (reply.status, reply.code) == (403, "AccessDenied")
    assert not body.asked


def test_a_key_that_is_too_long_is_refused_after_access_and_bucket(node: Node) -> None:
    key = "k" * 1025
    reply = node.request("PUT", f"/demo/{key}", b"x")
    assert (reply.status, reply.code) == (400, "KeyTooLongError")
    assert node.request("PUT", f"/nowhere/{key}", b"x").code == "NoSuchBucket"
    assert node.request("PUT", f"/demo/{key}", b"x", user="reader").code == "AccessDenied"
    assert node.request("GET", "/demo?list-type=2").text("KeyCount") == "0"


@pytest.mark.parametrize("target", ["/demo", "/demo/k"])
def test_another_expected_owner_is_refused(node: Node, target: str) -> None:
    node.request("PUT", "/demo/k", b"x")
    owner = node.request("GET", "/demo?acl").text("ID")
    assert node.request("GET", target, headers={"x-amz-expected-bucket-owner": owner}).status == 200
    assert node.request("GET", target, headers={"x-amz-expected-bucket-owner": "1" * 64}).status == 403
