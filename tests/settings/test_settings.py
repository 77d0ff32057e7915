"""The table on disk: what is answered is kept, whatever happens."""

import asyncio
import os
import random
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.errors import ConfigInvalid, StorageFull
from gateway.settings import Settings
from gateway.settings.rows import GONE_KEPT_S, Gone, decode


def test_what_was_put_is_there_after_a_restart(tmp_path: Path) -> None:
    async def scenario() -> None:
        settings = Settings.open(tmp_path)
        await settings.put("buckets", "one", {"owner": "alice", "tags": [["a", "b"]], "raw": b"\xff", "n": None})
        await settings.put("buckets", "two", 2)
        await settings.put("other", "one", True)
        await settings.remove("buckets", "two")
        settings.close()

    asyncio.run(scenario())
    again = Settings.open(tmp_path)
    assert again.rows("buckets") == {"one": {"owner": "alice", "tags": [["a", "b"]], "raw": b"\xff", "n": None}}
    assert again.get("other", "one") is True
    assert again.get("buckets", "two") is None
    assert again.rows("nothing") == {}
    again.close()


def test_changes_count_upwards_over_restarts(tmp_path: Path) -> None:
    for value in range(3):
        settings = Settings.open(tmp_path)
        asyncio.run(settings.put("t", "n", value))
        settings.close()
    row = decode((tmp_path / "settings").read_bytes())["t", "n"]
    assert (row.value, row.clock, row.node_id) == (2, 3, settings.identity.node_id)


def test_many_changes_at_once_are_all_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        settings = Settings.open(tmp_path)
        async with asyncio.TaskGroup() as tasks:
            for number in range(50):
                tasks.create_task(settings.put("t", str(number), number))
        settings.close()

    asyncio.run(scenario())
    again = Settings.open(tmp_path)
    assert again.rows("t") == {str(number): number for number in range(50)}
    again.close()


def test_a_caller_that_leaves_does_not_spoil_the_change_of_another(tmp_path: Path) -> None:
    async def scenario() -> None:
        settings = Settings.open(tmp_path)
        async with asyncio.TaskGroup() as tasks:
            leaving = tasks.create_task(settings.put("t", "left", 1))
            tasks.create_task(settings.put("t", "stayed", 2))
            await asyncio.sleep(0)
            leaving.cancel()
        assert settings.get("t", "left") is None
        settings.close()

    asyncio.run(scenario())
    again = Settings.open(tmp_path)
    assert again.rows("t") == {"stayed": 2}
    again.close()


def test_only_its_owner_reads_what_a_node_keeps(tmp_path: Path) -> None:
    settings = Settings.open(tmp_path / "new" / "data")
    asyncio.run(settings.put("t", "n", 1))
    settings.close()
    for path in (tmp_path / "new" / "data").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_a_removal_is_forgotten_after_thirty_days(tmp_path: Path) -> None:
    clock = ManualClock()
    settings = Settings.open(tmp_path, clock)

    def kept() -> bool:
        return isinstance(decode((tmp_path / "settings").read_bytes())["t", "n"].value, Gone)

    asyncio.run(settings.put("t", "n", 1))
    asyncio.run(settings.remove("t", "n"))
    asyncio.run(settings.remove("t", "never there"))
    assert kept()
    clock.advance(GONE_KEPT_S + 1)
    asyncio.run(settings.put("t", "other", 1))
    assert set(decode((tmp_path / "settings").read_bytes())) == {("t", "other")}
    settings.close()


@pytest.mark.parametrize("content", [b"", b"x", b"\x00" * 100])
def test_a_damaged_file_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "settings").write_bytes(content)
    with pytest.raises(ConfigInvalid, match=r"/settings: damaged"):
        Settings.open(tmp_path)
    assert (tmp_path / "settings").read_bytes() == content
    (tmp_path / "settings").unlink()
    Settings.open(tmp_path).close()


def test_a_change_that_cannot_be_written_is_refused_and_did_not_happen(tmp_path: Path) -> None:
    settings = Settings.open(tmp_path)
    asyncio.run(settings.put("t", "n", "old"))
    (tmp_path / "settings.temp").mkdir()
    with pytest.raises(StorageFull):
        asyncio.run(settings.put("t", "n", "new"))
    assert settings.get("t", "n") == "old"
    settings.close()


def test_two_nodes_never_share_a_directory(tmp_path: Path) -> None:
    settings = Settings.open(tmp_path)
    with pytest.raises(ConfigInvalid, match="in use by another node"):
        Settings.open(tmp_path)
    settings.close()
    Settings.open(tmp_path).close()


def test_a_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigInvalid, match=r"data_dir .*/file/data cannot be used"):
        Settings.open(tmp_path / "file" / "data")


def test_the_identity_is_made_once(tmp_path: Path) -> None:
    first = Settings.open(tmp_path / "one")
    first.close()
    again = Settings.open(tmp_path / "one")
    other = Settings.open(tmp_path / "two")
    assert again.identity == first.identity
    assert len(first.identity.sealing_key) == 32
    assert len(first.identity.node_id) == 32
    assert other.identity.node_id != first.identity.node_id
    assert first.identity.sealing_key.hex() not in repr(first.identity)
    assert repr(first.identity.sealing_key) not in repr(first.identity)
    again.close()
    other.close()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"node_id": "zz", "sealing_key": "zz"}', '{"node_id": "aa", "sealing_key": "bb"}']
)
def test_a_damaged_identity_is_named_and_never_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "node.json").write_text(content)
    with pytest.raises(ConfigInvalid, match=r"/node\.json: damaged"):
        Settings.open(tmp_path)
    assert (tmp_path / "node.json").read_text() == content


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.settings import Settings

async def main():
    settings = Settings.open(Path(sys.argv[1]))
    number = int(sys.argv[2])
    while True:
        await settings.put("t", str(number % 40), number)
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


def test_every_answered_change_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(2024)
    answered = -1
    for _ in range(6):
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(answered + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randint(1, 60)):
                answered = int(writer.stdout.readline())
            writer.kill()
            for line in writer.stdout.read().split():
                answered = int(line)
        settings = Settings.open(tmp_path)
        kept = settings.rows("t")
        settings.close()
        # One more may have reached the disk without its answer.
        newest = max(value for value in kept.values() if isinstance(value, int))
        assert newest in (answered, answered + 1)
        expected = {str(number % 40): number for number in range(max(0, newest - 39), newest + 1)}
        assert kept == expected
        answered = newest
    assert set(os.listdir(tmp_path)) <= {"LOCK", "node.json", "settings", "settings.temp"}
