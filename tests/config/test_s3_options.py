"""What a mount may say of an S3 store, and what it may not."""

import pytest
from pydantic import ValidationError

from gateway.config import Config, warnings_of
from gateway.config.places import S3Options

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "a secret that nobody must see"}


@pytest.mark.parametrize(
    "options",
    [
        {"access_key_id": "AKIDEXAMPLE"},
        {"secret_access_key": "a secret"},
        {"session_token": "a token"},
        {**KEYS, "profile": "other"},
        {**KEYS, "anonymous": True},
        {"role_arn": "arn:aws:iam::1:role/x", "anonymous": True},
        {"external_id": "id"},
        {"web_identity_token_file": "token"},
        {"endpoint_url": "store.example.org"},
        {"endpoint_url": "https://store.example.org/path"},
        {"endpoint_url": "https://name:word@store.example.org"},
        {"endpoint_url": "ftp://store.example.org"},
        {"addressing": "host"},
        {"silence_timeout": "0s"},
        {"connect_timeout": "0s"},
        {"threads": 1},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        S3Options.model_validate(options)


def test_secrets_are_never_shown() -> None:
    options = S3Options.model_validate({**KEYS, "session_token": "a token", "proxy": "http://name:word@proxy:3128"})
    for shown in (repr(options), str(options.model_dump()), str(options)):
        assert KEYS["secret_access_key"] not in shown
        assert "a token" not in shown
        assert "word" not in shown


@pytest.mark.parametrize("uri", ["", "s3://", "s3:///prefix", "s3://b", "/srv/data", "s3://-bucket/x"])
def test_a_mount_names_a_bucket(uri: str) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"mount": [{"bucket": "images", "backend": "s3", "uri": uri}]})


@pytest.mark.parametrize(
    ("uri", "warned"),
    [("s3://images", False), ("s3://images/", False), ("s3://images/jpeg/", False), ("s3://images/jpeg", True)],
)
def test_a_prefix_that_is_no_folder_is_warned_of(uri: str, warned: bool) -> None:
    config = Config.model_validate({"mount": [{"bucket": "images", "backend": "s3", "uri": uri}]})
    assert any("prefix" in warning for warning in warnings_of(config)) == warned
