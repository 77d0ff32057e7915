"""What users see with their own tools: the first read fills, the second hits, and the bytes are right."""

from pathlib import Path

import pytest

from tests.cache_system.scene import MIB, Scene
from tests.clients.tools import AwsCli
from tests.robust.watching import until

pytestmark = pytest.mark.slow


def test_boto3_reads_twice_and_sees_fill_then_hit(scene: Scene) -> None:
    thing = scene.thing("3MiB")
    client = scene.node.boto3()
    words = []
    for _ in range(2):
        answer = client.get_object(Bucket=thing.bucket, Key=thing.key)
        assert answer["Body"].read() == thing.content()
        words.append(answer["ResponseMetadata"]["HTTPHeaders"]["x-cache"])
    assert words == ["fill", "hit"]


def test_boto3_downloads_a_large_object_in_ranges_and_reads_each_byte_once(scene: Scene, tmp_path: Path) -> None:
    thing = scene.thing("64MiB")
    target = tmp_path / "downloaded"
    for _ in range(2):
        scene.node.boto3().download_file(thing.bucket, thing.key, str(target))
        assert target.read_bytes() == thing.content()
    assert scene.stub.traffic(thing.place).each_byte_once(thing.size)


def test_boto3_uploads_in_parts_and_downloads_without_the_backend(scene: Scene, tmp_path: Path) -> None:
    thing = scene.thing("20MiB")
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(thing.content(7))
    client = scene.node.boto3()
    client.upload_file(str(source), "plain", "uploaded-by-boto3")
    client.download_file("plain", "uploaded-by-boto3", str(target))
    assert target.read_bytes() == source.read_bytes()
    assert scene.stub.traffic("plain/uploaded-by-boto3").reads == 0


def test_aws_copies_twice_and_an_overwrite_behind_its_back_is_seen_after_the_freshness(
    scene: Scene, tmp_path: Path
) -> None:
    thing = scene.thing("20MiB", "brief")
    aws, target = AwsCli(scene.node), tmp_path / "copied"

    def copied() -> bytes:
        aws.get(thing.bucket, thing.key, target)
        return target.read_bytes()

    assert [copied(), copied()] == [thing.content(), thing.content()]
    assert scene.stub.traffic(thing.place).each_byte_once(thing.size)
    old_etag = scene.head(thing).headers["etag"]
    scene.stub.bump(thing.place)
    until(lambda: scene.head(thing).headers["etag"] != old_etag)
    assert copied() == thing.content(2)
    assert scene.get(thing, 0, MIB).headers["x-cache"] in ("hit", "revalidated")
