"""`forebay doctor` on the directories of the store."""

from pathlib import Path

import pytest

from gateway.cli import examine_store
from gateway.cli.findings import Finding, Health
from gateway.config import Config
from gateway.store import medium
from gateway.store.medium import kind_of

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /mnt/shared rw shared:2 - nfs4 host:/export rw
31 22 0:26 / /mnt/with\\040blank rw - btrfs /dev/sdb rw
32 22 0:27 / /mnt/twice rw - ext4 /dev/sdc rw
33 32 0:28 / /mnt/twice rw - tmpfs none rw
"""


def looked_at(directory: Path, *paths: str, **store: object) -> list[Finding]:
    config = {"paths": [str(directory / path) for path in paths], **store}
    return list(examine_store.store(Config.model_validate({"store": config})))


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/store", "ext4"),
        ("/mnt/shared", "nfs4"),
        ("/mnt/shared/deep/store", "nfs4"),
        ("/mnt/shared-not", "ext4"),
        ("/mnt/with blank/store", "btrfs"),
        ("/mnt/twice/store", "tmpfs"),
    ],
)
def test_the_innermost_and_latest_mount_tells_the_file_system(path: str, kind: str) -> None:
    assert kind_of(Path(path), MOUNTS) == kind


def test_a_table_of_mounts_without_sense_tells_nothing() -> None:
    assert kind_of(Path("/srv"), "\n - \nno fields\n") == ""


@pytest.mark.parametrize(
    ("kind", "health"),
    [
        ("nfs4", Health.BAD),
        ("btrfs", Health.WARNING),
        ("tmpfs", Health.WARNING),
        ("ext4", Health.GOOD),
    ],
)
def test_file_systems_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, health: Health) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 8:1 / / rw - {kind} somewhere rw\n")
    monkeypatch.setattr(medium, "MOUNTS", table)
    [finding] = [each for each in looked_at(tmp_path, "store") if f"lies on {kind}" in each.finding]
    assert finding.health is health
    assert bool(finding.advice) is (health is not Health.GOOD)


def test_a_store_that_is_missing_is_good_and_not_made(tmp_path: Path) -> None:
    findings = looked_at(tmp_path, "store", min_free=0, capacity="768MiB")
    assert "the next start makes it" in findings[0].finding
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_store_is_bad_and_nothing_more_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    [finding] = looked_at(tmp_path, "file")
    assert (finding.health, finding.subject) == (Health.BAD, "store.paths")


def test_more_capacity_than_the_disk_has_is_told(tmp_path: Path) -> None:
    findings = looked_at(tmp_path, "store", capacity="900TiB")
    [finding] = [each for each in findings if "has room for" in each.finding]
    assert finding.health in (Health.WARNING, Health.BAD)
    assert "of its share of 900.0 TiB" in finding.finding


def test_what_the_store_has_taken_already_counts_as_its_room(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "x.seg").write_bytes(bytes(8192))
    assert examine_store._taken_bytes(tmp_path / "store") >= 8192


def test_directories_that_share_a_disk_are_told(tmp_path: Path) -> None:
    assert "lie on one file system" in looked_at(tmp_path, "a", "b")[-1].finding
