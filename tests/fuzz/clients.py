"""Requests as boto3 and minio-py build and sign them, caught before they are sent."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Protocol

import boto3
import urllib3
from botocore import xform_name
from botocore.auth import HmacV1Auth, HmacV1QueryAuth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from minio import Minio
from minio.commonconfig import REPLACE, CopySource, Tags
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from gateway.s3.head import Head
from tests.s3.auth.requests import head_of, head_of_botocore
from tests.s3.auth.signer import ACCESS_KEY, NOW_S, SECRET
from tests.s3.wire import sdk

DOMAIN = "s3.example.com"
KEY = "a/b c+d%2F\u00e9"
REFUSAL = b"<Error><Code>AccessDenied</Code></Error>"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request that a client would have sent."""

    head: Head
    body: bytes


class _Readable(Protocol):
    def read(self) -> bytes: ...


@cache
def recorded() -> tuple[Recorded, ...]:
    """What the clients send: every operation of boto3 in its shortest form, and fuller ones."""
    return (*_of_boto3("path"), *_of_boto3("virtual"), *_of_minio(), *_of_v2())


@cache
def forms() -> tuple[Mapping[str, str], ...]:
    """The fields of upload forms that boto3 and minio-py sign."""
    conditions = [["content-length-range", 0, 100], ["starts-with", "$x-amz-meta-a", ""], {"acl": "private"}]
    said = {"acl": "private", "x-amz-meta-a": "b"}
    of_boto3 = (
        _boto3("path", version).generate_presigned_post("bucket", "a/${filename}", Fields=said, Conditions=conditions)
        for version in ("s3", "s3v4")
    )
    policy = PostPolicy("bucket", datetime.now(UTC) + timedelta(days=1))
    policy.add_starts_with_condition("key", "a/")
    policy.add_content_length_range_condition(1, 100)
    of_minio = _minio(_Wire()).presigned_post_policy(policy)
    return *(form["fields"] for form in of_boto3), {"key": "a/b", **of_minio}


# boto3.


def _boto3(addressing: str, signature_version: str = "s3v4") -> BaseClient:
    return boto3.client(
        "s3",
        # Over TLS bodies are framed with the checksum as trailer.
        endpoint_url=f"https://{DOMAIN}",
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
        config=Config(
            s3={"addressing_style": addressing},
            signature_version=signature_version,
            retries={"total_max_attempts": 1},
        ),
    )


