"""URLs and forms that clients sign and somebody else uses."""

import base64
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from minio.datatypes import PostPolicy

from tests.clients.contents import ODD_KEYS, content
from tests.clients.tools import AwsCli, Minio, S3cmd
from tests.real.node import Node
from tests.real.wire import Answer, Wire, answer_of, fetch, head_bytes, path

pytestmark = pytest.mark.slow

SIGNATURES = [pytest.param({}, id="default"), pytest.param({"signature_version": "s3v4"}, id="v4")]


@pytest.mark.parametrize("options", SIGNATURES)
def test_boto3_urls_read_and_write_odd_keys(node: Node, wire: Wire, bucket: str, options: dict[str, str]) -> None:
    client = node.boto3(**options)
    for number, key in enumerate(ODD_KEYS):
        names = {"Bucket": bucket, "Key": key}
        body = content(1000, seed=number)
        assert fetch(client.generate_presigned_url("put_object", names), method="PUT", body=body).status == 200, key
        assert wire.get(bucket, key) == body
        assert fetch(client.generate_presigned_url("get_object", names)).body == body


def test_boto3_makes_version_2_urls_by_default(node: Node) -> None:
    url = node.boto3().generate_presigned_url("get_object", {"Bucket": "demo", "Key": "k"})
    assert "AWSAccessKeyId=" in url


@pytest.mark.parametrize("options", SIGNATURES)
def test_a_url_serves_what_it_was_signed_for_and_nothing_else(
    node: Node, wire: Wire, bucket: str, options: dict[str, str]
) -> None:
    wire.put(bucket, "one", b"first")
    wire.put(bucket, "two", b"second")
    url = node.boto3(**options).generate_presigned_url("get_object", {"Bucket": bucket, "Key": "one"})
    assert fetch(url).body == b"first"
    assert fetch(url.replace("/one?", "/two?")).code == "SignatureDoesNotMatch"
    assert fetch(url, method="DELETE").code == "SignatureDoesNotMatch"
    assert fetch(url, method="PUT", body=b"x").code == "SignatureDoesNotMatch"
    assert wire.get(bucket, "one") == b"first"


def test_a_url_ends_when_it_says(node: Node, bucket: str) -> None:
    names = {"Bucket": bucket, "Key": "k"}
    over = fetch(node.boto3().generate_presigned_url("get_object", names, ExpiresIn=-1))
    assert (over.status, over.code) == (403, "AccessDenied")


@pytest.mark.parametrize("options", SIGNATURES)
def test_what_a_url_signs_is_kept(node: Node, wire: Wire, bucket: str, options: dict[str, str]) -> None:
    client = node.boto3(**options)
    asked = {"Bucket": bucket, "Key": "k", "ContentType": "text/x-mine", "Metadata": {"colour": "blue"}}
    url = client.generate_presigned_url("put_object", asked)
    headers = {"content-type": "text/x-mine", "x-amz-meta-colour": "blue"}
    assert fetch(url, method="PUT", body=b"typed", headers=headers).status == 200
    head = wire.request("HEAD", path(bucket, "k")).headers
    assert (head["content-type"], head["x-amz-meta-colour"]) == ("text/x-mine", "blue")


@pytest.mark.parametrize("options", SIGNATURES)
def test_overrides_change_the_answer_and_not_the_object(
    node: Node, wire: Wire, bucket: str, options: dict[str, str]
) -> None:
    wire.put(bucket, "k", b"body")
    asked = {"Bucket": bucket, "Key": "k", "ResponseContentType": "text/html", "ResponseContentDisposition": "inline"}
    answer = fetch(node.boto3(**options).generate_presigned_url("get_object", asked))
    assert (answer.headers["content-type"], answer.headers["content-disposition"]) == ("text/html", "inline")
    assert wire.request("HEAD", path(bucket, "k")).headers["content-type"] == "binary/octet-stream"


def test_minio_urls_read_and_write(node: Node, wire: Wire, bucket: str) -> None:
    minio = Minio(node)
    for key in (key for key in ODD_KEYS if minio.can_name(key)):
        url = minio.client.presigned_put_object(bucket, key, expires=timedelta(minutes=1))
        assert fetch(url, method="PUT", body=key.encode()).status == 200, key
        assert wire.get(bucket, key) == key.encode()
        assert fetch(minio.client.presigned_get_object(bucket, key)).body == key.encode()


