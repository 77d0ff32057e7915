"""What boto3 does beyond the others: conditions, headers, part copies, deletes by list, virtual hosts."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from tests.clients.conftest import new_bucket
from tests.clients.contents import KIB, MIB, ODD_KEYS, content
from tests.real.node import Node
from tests.real.wire import Wire

pytestmark = pytest.mark.slow


@pytest.fixture(params=["node", "tls_node"])
def secure_or_not(request: pytest.FixtureRequest) -> Node:
    """A node that speaks http, and one that speaks https: boto3 frames bodies differently."""
    node = request.getfixturevalue(request.param)
    assert isinstance(node, Node)
    return node


@pytest.fixture
def client(secure_or_not: Node) -> BaseClient:
    """boto3 as users make it, but that it takes no for an answer: it would repeat what fails with `BadDigest`."""
    return secure_or_not.boto3(retries={"total_max_attempts": 1})


@pytest.fixture
def reader(secure_or_not: Node) -> Wire:
    """An independent way to the same node."""
    return Wire(secure_or_not)


@pytest.fixture
def box(reader: Wire) -> str:
    """A new bucket on that node."""
    return new_bucket(reader)


def refusal(call: Callable[..., object], **arguments: object) -> tuple[int, str]:
    """Status and code of the error that the call must end with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_upload_file_and_download_file_of_50_mib(
    client: BaseClient, reader: Wire, box: str, a_file: Callable[[bytes], Path], tmp_path: Path
) -> None:
    body = content(50 * MIB)
    client.upload_file(str(a_file(body)), box, "fifty")
    assert reader.get(box, "fifty") == body
    client.download_file(box, "fifty", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == body


def test_a_stream_of_unknown_length_goes_up_in_parts(client: BaseClient, reader: Wire, box: str) -> None:
    client.upload_fileobj(io.BytesIO(content(20 * MIB)), box, "stream")
    assert reader.get(box, "stream") == content(20 * MIB)


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_kept_and_told(client: BaseClient, box: str, algorithm: str) -> None:
    field = f"Checksum{algorithm}"
    put = client.put_object(Bucket=box, Key="summed", Body=content(200 * KIB), ChecksumAlgorithm=algorithm)
    got = client.get_object(Bucket=box, Key="summed", ChecksumMode="ENABLED")
    assert got["Body"].read() == content(200 * KIB)
    assert got[field] == put[field]
    wrong = {field: put[field][:-2].swapcase() + put[field][-2:]}
    assert refusal(client.put_object, Bucket=box, Key="summed", Body=content(200 * KIB, seed=1), **wrong) == (
        400,
        "BadDigest",
    )
    assert client.get_object(Bucket=box, Key="summed")["Body"].read() == content(200 * KIB)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        ("bytes=99990-", 99_990, 100_000),
        ("bytes=-7", 99_993, 100_000),
        ("bytes=5-999999", 5, 100_000),
    ],
)
def test_ranges(client: BaseClient, box: str, asked: str, start: int, stop: int) -> None:
    client.put_object(Bucket=box, Key="ranged", Body=content(100_000))
    got = client.get_object(Bucket=box, Key="ranged", Range=asked)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"] == f"bytes {start}-{stop - 1}/100000"
    assert got["Body"].read() == content(100_000)[start:stop]


def test_a_range_past_the_end_is_refused(client: BaseClient, box: str) -> None:
    client.put_object(Bucket=box, Key="ranged", Body=b"short")
    assert refusal(client.get_object, Bucket=box, Key="ranged", Range="bytes=5-") == (416, "InvalidRange")


def test_headers_and_metadata_come_back(client: BaseClient, box: str) -> None:
    kept = {
        "ContentType": "text/plain; charset=utf-8",
        "CacheControl": "max-age=60",
        "ContentDisposition": 'attachment; filename="a b.txt"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "Metadata": {"colour": "blue green", "empty": "", "mixed-case": "Value"},
    }
    client.put_object(Bucket=box, Key="headed", Body=b"body", **kept)
    for answer in (client.head_object(Bucket=box, Key="headed"), client.get_object(Bucket=box, Key="headed")):
        assert {name: answer[name] for name in kept} == kept
        assert answer["ContentLength"] == 4


