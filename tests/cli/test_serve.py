"""`forebay serve` and the commands that ask a running node."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
from botocore.client import BaseClient

from gateway.cli.serve import greeting
from gateway.config import embedded_default
from tests.cli.run import forebay
from tests.real.certificate import self_signed
from tests.real.node import Node
from tests.real.ports import free_ports

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A node that was started without a configuration, and what it said."""

    directory: Path
    s3: str
    admin: str
    said: str

    def word_after(self, label: str) -> str:
        """What stands behind this label in the greeting."""
        [line] = [line for line in self.said.splitlines() if line.strip().startswith(label)]
        return line.strip().removeprefix(label).split()[0]

    def boto3(self) -> BaseClient:
        return boto3.client(
            "s3",
            endpoint_url=self.word_after("endpoint"),
            aws_access_key_id=self.word_after("access key"),
            aws_secret_access_key=self.word_after("secret key"),
            region_name="us-east-1",
        )


@contextmanager
def started(directory: Path, *arguments: str) -> Iterator[Newcomer]:
    """Runs `forebay serve` without configuration until the caller is done; it must end well."""
    s3, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    command = [sys.executable, "-m", "gateway", "serve", "--set", f"listen.s3={s3}", "--set", f"listen.admin={admin}"]
    with subprocess.Popen([*command, *arguments], cwd=directory, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("curl"):
                break
        try:
            yield Newcomer(directory, s3, admin, said)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    with started(tmp_path_factory.mktemp("newcomer")) as running:
        yield running


def test_what_the_greeting_says_can_be_used(newcomer: Newcomer) -> None:
    client = newcomer.boto3()
    client.put_object(Bucket="demo", Key="hello", Body=b"world")
    assert client.get_object(Bucket="demo", Key="hello")["Body"].read() == b"world"
    assert (newcomer.directory / "forebay-data" / "demo" / "hello").read_bytes() == b"world"


@pytest.mark.parametrize("tool", ["aws", "python3", "curl"])
def test_the_lines_to_paste_work(newcomer: Newcomer, tool: str) -> None:
    newcomer.boto3().put_object(Bucket="demo", Key="found-by-all", Body=b"")
    [line] = [line for line in newcomer.said.splitlines() if line.startswith(tool) or f" {tool} " in line]
    bin_first = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, env=bin_first, check=False)
    assert "found-by-all" in done.stdout, done.stderr


def test_a_reading_command_finds_the_key_where_serve_left_it(newcomer: Newcomer) -> None:
    outcome = forebay("status", "--endpoint", f"http://{newcomer.admin}", cwd=newcomer.directory)
    assert outcome.code == 0, outcome.err
    assert "demo" in outcome.out
    assert "good" in outcome.out
    elsewhere = forebay("status", "--endpoint", f"http://{newcomer.admin}", cwd=newcomer.directory.parent)
    assert elsewhere.code == 1
    assert "refuses (401)" in elsewhere.err
    assert "`forebay --help` says where" in elsewhere.err


def test_doctor_knows_the_node_that_runs(newcomer: Newcomer) -> None:
    ports = ("--set", f"listen.s3={newcomer.s3}", "--set", f"listen.admin={newcomer.admin}")
    outcome = forebay("doctor", *ports, "--json", cwd=newcomer.directory)
    assert outcome.code == 0, outcome.out
    found = {finding["finding"] for finding in json.loads(outcome.out)}
    assert {f"a node answers at {newcomer.s3}", f"ready at http://{newcomer.admin}"} <= found


def test_a_second_node_on_the_same_directory_is_refused(newcomer: Newcomer) -> None:
    outcome = forebay(
        "serve", *("--set", "listen.s3=127.0.0.1:0", "--set", "listen.admin=127.0.0.1:0"), cwd=newcomer.directory
    )
    assert outcome.code == 2
    assert "in use by another node" in outcome.err


def test_a_second_start_reuses_everything(tmp_path: Path) -> None:
    said: list[tuple[str, str]] = []
    for _ in range(2):
        with started(tmp_path) as node:
            client = node.boto3()
            if not said:
                client.create_bucket(Bucket="made-once")
            assert {bucket["Name"] for bucket in client.list_buckets()["Buckets"]} == {"demo", "made-once"}
            said.append((node.word_after("access key"), node.word_after("secret key")))
    assert said[0] == said[1]


def test_a_directory_of_ones_own_is_served_under_its_name(tmp_path: Path) -> None:
    (tmp_path / "My Pictures").mkdir()
    (tmp_path / "My Pictures" / "cat.jpg").write_bytes(b"meow")
    with started(tmp_path, "--local", "My Pictures") as node:
        assert node.boto3().get_object(Bucket="my-pictures", Key="cat.jpg")["Body"].read() == b"meow"


def test_status_proves_itself_by_key_token_or_configuration(tmp_path: Path) -> None:
    token = "token-of-this-test"
    with Node(tmp_path, extra=f'[admin]\ntoken = "{token}"\n') as node:
        endpoint = {"FOREBAY_ENDPOINT": node.admin}
        key = {"FOREBAY_ACCESS_KEY_ID": node.access_key, "FOREBAY_SECRET_ACCESS_KEY": node.secret_key}
        for environ in (endpoint | key, endpoint | {"FOREBAY_TOKEN": token}):
            assert forebay("status", cwd=tmp_path, environ=environ).code == 0
        by_file = forebay("status", "--config", tmp_path / "config.toml", "--json", cwd=tmp_path)
        assert json.loads(by_file.out)["node"] == "test-node"
        wrong = forebay("status", cwd=tmp_path, environ=endpoint | {"FOREBAY_TOKEN": "wrong"})
        assert (wrong.code, "refuses (401)" in wrong.err) == (1, True)


def test_status_proves_itself_by_a_key_of_the_configuration(tmp_path: Path) -> None:
    with Node(tmp_path):
        outcome = forebay("status", "--config", tmp_path / "config.toml", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    assert " used of " in outcome.out


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path, node: Node) -> None:
    outcome = forebay("serve", "--set", f"listen.s3=127.0.0.1:{node.s3_port}", cwd=tmp_path)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        f"listen.s3: cannot listen on 127.0.0.1:{node.s3_port}: Address already in use; "
        "stop what listens there or choose another address"
    )


@pytest.mark.parametrize("missing", ["tls_cert", "tls_key"])
def test_a_file_for_tls_that_is_missing_is_one_clear_line(tmp_path: Path, missing: str) -> None:
    pair = self_signed(tmp_path)
    files = {"tls_cert": pair.certificate, "tls_key": pair.key}
    files[missing].unlink()
    sets = [word for name, path in files.items() for word in ("--set", f"listen.{name}={path}")]
    outcome = forebay(
        "serve", *sets, "--set", "listen.s3=127.0.0.1:0", "--set", "listen.admin=127.0.0.1:0", cwd=tmp_path
    )
    assert outcome.code == 2
    assert outcome.err == f"listen.{missing}: {files[missing]}: cannot be read: No such file or directory\n"


def test_the_greeting_of_a_node_on_all_addresses_names_one_that_can_be_reached(tmp_path: Path) -> None:
    everywhere = embedded_default(tmp_path, sets=("listen.s3=0.0.0.0:9000", "listen.admin=[::]:9001"))
    said = greeting(everywhere)
    assert "  endpoint    http://127.0.0.1:9000\n" in said
    assert "http://[::1]:9001 " in said
    assert "0.0.0.0" not in said
