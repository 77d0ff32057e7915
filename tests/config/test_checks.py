"""Warnings about what works and surprises."""

from pathlib import Path

import pytest

from gateway.config import load, warnings_of
from gateway.errors import ConfigInvalid

KEY = '[[access_key]]\nid = "a"\nsecret = "12345678"\n'


def warned(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "c.toml").write_text(KEY + text)
    return warnings_of(load(tmp_path / "c.toml", {}))


def mount(bucket: str, uri: str) -> str:
    return f'[[mount]]\nbucket = "{bucket}"\nbackend = "local"\nuri = "{uri}"\n'


def test_a_plain_configuration_has_no_warnings(tmp_path: Path) -> None:
    assert warned(tmp_path, mount("one", "one") + mount("two", "two")) == []


@pytest.mark.parametrize(("one", "two"), [("x", "x"), ("x", "x/y"), ("x/y", "x"), ("x", "./z/../x")])
def test_roots_that_overlap_are_told(tmp_path: Path, one: str, two: str) -> None:
    [warning] = warned(tmp_path, mount("one", one) + mount("two", two))
    assert "one and mount two overlap" in warning


def test_a_root_that_overlaps_through_a_link_is_told(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert warned(tmp_path, mount("one", "real") + mount("two", "link/inner"))


def test_new_buckets_inside_a_mount_are_told(tmp_path: Path) -> None:
    [warning] = warned(tmp_path, mount("one", "x") + '[new_buckets]\nbackend = "local"\nuri = "x/made"\n')
    assert "new_buckets" in warning


def test_a_mount_that_serves_the_secrets_of_the_node_is_told(tmp_path: Path) -> None:
    [warning] = warned(tmp_path, mount("one", "."))
    assert "node's secrets" in warning


def test_memory_is_told_to_be_forgetful(tmp_path: Path) -> None:
    [warning] = warned(tmp_path, '[[mount]]\nbucket = "one"\nbackend = "memory"\n')
    assert "kept in memory" in warning


def test_a_life_of_bytes_that_are_never_kept_is_told(tmp_path: Path) -> None:
    brief = mount("one", "one") + 'ttl = "1d"\n'
    [warning] = warned(tmp_path, brief)
    assert "ttl means nothing" in warning
    assert warned(tmp_path, f'{brief}admission = "auto"\n') == []


def test_an_open_admin_port_is_told(tmp_path: Path) -> None:
    warnings = warned(tmp_path, '[listen]\nadmin = "0.0.0.0:9001"\n[admin]\nmetrics = "open"\n')
    assert len(warnings) == 2


def test_a_node_that_nobody_can_use_is_told() -> None:
    assert "nobody can use" in warnings_of(load(None, {}))[0]


def test_an_action_that_nothing_asks_for_is_told(tmp_path: Path) -> None:
    statement = 'effect = "Deny", action = ["s3:GetObjekt", "s3:Put*"], resource = "*"'
    [warning] = warned(tmp_path, f"[policy.typo]\nstatement = [{{ {statement} }}]\n")
    assert warning == "policy typo: nothing here ever asks for s3:GetObjekt; did you mean s3:GetObject?"


def s3_mount(bucket: str, uri: str, endpoint: str = "https://one") -> str:
    options = f'options = {{ endpoint_url = "{endpoint}" }}'
    return f'[[mount]]\nbucket = "{bucket}"\nbackend = "s3"\nuri = "{uri}"\n{options}\n'


@pytest.mark.parametrize(
    ("one", "two"), [("s3://lake", "s3://lake"), ("s3://lake", "s3://lake/a/"), ("s3://lake/a/b/", "s3://lake/a/")]
)
def test_buckets_over_one_place_of_a_store_are_told(tmp_path: Path, one: str, two: str) -> None:
    [warning] = warned(tmp_path, s3_mount("one", one) + s3_mount("two", two))
    assert warning.startswith("mount one and mount two overlap at the store")


def test_new_buckets_below_the_place_of_a_mount_are_told(tmp_path: Path) -> None:
    made = '[new_buckets]\nbackend = "s3"\nuri = "s3://lake/made/"\noptions = { endpoint_url = "https://one" }\n'
    [warning] = warned(tmp_path, s3_mount("one", "s3://lake") + made)
    assert "new_buckets" in warning


def test_places_of_stores_that_share_nothing_are_not_told(tmp_path: Path) -> None:
    buckets = s3_mount("one", "s3://lake/a/") + s3_mount("two", "s3://lake/b/") + s3_mount("three", "s3://lake-2/a/")
    real = '[new_buckets]\nbackend = "s3"\nuri = "s3://"\noptions = { endpoint_url = "https://one" }\n'
    assert warned(tmp_path, buckets + s3_mount("four", "s3://lake/a/", "https://two") + real) == []


@pytest.mark.parametrize("path", ["pictures", "pictures/store", "."])
def test_a_store_that_clients_can_see_or_that_holds_a_bucket_is_told(tmp_path: Path, path: str) -> None:
    [warning] = warned(tmp_path, f'[store]\npaths = ["{path}"]\n' + mount("one", "pictures"))
    assert "clients see the store's files" in warning


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "a/b"], ["forebay-data"], ["a", "forebay-data/."]])
def test_directories_of_the_store_that_cannot_be_its_own_are_refused(tmp_path: Path, paths: list[str]) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        warned(tmp_path, f"[store]\npaths = {paths}\n")
    [problem] = refused.value.problems
    assert "store.paths: " in problem
