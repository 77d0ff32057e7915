"""`forebay doctor` on the stores behind mounts."""

import socket

from gateway.cli.examine_backends import backends
from gateway.cli.findings import Finding, Health
from gateway.config import Config
from tests.fakes.stub import BUCKET, Stub

KEY = {"access_key_id": "AKSTATIC", "secret_access_key": "never-to-be-shown"}


def asked(endpoint_url: str, uri: str = f"s3://{BUCKET}") -> list[Finding]:
    mount = {"bucket": "train", "backend": "s3", "uri": uri, "options": {"endpoint_url": endpoint_url, **KEY}}
    return list(backends(Config.model_validate({"mount": [mount]})))


def test_a_store_that_answers_is_good_and_its_static_key_is_named() -> None:
    with Stub() as stub:
        answer, key = asked(stub.endpoint)
    assert (answer.health, key.health) == (Health.GOOD, Health.GOOD)
    assert "AKSTATIC" in key.finding


def test_a_store_that_is_not_there_is_bad_and_no_secret_is_told() -> None:
    with socket.socket() as nobody:
        # Bound and not listening: nobody answers there.
        nobody.bind(("127.0.0.1", 0))
        findings = asked(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert findings[0].health is Health.BAD
    assert "does not answer" in findings[0].finding
    assert findings[0].advice
    assert KEY["secret_access_key"] not in repr(findings)


def test_a_static_key_for_aws_is_a_warning() -> None:
    # A proxy that is nobody keeps the question on this host.
    options = {**KEY, "proxy": "http://127.0.0.1:1"}
    mount = {"bucket": "train", "backend": "s3", "uri": "s3://lake", "options": options}
    answer, key = backends(Config.model_validate({"mount": [mount]}))
    assert (answer.health, key.health) == (Health.BAD, Health.WARNING)
    assert KEY["secret_access_key"] not in repr([answer, key])


def test_other_backends_are_not_asked() -> None:
    assert list(backends(Config.model_validate({"mount": [{"bucket": "demo", "backend": "memory"}]}))) == []