def test_a_copy_keeps_metadata_or_replaces_it(client: BaseClient, box: str) -> None:
    client.put_object(Bucket=box, Key="from", Body=b"body", Metadata={"a": "1"}, ContentType="text/plain")
    source = {"Bucket": box, "Key": "from"}
    client.copy_object(Bucket=box, Key="kept", CopySource=source)
    client.copy_object(Bucket=box, Key="replaced", CopySource=source, MetadataDirective="REPLACE", Metadata={"b": "2"})
    kept, replaced = client.head_object(Bucket=box, Key="kept"), client.head_object(Bucket=box, Key="replaced")
    assert (kept["Metadata"], kept["ContentType"]) == ({"a": "1"}, "text/plain")
    assert (replaced["Metadata"], replaced["ContentType"]) == ({"b": "2"}, "binary/octet-stream")
    assert refusal(client.copy_object, Bucket=box, Key="from", CopySource=source) == (400, "InvalidRequest")


def test_odd_keys_are_copied(client: BaseClient, reader: Wire, box: str) -> None:
    for number, key in enumerate(ODD_KEYS):
        reader.put(box, key, content(50, seed=number))
        client.copy_object(Bucket=box, Key=f"copies/{number}", CopySource={"Bucket": box, "Key": key})
        assert reader.get(box, f"copies/{number}") == content(50, seed=number)


def test_a_copy_in_parts_has_the_same_bytes(client: BaseClient, reader: Wire, box: str) -> None:
    reader.put(box, "source", content(20 * MIB))
    upload = client.create_multipart_upload(Bucket=box, Key="joined")["UploadId"]
    ranges = [(0, 6 * MIB), (6 * MIB, 14 * MIB), (14 * MIB, 20 * MIB)]
    parts = []
    for number, (start, stop) in enumerate(ranges, 1):
        done = client.upload_part_copy(
            Bucket=box,
            Key="joined",
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": box, "Key": "source"},
            CopySourceRange=f"bytes={start}-{stop - 1}",
        )
        parts.append({"PartNumber": number, "ETag": done["CopyPartResult"]["ETag"]})
    listed = client.list_parts(Bucket=box, Key="joined", UploadId=upload)["Parts"]
    assert [part["Size"] for part in listed] == [stop - start for start, stop in ranges]
    client.complete_multipart_upload(Bucket=box, Key="joined", UploadId=upload, MultipartUpload={"Parts": parts})
    assert reader.get(box, "joined") == content(20 * MIB)
    second = client.get_object(Bucket=box, Key="joined", PartNumber=2)
    assert (second["PartsCount"], second["Body"].read()) == (3, content(20 * MIB)[6 * MIB : 14 * MIB])


def test_an_upload_is_listed_until_it_is_aborted(client: BaseClient, box: str) -> None:
    upload = client.create_multipart_upload(Bucket=box, Key="open")["UploadId"]
    client.upload_part(Bucket=box, Key="open", UploadId=upload, PartNumber=1, Body=b"part")
    assert [row["UploadId"] for row in client.list_multipart_uploads(Bucket=box)["Uploads"]] == [upload]
    assert "Contents" not in client.list_objects_v2(Bucket=box)
    client.abort_multipart_upload(Bucket=box, Key="open", UploadId=upload)
    assert "Uploads" not in client.list_multipart_uploads(Bucket=box)
    assert refusal(client.list_parts, Bucket=box, Key="open", UploadId=upload) == (404, "NoSuchUpload")


