"""What every client does, done by each of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.clients.contents import KIB, MIB, ODD_KEYS, content, crowd
from tests.clients.tools import Tool, ToolFailed
from tests.real.wire import Wire, path

pytestmark = pytest.mark.slow

MakeFile = Callable[[bytes], Path]


@pytest.mark.parametrize("size", [0, 1, 100 * KIB, 3 * MIB])
def test_bytes_come_back_as_they_went_up(
    tool: Tool, its_wire: Wire, its_bucket: str, a_file: MakeFile, tmp_path: Path, size: int
) -> None:
    tool.put(its_bucket, "folder/file.bin", a_file(content(size)))
    assert its_wire.get(its_bucket, "folder/file.bin") == content(size)
    tool.get(its_bucket, "folder/file.bin", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content(size)


def test_an_object_replaces_the_one_before(tool: Tool, its_wire: Wire, its_bucket: str, a_file: MakeFile) -> None:
    tool.put(its_bucket, "key", a_file(content(2000, seed=1)))
    tool.put(its_bucket, "key", a_file(content(1000, seed=2)))
    assert its_wire.get(its_bucket, "key") == content(1000, seed=2)


def test_a_range_is_the_bytes_asked_for(tool: Tool, its_wire: Wire, its_bucket: str, tmp_path: Path) -> None:
    its_wire.put(its_bucket, "ranged", content(300 * KIB))
    tool.get_from(its_bucket, "ranged", 123_457, tmp_path / "tail")
    assert (tmp_path / "tail").read_bytes() == content(300 * KIB)[123_457:]


def test_32_mib_travel_in_four_parts(
    tool: Tool, its_wire: Wire, its_bucket: str, a_file: MakeFile, tmp_path: Path
) -> None:
    body = content(32 * MIB)
    tool.put(its_bucket, "large", a_file(body))
    head = its_wire.request("HEAD", path(its_bucket, "large"))
    assert head.headers["etag"].endswith('-4"')
    assert its_wire.get(its_bucket, "large") == body
    tool.get(its_bucket, "large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == body


def test_a_listing_of_2500_items_is_whole(tool: Tool, crowded: str) -> None:
    keys, prefixes = tool.list(crowded, "crowd/")
    assert keys == {key for key in crowd() if not key.endswith("/inside")}
    assert prefixes == {key.removesuffix("inside") for key in crowd() if key.endswith("/inside")}


def test_a_copy_has_the_same_bytes(tool: Tool, its_wire: Wire, its_bucket: str) -> None:
    its_wire.put(its_bucket, "from here", content(MIB))
    tool.copy(its_bucket, "from here", "to+there")
    assert its_wire.get(its_bucket, "to+there") == content(MIB)
    assert its_wire.get(its_bucket, "from here") == content(MIB)


def test_1100_objects_go_at_once_and_their_neighbours_stay(tool: Tool, its_wire: Wire, its_bucket: str) -> None:
    its_wire.put_many(its_bucket, {f"gone/{number:04}": b"x" for number in range(1100)})
    its_wire.put_many(its_bucket, {"gone": b"stays", "gone0": b"stays too"})
    tool.remove_under(its_bucket, "gone/")
    assert its_wire.keys(its_bucket) == ["gone", "gone0"]


def test_odd_keys_stay_the_bytes_they_are(
    tool: Tool, tool_name: str, its_wire: Wire, its_bucket: str, a_file: MakeFile, tmp_path: Path
) -> None:
    keys = [key for key in ODD_KEYS if tool.can_name(key)]
    assert len(keys) > len(ODD_KEYS) / 2
    if tool_name == "aws-tls":  # a process per call takes long, and the keys do not depend on what carries them
        keys = keys[::6]

    def round_trip(number: int) -> None:
        key, up, down = keys[number], content(500, seed=number), content(600, seed=number)
        tool.put(its_bucket, key, a_file(up))
        assert its_wire.get(its_bucket, key) == up
        assert its_wire.put(its_bucket, key, down).status == 200
        tool.get(its_bucket, key, tmp_path / f"back-{number}")
        assert (tmp_path / f"back-{number}").read_bytes() == down

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(round_trip, range(len(keys))))
    assert its_wire.keys(its_bucket) == sorted(keys, key=str.encode)


def test_buckets_come_and_go(tool: Tool, tool_name: str, its_wire: Wire) -> None:
    bucket = f"made-by-{tool_name}"
    tool.make_bucket(bucket)
    its_wire.put(bucket, "key", b"body")
    with pytest.raises(ToolFailed, match=r"BucketNotEmpty|[Nn]ot empty"):
        tool.remove_bucket(bucket)
    assert its_wire.get(bucket, "key") == b"body"
    assert its_wire.request("DELETE", path(bucket, "key")).status == 204
    tool.remove_bucket(bucket)
    assert its_wire.request("HEAD", path(bucket)).status == 404


def test_what_is_not_there_is_a_failure(tool: Tool, its_bucket: str, tmp_path: Path) -> None:
    # rclone says it by its exit status: 9 is "operation successful, but no files transferred".
    with pytest.raises(ToolFailed, match=r"404|NoSuchKey|does not exist|exit 9"):
        tool.get(its_bucket, "missing", tmp_path / "back")