def test_aws_s3_presign_makes_a_url_that_reads(node: Node, wire: Wire, bucket: str) -> None:
    wire.put(bucket, "a b+c", b"body")
    url = AwsCli(node).run("s3", "presign", f"s3://{bucket}/a b+c").strip()
    assert fetch(url).body == b"body"


def test_s3cmd_signurl_makes_a_url_that_reads(node: Node, wire: Wire, bucket: str) -> None:
    wire.put(bucket, "a b+c", b"body")
    url = S3cmd(node).run("signurl", f"s3://{bucket}/a b+c", "+60").strip()
    assert fetch(url).body == b"body"


def test_a_url_over_https_works_as_over_http(tls_node: Node) -> None:
    wire = Wire(tls_node)
    wire.request("PUT", path("secure-urls"))
    for options in ({}, {"signature_version": "s3v4"}):
        client = tls_node.boto3(**options)
        names = {"Bucket": "secure-urls", "Key": "a b"}
        url = client.generate_presigned_url("put_object", names)
        assert fetch(url, method="PUT", body=b"body", ca_file=str(tls_node.ca_file)).status == 200
        url = client.generate_presigned_url("get_object", names)
        assert fetch(url, ca_file=str(tls_node.ca_file)).body == b"body"


@pytest.mark.parametrize("options", SIGNATURES)
def test_a_form_uploads_a_file(node: Node, wire: Wire, bucket: str, options: dict[str, str]) -> None:
    conditions = [["content-length-range", 1, 2000], {"Content-Type": "text/x-form"}]
    form = node.boto3(**options).generate_presigned_post(
        bucket, "forms/${filename}", Fields={"Content-Type": "text/x-form"}, Conditions=conditions
    )
    answer = post(wire, form["url"], form["fields"], content(2000))
    assert answer.status == 204, answer
    assert wire.get(bucket, "forms/my file.txt") == content(2000)
    assert wire.request("HEAD", path(bucket, "forms/my file.txt")).headers["content-type"] == "text/x-form"


@pytest.mark.parametrize("options", SIGNATURES)
def test_a_form_takes_no_more_than_its_policy_allows(
    node: Node, wire: Wire, bucket: str, options: dict[str, str]
) -> None:
    form = node.boto3(**options).generate_presigned_post(bucket, "k", Conditions=[["content-length-range", 1, 2000]])
    assert post(wire, form["url"], form["fields"], content(2001)).code == "EntityTooLarge"
    assert post(wire, form["url"], form["fields"], b"").code == "EntityTooSmall"
    assert post(wire, form["url"], {**form["fields"], "key": "other"}, b"x").code == "AccessDenied"
    assert post(wire, form["url"], {**form["fields"], "policy": altered(form["fields"]["policy"])}, b"x").status == 403
    assert wire.keys(bucket) == []


def test_a_form_signed_by_minio_uploads_a_file(node: Node, wire: Wire, bucket: str) -> None:
    policy = PostPolicy(bucket, datetime.now(UTC) + timedelta(minutes=5))
    policy.add_equals_condition("key", "by-minio")
    policy.add_content_length_range_condition(1, 1000)
    fields = Minio(node).client.presigned_post_policy(policy)
    assert post(wire, f"{node.endpoint}/{bucket}", {**fields, "key": "by-minio"}, b"body").status == 204
    assert wire.get(bucket, "by-minio") == b"body"


def altered(policy: str) -> str:
    """The policy with one condition more, which the signature does not cover."""
    document = json.loads(base64.b64decode(policy))
    document["conditions"].append(["starts-with", "$x-amz-meta-mine", ""])
    return base64.b64encode(json.dumps(document).encode()).decode()


def post(wire: Wire, url: str, fields: Mapping[str, str], body: bytes) -> Answer:
    """Posts a form as a browser does."""
    boundary = secrets.token_hex(8)
    pieces = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    pieces.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="my file.txt"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
    )
    form = b"".join([*pieces, body, f"\r\n--{boundary}--\r\n".encode()])
    headers = {
        "host": wire.host,
        "content-type": f"multipart/form-data; boundary={boundary}",
        "content-length": str(len(form)),
    }
    target = "/" + url.partition("://")[2].partition("/")[2]
    with wire.connect() as sock:
        sock.sendall(head_bytes("POST", target, headers) + form)
        return answer_of(sock, "POST")
