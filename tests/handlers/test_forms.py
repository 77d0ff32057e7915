"""PostObject: forms as boto3 signs them, by hand where a browser could differ."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence

import boto3
import pytest
from botocore.config import Config

from gateway.handlers import forms
from gateway.model import MIB
from tests.handlers.node import Body, Node, Reply, md5_of

BOUNDARY = "----boundary"
TYPE = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def signed_fields(
    version: str,
    key: str = "k",
    fields: Mapping[str, str] | None = None,
    conditions: Sequence[object] = (),
) -> dict[str, str]:
    client = boto3.client(
        "s3",
        endpoint_url="http://s3.test",
        region_name="us-east-1",
        aws_access_key_id="root",
        aws_secret_access_key="root-secret",
        config=Config(signature_version=version),
    )
    extra = dict(fields or {})
    allowed = [*({name: value} for name, value in extra.items()), *conditions]
    signed = client.generate_presigned_post("demo", key, Fields=extra, Conditions=allowed)["fields"]
    assert isinstance(signed, dict)
    return signed


def encoded(fields: Mapping[str, str], file: bytes | None, after: str = "") -> bytes:
    lines = [
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    body = "".join(lines).encode()
    if file is not None:
        body += f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="a/cat.png"\r\n\r\n'.encode()
        body += file + b"\r\n"
    return body + after.encode() + f"--{BOUNDARY}--\r\n".encode()


def post(node: Node, fields: Mapping[str, str], file: bytes | None = b"a cat", cut: int = 100_000) -> Reply:
    body = encoded(fields, file)
    pieces = Body([body[at : at + cut] for at in range(0, len(body), cut)])
    return node.request("POST", "/demo", pieces, {**TYPE, "content-length": str(len(body))}, user=None)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_a_signed_form_stores_its_file(node: Node, version: str, cut: int) -> None:
    fields = signed_fields(version, "dir/${filename}", {"content-type": "image/png", "x-amz-meta-a": "1"})
    reply = post(node, fields, b"a cat", cut)
    assert (reply.status, reply.fields["location"]) == (204, "http://s3.test/demo/dir/cat.png")
    read = node.request("GET", "/demo/dir/cat.png")
    assert read.body == b"a cat"
    assert reply.fields["etag"] == read.fields["etag"]
    assert (read.fields["content-type"], read.fields["x-amz-meta-a"]) == ("image/png", "1")


@pytest.mark.parametrize("size", [0, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, 17 * MIB])
def test_a_file_of_any_size_is_stored_in_bounded_memory(node: Node, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert post(node, signed_fields("s3v4"), data).status == 204
    assert node.request("GET", "/demo/k").body == data
    assert node.request("GET", "/demo?uploads").texts("UploadId") == []


class Silent(Body):
    """A body of which nothing more comes."""

    async def chunk(self) -> bytes | None:
        await asyncio.Event().wait()
        return None


def test_a_form_whose_fields_do_not_come_is_given_up(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "FIELDS_TIME_MAX_S", 0.01)
    reply = node.request("POST", "/demo", Silent([]), {**TYPE, "content-length": "1000"}, user=None)
    assert reply.code == "RequestTimeout"


def test_a_form_chooses_its_answer(node: Node) -> None:
    assert post(node, signed_fields("s3v4", fields={"success_action_status": "200"})).status == 200
    created = post(node, signed_fields("s3v4", fields={"success_action_status": "201"}))
    assert (created.status, created.text("Key"), created.text("Bucket")) == (201, "k", "demo")
    wanted = {"success_action_redirect": "https://app.test/done?a=1"}
    redirect = post(node, signed_fields("s3v4", fields=wanted))
    etag = redirect.fields["etag"].strip('"')
    assert redirect.status == 303
    assert redirect.fields["location"] == f"https://app.test/done?a=1&bucket=demo&key=k&etag=%22{etag}%22"


@pytest.mark.parametrize("wanted", ["javascript:alert(1)", "https://a.test/\r\nx: y", "//a.test", "https://[", "é"])
def test_a_redirect_that_is_no_plain_url_is_not_followed(node: Node, wanted: str) -> None:
    reply = post(node, signed_fields("s3v4", fields={"success_action_redirect": wanted}))
    assert reply.status == 204
    assert "\r" not in reply.fields["location"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"x-amz-signature": "0" * 64}, "SignatureDoesNotMatch"),
        (
            {"x-amz-credential": "nobody/20230101/us-east-1/s3/aws4_request", "x-amz-date": "20230101T000000Z"},
            "InvalidAccessKeyId",
        ),
        ({"key": "other"}, "AccessDenied"),
        ({"unsigned-field": "x"}, "AccessDenied"),
        ({"x-amz-server-side-encryption": "AES256"}, "NotImplemented"),
        ({"tagging": "<Tagging/>"}, "NotImplemented"),
    ],
)
def test_a_form_that_was_changed_stores_nothing(node: Node, change: dict[str, str], code: str) -> None:
    assert post(node, {**signed_fields("s3v4"), **change}).code == code
    assert node.request("GET", "/demo").texts("Key") == []


@pytest.mark.parametrize(
    ("size_range", "size", "code"),
    [
        ((1, 3), 4, "EntityTooLarge"),
        ((5, 9), 4, "EntityTooSmall"),
        ((0, 9 * MIB), 9 * MIB + 1, "EntityTooLarge"),
        ((10 * MIB, 20 * MIB), 9 * MIB, "EntityTooSmall"),
    ],
)
def test_a_file_of_a_size_outside_the_policy_leaves_nothing(
    node: Node, size_range: tuple[int, int], size: int, code: str
) -> None:
    fields = signed_fields("s3v4", conditions=[["content-length-range", *size_range]])
    assert post(node, fields, b"x" * size).code == code
    assert node.request("GET", "/demo").texts("Key") == []
    assert node.request("GET", "/demo?uploads").texts("UploadId") == []


@pytest.mark.parametrize("kept", [0, 60, -3, -20, 9 * MIB])
def test_a_form_that_breaks_off_leaves_nothing(node: Node, kept: int) -> None:
    body = encoded(signed_fields("s3v4"), b"x" * (10 * MIB))
    pieces = Body([body[:kept]], breaks_off=True)
    reply = node.request("POST", "/demo", pieces, {**TYPE, "content-length": str(len(body))}, user=None)
    assert reply.code == "IncompleteBody"
    assert node.request("GET", "/demo").texts("Key") == []
    assert node.request("GET", "/demo?uploads").texts("UploadId") == []


def test_a_file_that_differs_from_its_digest_is_refused(node: Node) -> None:
    good = signed_fields("s3v4", fields={"content-md5": md5_of(b"a cat")})
    assert post(node, good).status == 204
    bad = signed_fields("s3v4", "other", fields={"content-md5": md5_of(b"a dog")})
    assert post(node, bad).code == "BadDigest"
    assert node.request("GET", "/demo").texts("Key") == ["k"]


def test_a_form_without_a_signature_has_the_rights_of_anybody(node: Node) -> None:
    assert post(node, {"key": "k"}).code == "AccessDenied"
    assert post(node, {}).code == "InvalidArgument"
    assert post(node, {"key": "k"}, file=None).code == "InvalidArgument"
    policy = b64encode(json.dumps({"expiration": "2999-01-01T00:00:00Z", "conditions": []}).encode()).decode()
    assert post(node, {"key": "k", "policy": policy}).code == "InvalidArgument"


def test_a_policy_that_is_over_is_refused(node: Node) -> None:
    fields = signed_fields("s3v4")
    node.clock.advance(100 * 365 * 86400)
    assert post(node, fields).code == "AccessDenied"


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data"])
def test_a_post_to_a_bucket_that_is_no_form_is_refused(node: Node, content_type: str) -> None:
    reply = node.request("POST", "/demo", b"x", {"content-type": content_type}, user=None)
    assert reply.status == 400


def test_a_form_for_a_read_only_or_a_missing_bucket_stores_nothing(node: Node) -> None:
    body = encoded({"key": "k"}, b"x")
    assert node.request("POST", "/fixed", body, TYPE).code == "AccessDenied"
    assert node.request("POST", "/nowhere", body, TYPE).code == "NoSuchBucket"
    assert node.request("POST", "/demo", body, TYPE).status == 204
