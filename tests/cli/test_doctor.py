"""`forebay doctor` names what is wrong and says what to do."""

import datetime
import json
import resource
import socket
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.cli import examine
from gateway.cli.findings import Finding, Health
from gateway.config import Config
from tests.cli.run import forebay

DAY = datetime.timedelta(days=1)
FREE_PORTS = ("--set", "listen.s3=127.0.0.1:0", "--set", "listen.admin=127.0.0.1:0")


def config_with(directory: Path, **sections: object) -> Config:
    return Config.model_validate({"node": {"data_dir": str(directory / "data")}, **sections})


def health_of(findings: list[Finding]) -> list[Health]:
    return [finding.health for finding in findings]


def certificate(directory: Path, starts: datetime.timedelta, ends: datetime.timedelta) -> tuple[str, str]:
    """A certificate valid from and until these times from now, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + starts)
        .not_valid_after(now + ends)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = directory / "cert.pem", directory / "key.pem"
    cert_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(cert_file), str(key_file)


def test_nothing_started_here_yet_is_no_trouble_and_nothing_is_made(tmp_path: Path) -> None:
    outcome = forebay("doctor", *FREE_PORTS, "--json", cwd=tmp_path)
    findings = json.loads(outcome.out)
    assert outcome.code == 0, outcome.out
    assert {finding["health"] for finding in findings} <= {"good", "warning"}
    assert list(tmp_path.iterdir()) == []


def test_a_bad_configuration_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[nodes]\n")
    outcome = forebay("doctor", "--config", "c.toml", cwd=tmp_path)
    assert outcome.code == 1
    assert 'c.toml:1: nodes: unknown key; did you mean "node"?' in outcome.out
    assert "->" in outcome.out


def test_one_bad_finding_is_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outcome = forebay("doctor", *FREE_PORTS, "--set", "node.data_dir=file/data", cwd=tmp_path)
    assert outcome.code == 1
    assert "BAD" in outcome.out


def test_a_port_is_free_or_another_programs(tmp_path: Path) -> None:
    with socket.socket() as other:
        # Bound and not listening: nobody else may have it, and nobody answers.
        other.bind(("127.0.0.1", 0))
        config = config_with(tmp_path, listen={"s3": "127.0.0.1:0", "admin": f"127.0.0.1:{other.getsockname()[1]}"})
        free, held = examine.ports(config)
    assert (free.health, held.health) == (Health.GOOD, Health.BAD)
    assert "another program" in held.finding
    assert held.advice


def test_an_address_that_is_not_ours_is_bad(tmp_path: Path) -> None:
    config = config_with(tmp_path, listen={"s3": "192.0.2.1:9000", "admin": "127.0.0.1:0"})
    assert health_of(list(examine.ports(config))) == [Health.BAD, Health.GOOD]


def test_a_directory_is_good_even_before_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    mounts = [{"bucket": name, "backend": "local", "uri": str(tmp_path / name)} for name in ("there", "not-yet")]
    findings = list(examine.places(config_with(tmp_path, mount=mounts)))
    assert Health.BAD not in health_of(findings)
    assert any("the next start makes it" in finding.finding for finding in findings)
    assert not (tmp_path / "not-yet").exists()


def test_a_bucket_that_is_only_read_need_not_be_writable(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    mount = {"bucket": "there", "backend": "local", "uri": str(tmp_path / "there"), "writes": "deny"}
    [finding] = examine.places(config_with(tmp_path, mount=[mount]))
    assert (finding.health, "is readable" in finding.finding) == (Health.GOOD, True)
    assert list((tmp_path / "there").iterdir()) == []


def test_a_file_in_the_place_of_a_directory_is_bad(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    config = config_with(tmp_path, mount=[{"bucket": "demo", "backend": "local", "uri": str(tmp_path / "file")}])
    [finding] = examine.places(config)
    assert finding.health is Health.BAD
    assert "is no directory" in finding.finding


@pytest.mark.parametrize(
    ("starts", "ends", "health"),
    [
        (-DAY, 90 * DAY, Health.GOOD),
        (-DAY, 3 * DAY, Health.WARNING),
        (-2 * DAY, -DAY, Health.BAD),
        (DAY, 2 * DAY, Health.BAD),
    ],
)
def test_a_certificate_is_judged_by_its_days(
    tmp_path: Path, starts: datetime.timedelta, ends: datetime.timedelta, health: Health
) -> None:
    cert, key = certificate(tmp_path, starts, ends)
    config = config_with(tmp_path, listen={"tls_cert": cert, "tls_key": key})
    assert health_of(list(examine.certificate(config))) == [health]


def test_a_key_of_another_certificate_is_bad(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    cert, _ = certificate(tmp_path, -DAY, 90 * DAY)
    _, key = certificate(tmp_path / "other", -DAY, 90 * DAY)
    config = config_with(tmp_path, listen={"tls_cert": cert, "tls_key": key})
    assert health_of(list(examine.certificate(config))) == [Health.BAD]


def test_the_file_of_a_pair_that_is_missing_is_named(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, -DAY, 90 * DAY)
    Path(key).unlink()
    [finding] = examine.certificate(config_with(tmp_path, listen={"tls_cert": cert, "tls_key": key}))
    assert (finding.health, finding.subject) == (Health.BAD, "listen.tls_key")
    assert finding.finding == f"{key}: cannot be read: No such file or directory"


def test_without_tls_no_certificate_is_looked_at(tmp_path: Path) -> None:
    assert list(examine.certificate(config_with(tmp_path))) == []


def test_too_few_files_for_all_connections_are_a_warning(tmp_path: Path) -> None:
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        pytest.skip("this process may open any number of files")
    many = config_with(tmp_path, limits={"connections": min(limit * 2, sys.maxsize)})
    few = config_with(tmp_path, limits={"connections": 1})
    assert health_of(list(examine.open_files(many))) == [Health.WARNING]
    assert health_of(list(examine.open_files(few))) == [Health.GOOD if limit > 2048 else Health.WARNING]