def _of_boto3(addressing: str) -> Iterator[Recorded]:
    client = _boto3(addressing)
    caught: list[AWSPreparedRequest] = []

    def catch(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        caught.append(request)
        return AWSResponse(request.url, 403, {}, urllib3.HTTPResponse(io.BytesIO(REFUSAL), preload_content=False))

    client.meta.events.register("before-send.s3", catch)
    for name, parameters in _calls():
        with suppress(ClientError):
            getattr(client, xform_name(name))(**parameters)
    for request in caught:
        yield Recorded(head_of_botocore(request), _bytes_of(request.body))
    for method in ("get_object", "put_object"):
        yield Recorded(head_of(method[:3].upper(), client.generate_presigned_url(method, _OBJECT)), b"")


_OBJECT = {"Bucket": "bucket", "Key": KEY}
_PARTS = [{"PartNumber": number, "ETag": f'"{number:032x}"', "ChecksumCRC32": "AAAAAA=="} for number in (1, 2)]


def _calls() -> Iterator[tuple[str, Mapping[str, object]]]:
    yield "PutObject", _OBJECT | {"Body": b"hello " * 50, "Metadata": {"a": "b"}, "Tagging": "a=b&c=d%20e"}
    yield "PutObject", _OBJECT | {"Body": b"x", "ContentType": "text/plain", "IfNoneMatch": "*", "ACL": "private"}
    yield "GetObject", _OBJECT | {"Range": "bytes=0-99", "IfMatch": '"a"', "IfModifiedSince": 1_700_000_000}
    yield "GetObject", _OBJECT | {"ResponseContentType": "text/plain", "VersionId": "null", "PartNumber": 1}
    yield "CopyObject", _OBJECT | {"CopySource": _OBJECT, "MetadataDirective": "REPLACE", "CopySourceIfMatch": "e"}
    yield "ListObjectsV2", {"Bucket": "bucket", "Prefix": "a/", "Delimiter": "/", "MaxKeys": 5, "StartAfter": "b"}
    yield "ListObjects", {"Bucket": "bucket", "Marker": KEY, "EncodingType": "url"}
    yield "CreateMultipartUpload", _OBJECT | {"ChecksumAlgorithm": "CRC32C", "ChecksumType": "COMPOSITE"}
    yield "UploadPart", _OBJECT | {"UploadId": "u/+=", "PartNumber": 3, "Body": b"part", "ChecksumAlgorithm": "SHA256"}
    yield "CompleteMultipartUpload", _OBJECT | {"UploadId": "u", "MultipartUpload": {"Parts": _PARTS}}
    yield "DeleteObjects", {"Bucket": "bucket", "Delete": {"Objects": [{"Key": KEY}, {"Key": "<&>"}], "Quiet": True}}
    yield "PutObjectTagging", _OBJECT | {"Tagging": {"TagSet": [{"Key": "k", "Value": "v"}]}}
    yield "CreateBucket", {"Bucket": "bucket", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}
    for name in sdk.operation_names():
        yield name, sdk.minimal(name)


def _bytes_of(body: bytes | _Readable | None) -> bytes:
    if body is None or isinstance(body, bytes | bytearray):
        return bytes(body or b"")
    return body.read()


# Signatures of version 2, on the signer's day.


class _V2Header(HmacV1Auth):  # type: ignore[misc]  # botocore has no types
    def _get_date(self) -> str:
        return datetime.fromtimestamp(NOW_S, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


class _V2Query(HmacV1QueryAuth):  # type: ignore[misc]  # botocore has no types
    def _get_date(self) -> str:
        return str(int(NOW_S) + 600)


def _of_v2() -> Iterator[Recorded]:
    bucket = f"http://{DOMAIN}/bucket"
    for url in (f"{bucket}/a%20b", f"{bucket}?uploads", f"{bucket}/k?uploadId=u&partNumber=1", f"{bucket}/k?tagging"):
        for method, headers in (("GET", {}), ("PUT", {"Content-Type": "a/b", "x-amz-meta-a": "b"})):
            signed = AWSRequest(method, url, headers=headers)
            _V2Header(Credentials(ACCESS_KEY, SECRET)).add_auth(signed)
            yield Recorded(head_of_botocore(signed), b"")
            presigned = AWSRequest(method, url, headers=headers)
            _V2Query(Credentials(ACCESS_KEY, SECRET)).add_auth(presigned)
            yield Recorded(head_of(method, presigned.url), b"")


# minio-py.


class _Wire(urllib3.PoolManager):
    """Keeps what it is given to send, and refuses it."""

    def __init__(self) -> None:
        super().__init__()
        self.caught: list[Recorded] = []

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, body: bytes | _Readable | None = None, **rest: object
    ) -> urllib3.BaseHTTPResponse:
        headers = rest["headers"]
        assert isinstance(headers, Mapping)
        self.caught.append(Recorded(head_of(method, url, dict(headers)), _bytes_of(body)))
        return urllib3.HTTPResponse(REFUSAL, {"content-type": "application/xml"}, 403)


def _minio(wire: _Wire) -> Minio:
    return Minio(DOMAIN, ACCESS_KEY, SECRET, secure=True, region="us-east-1", http_client=wire)


def _of_minio() -> Iterator[Recorded]:
    wire = _Wire()
    client = _minio(wire)
    tags = Tags.new_object_tags()
    tags["k"] = "v"
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.put_object("bucket", KEY, io.BytesIO(b"hello"), 5, metadata={"a": "b"}, tags=tags),
        lambda: client.get_object("bucket", KEY, offset=1, length=3),
        lambda: client.stat_object("bucket", KEY),
        lambda: list(client.list_objects("bucket", prefix="a/", include_user_meta=True)),
        lambda: list(client.remove_objects("bucket", [DeleteObject(KEY), DeleteObject("b", "null")])),
        lambda: client.copy_object("bucket", KEY, CopySource("bucket", "s"), metadata_directive=REPLACE),
        lambda: client.set_object_tags("bucket", KEY, tags),
        lambda: client.make_bucket("other", "us-east-1"),
        lambda: client.remove_object("bucket", KEY),
    )  # fmt: skip
    for call in calls:
        with suppress(S3Error):
            call()
    yield from wire.caught
    yield Recorded(head_of("GET", client.presigned_get_object("bucket", KEY)), b"")
