"""What was written through the node is read back from its store."""

import re

import pytest

from tests.cache_system.scene import MIB, Scene
from tests.clients.contents import content
from tests.real.wire import Wire, path

pytestmark = pytest.mark.slow

PART_SIZE = 5 * MIB


def upload(wire: Wire, bucket: str, key: str, parts: list[bytes]) -> None:
    """Writes an object in parts, the last of them first, one of them twice."""
    begun = wire.request("POST", path(bucket, key) + "?uploads=").body.decode()
    name = begun.partition("<UploadId>")[2].partition("</UploadId>")[0]
    numbered = list(enumerate(parts, 1))
    etags = {}
    for number, part in [(1, b"another first part"), *reversed(numbered)]:
        target = path(bucket, key, [("partNumber", str(number)), ("uploadId", name)])
        etags[number] = wire.request("PUT", target, body=part).headers["etag"]
    rows = [f"<Part><PartNumber>{number}</PartNumber><ETag>{etags[number]}</ETag></Part>" for number, _ in numbered]
    document = f"<CompleteMultipartUpload>{''.join(rows)}</CompleteMultipartUpload>".encode()
    assert wire.request("POST", path(bucket, key, [("uploadId", name)]), body=document).status == 200


@pytest.mark.parametrize("size", [1, MIB, MIB + 1, 20 * MIB + 3])
def test_a_put_read_back_at_once_costs_no_read_at_the_backend(scene: Scene, size: int) -> None:
    key, body = f"put-{size}", content(size)
    assert scene.wire.put("plain", key, body).status == 200
    assert scene.wire.get("plain", key) == body
    assert scene.stub.traffic(f"plain/{key}").reads == 0


def test_an_upload_in_parts_read_back_at_once_costs_no_read_at_the_backend(scene: Scene) -> None:
    parts = [content(PART_SIZE, 1), content(PART_SIZE + 4321, 2), content(MIB // 3, 3)]
    upload(scene.wire, "plain", "in-parts", parts)
    whole = b"".join(parts)
    assert scene.wire.get("plain", "in-parts") == whole
    middle = scene.wire.request("GET", path("plain", "in-parts"), headers={"range": "bytes=5000000-6000000"})
    assert middle.body == whole[5_000_000:6_000_001]
    assert scene.stub.traffic("plain/in-parts").reads == 0


def test_an_overwritten_object_is_read_back_as_it_was_written_last(scene: Scene) -> None:
    for seed in range(3):
        body = content(3 * MIB, seed)
        assert scene.wire.put("plain", "again", body).status == 200
        assert scene.wire.get("plain", "again") == body
    assert scene.stub.traffic("plain/again").reads == 0


def test_a_deleted_object_is_gone_at_once_and_another_may_take_its_place(scene: Scene) -> None:
    thing = scene.thing("2MiB")
    assert scene.get(thing).body == thing.content()
    assert scene.wire.request("DELETE", thing.target).status == 204
    assert scene.get(thing).status == 404
    assert scene.wire.put(thing.bucket, thing.key, b"another").status == 200
    assert scene.get(thing).body == b"another"


def test_a_write_that_was_refused_leaves_the_old_object_and_its_blocks(scene: Scene) -> None:
    thing = scene.thing("2MiB")
    assert scene.get(thing).status == 200
    digest = {"content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    assert scene.wire.request("PUT", thing.target, headers=digest, body=content(2 * MIB)).status == 400
    answer = scene.get(thing)
    assert answer.body == thing.content()
    assert scene.stub.traffic(thing.place).reads == 1


def test_a_mount_that_keeps_no_writes_reads_them_once(scene: Scene) -> None:
    body = content(3 * MIB)
    assert scene.wire.put("unkept", "w", body).status == 200
    words = [scene.wire.request("GET", path("unkept", "w")) for _ in range(2)]
    assert [answer.body for answer in words] == [body, body]
    assert [answer.headers["x-cache"] for answer in words] == ["fill", "hit"]
    assert scene.stub.traffic("unkept/w").bytes == len(body)


def test_what_a_put_answers_is_what_head_and_list_tell(scene: Scene) -> None:
    body = content(2 * MIB)
    etag = scene.wire.put("plain", "told/a", body).headers["etag"]
    head = scene.wire.request("HEAD", path("plain", "told/a"))
    assert head.headers["etag"] == etag
    listed = scene.wire.request("GET", path("plain", query=[("list-type", "2"), ("prefix", "told/")])).body.decode()
    assert re.findall("<ETag>(.*?)</ETag>", listed) == [etag.replace('"', "&quot;")]
