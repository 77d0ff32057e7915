"""The configuration of a node that was given none."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Config, embedded_default, warnings_of
from gateway.config.credentials import ensure_credentials, read_credentials
from gateway.config.embedded import bucket_name_of
from gateway.errors import ConfigInvalid
from gateway.model import is_bucket_name


def test_the_first_start_makes_a_key_and_the_second_finds_it(tmp_path: Path) -> None:
    first, second = embedded_default(tmp_path / "d"), embedded_default(tmp_path / "d")
    assert first == second
    [key] = first.access_key
    assert key.id.startswith("FBK")
    assert len(key.id) == 20
    assert len(key.secret.reveal()) == 40


def test_two_nodes_never_have_the_same_key(tmp_path: Path) -> None:
    one, two = embedded_default(tmp_path / "one"), embedded_default(tmp_path / "two")
    assert one.access_key[0].id != two.access_key[0].id
    assert one.access_key[0].secret != two.access_key[0].secret


def test_only_their_owner_reads_the_credentials(tmp_path: Path) -> None:
    embedded_default(tmp_path)
    assert stat.S_IMODE((tmp_path / "credentials.toml").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["credentials.toml"]


def test_everything_lies_under_the_data_directory_and_on_loopback(tmp_path: Path) -> None:
    config = embedded_default(tmp_path)
    assert (config.mount[0].bucket, Path(config.mount[0].uri)) == ("demo", tmp_path / "demo")
    assert config.new_buckets is not None
    assert Path(config.new_buckets.uri) == tmp_path / "buckets"
    assert config.listen.s3.is_loopback
    assert config.listen.admin.is_loopback
    assert warnings_of(config) == []


def test_the_key_has_all_rights_those_of_the_admin_api_too(tmp_path: Path) -> None:
    config = embedded_default(tmp_path)
    [statement] = config.policy[config.access_key[0].policy[0]].statement
    assert (statement.effect, statement.action, statement.resource) == ("Allow", ("*", "admin:*"), ("*",))


def test_a_directory_is_served_as_a_bucket_of_its_name(tmp_path: Path) -> None:
    config = embedded_default(tmp_path / "d", local=tmp_path / "My Photos_2024")
    assert [(mount.bucket, mount.uri) for mount in config.mount] == [
        ("my-photos-2024", str(tmp_path / "My Photos_2024"))
    ]


def test_overrides_hold_here_too_and_move_the_whole_data_directory(tmp_path: Path) -> None:
    config: Config = embedded_default(
        tmp_path / "unused", environ={"FOREBAY__LISTEN__S3": "127.0.0.1:1"}, sets=(f"node.data_dir={tmp_path}/moved",)
    )
    assert config.listen.s3.port == 1
    assert config.node.data_dir == tmp_path / "moved"
    assert Path(config.mount[0].uri) == tmp_path / "moved" / "demo"
    assert not (tmp_path / "unused").exists()


def test_a_path_that_looks_like_a_variable_is_left_alone(tmp_path: Path) -> None:
    assert embedded_default(tmp_path / "${HOME}").node.data_dir == tmp_path / "${HOME}"


@pytest.mark.parametrize("content", ["no toml", "access_key_id = 1\n", 'access_key_id = "a"\n'])
def test_damaged_credentials_are_named_and_never_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "credentials.toml"
    file.write_text(content)
    with pytest.raises(ConfigInvalid, match=r"credentials\.toml"):
        ensure_credentials(file)
    assert file.read_text() == content


def test_no_credentials_are_none(tmp_path: Path) -> None:
    assert read_credentials(tmp_path / "credentials.toml") is None


@given(
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
        lambda t: t not in (".", "..")
    )
)
def test_every_directory_has_a_valid_bucket_name(name: str) -> None:
    assert is_bucket_name(bucket_name_of(Path("/") / name))