def test_1000_deletes_in_one_request_answer_for_each_key(client: BaseClient, reader: Wire, box: str) -> None:
    reader.put_many(box, {f"k{number:03}": b"x" for number in range(900)})
    reader.put(box, "stays", b"x")
    names = [f"k{number:03}" for number in range(1000)]
    answer = client.delete_objects(Bucket=box, Delete={"Objects": [{"Key": name} for name in names]})
    assert sorted(row["Key"] for row in answer["Deleted"]) == names
    assert "Errors" not in answer
    assert reader.keys(box) == ["stays"]
    too_many = [{"Key": str(number)} for number in range(1001)]
    assert refusal(client.delete_objects, Bucket=box, Delete={"Objects": too_many}) == (400, "MalformedXML")
    quiet = client.delete_objects(Bucket=box, Delete={"Objects": [{"Key": "stays"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert reader.keys(box) == []


def test_odd_keys_are_deleted_by_list(client: BaseClient, reader: Wire, box: str) -> None:
    for key in ODD_KEYS:
        reader.put(box, key, b"x")
    answer = client.delete_objects(Bucket=box, Delete={"Objects": [{"Key": key} for key in ODD_KEYS]})
    assert {row["Key"] for row in answer["Deleted"]} == set(ODD_KEYS)
    assert reader.keys(box) == []


def test_a_delete_of_nothing_succeeds_and_leaves_no_marker(client: BaseClient, box: str) -> None:
    answer = client.delete_object(Bucket=box, Key="never was")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert "DeleteMarker" not in answer
    assert "VersionId" not in answer


def test_conditional_puts(client: BaseClient, box: str) -> None:
    first = client.put_object(Bucket=box, Key="k", Body=b"one", IfNoneMatch="*")
    assert refusal(client.put_object, Bucket=box, Key="k", Body=b"two", IfNoneMatch="*") == (412, "PreconditionFailed")
    second = client.put_object(Bucket=box, Key="k", Body=b"three", IfMatch=first["ETag"])
    late = {"Bucket": box, "Key": "k", "Body": b"four", "IfMatch": first["ETag"]}
    assert refusal(client.put_object, **late) == (412, "PreconditionFailed")
    assert refusal(client.put_object, Bucket=box, Key="none", Body=b"x", IfMatch=first["ETag"]) == (404, "NoSuchKey")
    got = client.get_object(Bucket=box, Key="k")
    assert (got["Body"].read(), got["ETag"]) == (b"three", second["ETag"])


def test_conditional_reads(client: BaseClient, box: str) -> None:
    etag = client.put_object(Bucket=box, Key="k", Body=b"one")["ETag"]
    assert client.get_object(Bucket=box, Key="k", IfMatch=etag)["Body"].read() == b"one"
    assert refusal(client.get_object, Bucket=box, Key="k", IfNoneMatch=etag)[0] == 304
    assert refusal(client.get_object, Bucket=box, Key="k", IfMatch='"other"') == (412, "PreconditionFailed")


def test_both_listings_page_alike(client: BaseClient, reader: Wire, box: str) -> None:
    names = sorted(f"{folder}/{number:02}" for folder in ("a", "b", "c") for number in range(15))
    reader.put_many(box, dict.fromkeys(names, b"x"))
    for version in ("list_objects", "list_objects_v2"):
        pages = client.get_paginator(version).paginate(Bucket=box, PaginationConfig={"PageSize": 7})
        assert [row["Key"] for page in pages for row in page.get("Contents", [])] == names
        folded = client.get_paginator(version).paginate(Bucket=box, Delimiter="/", PaginationConfig={"PageSize": 2})
        prefixes = [row["Prefix"] for page in folded for row in page.get("CommonPrefixes", [])]
        assert prefixes == ["a/", "b/", "c/"]


def test_what_is_not_there_is_named(client: BaseClient, box: str) -> None:
    assert refusal(client.head_object, Bucket=box, Key="missing") == (404, "404")
    assert refusal(client.get_object, Bucket=box, Key="missing") == (404, "NoSuchKey")
    assert refusal(client.head_bucket, Bucket="no-such-bucket") == (404, "404")
    assert refusal(client.list_objects_v2, Bucket="no-such-bucket") == (404, "NoSuchBucket")
    assert refusal(client.put_object, Bucket="no-such-bucket", Key="k", Body=b"x") == (404, "NoSuchBucket")


def test_what_is_not_served_is_501_and_named(client: BaseClient, box: str) -> None:
    with pytest.raises(ClientError, match="lifecycle") as caught:
        client.put_bucket_lifecycle_configuration(
            Bucket=box,
            LifecycleConfiguration={
                "Rules": [{"ID": "r", "Status": "Enabled", "Prefix": "", "Expiration": {"Days": 1}}]
            },
        )
    assert caught.value.response["Error"]["Code"] == "NotImplemented"


def test_buckets_are_listed_and_located(client: BaseClient, box: str) -> None:
    assert box in [row["Name"] for row in client.list_buckets()["Buckets"]]
    assert client.get_bucket_location(Bucket=box)["LocationConstraint"] is None
    assert client.head_bucket(Bucket=box)["BucketRegion"] == "us-east-1"
