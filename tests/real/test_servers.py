"""The mechanism that brings real servers into tests."""

from pathlib import Path

import boto3
import pytest

from tests.real.missing import missing
from tests.real.servers import Server, ServerMissing, running


@pytest.mark.slow
def test_the_moto_server_starts_through_its_script_and_keeps_buckets(moto: Server) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=moto.endpoint,
        aws_access_key_id=moto.values["ACCESS_KEY"],
        aws_secret_access_key=moto.values["SECRET_KEY"],
        region_name=moto.values["REGION"],
    )
    client.create_bucket(Bucket="kept")
    # The server is that of all tests of this run, so the buckets of others may be there too.
    assert "kept" in [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "left-over").touch()
    with pytest.raises(ServerMissing, match="is not empty"), running("moto", tmp_path / "run"):
        pass


def test_what_is_missing_skips_a_test_on_a_laptop_and_fails_it_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOREBAY_TEST_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no such server"):
        missing("no such server")
    monkeypatch.setenv("FOREBAY_TEST_REQUIRE", "all")
    with pytest.raises(pytest.fail.Exception, match="no such server"):
        missing("no such server")
