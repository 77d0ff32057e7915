"""A real `forebay serve` process with a configuration of its own."""

import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import boto3
import psutil
from botocore.client import BaseClient
from botocore.config import Config as BotoConfig

from tests.real.certificate import self_signed
from tests.real.ports import free_ports

READY_MAX_S = 20
STOP_MAX_S = 30
ATTEMPTS_MAX = 5
"""Starts with other ports, when somebody took ours in between."""
POLL_S = 0.02

CONFIGURATION = """\
[node]
name = "test-node"
data_dir = "data"

[listen]
s3 = "127.0.0.1:{s3}"
admin = "127.0.0.1:{admin}"
domain = "{domain}"
tls_cert = "{certificate}"
tls_key = "{key}"

[log]
format = "json"

[[access_key]]
id = "{access_key}"
secret = "{secret_key}"
user = "tester"
policy = "everything"

[policy.everything]
statement = [{{ effect = "Allow", action = ["s3:*", "admin:*"], resource = ["*"] }}]

[[mount]]
bucket = "demo"
backend = "local"
uri = "demo"

[new_buckets]
backend = "local"
uri = "buckets"
options = {{ keys = "escape" }}
"""


class NodeFailed(Exception):
    """The process ended, or did not become ready; the text has the end of its log."""


class Node:
    """One node as a process of its own; a context manager that leaves nothing running.

    Everything it keeps lies in `directory`: `config.toml`, `data/`, `demo/` (the mount `demo`),
    `buckets/` (what CreateBucket makes) and `node.log`. `extra` is further configuration text,
    `sets` are `--set section.key=value` arguments that override the file.
    """

    access_key = "TESTKEY"
    secret_key = "test-secret-of-forty-characters-00000000"

    def __init__(
        self, directory: Path, *, tls: bool = False, domain: str = "", extra: str = "", sets: tuple[str, ...] = ()
    ) -> None:
        self.directory = directory
        self.log = directory / "node.log"
        self.ready_after_s = 0.0
        """How long the last start took, from launch to ready."""
        self._domain = domain
        self._extra = extra
        self._sets = sets
        self._certificate = self_signed(directory, (domain, f"*.{domain}") if domain else ()) if tls else None
        self._process: subprocess.Popen[bytes] | None = None
        self._choose_ports()

    @property
    def endpoint(self) -> str:
        """The URL of the S3 port."""
        return f"{self._scheme}://127.0.0.1:{self.s3_port}"

    @property
    def admin(self) -> str:
        """The URL of the admin port."""
        return f"{self._scheme}://127.0.0.1:{self.admin_port}"

    @property
    def ca_file(self) -> Path | None:
        """What clients must trust; None without TLS."""
        return self._certificate.certificate if self._certificate else None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts the process and waits until it is ready; `NodeFailed` if it does not become so."""
        for attempt in range(1, ATTEMPTS_MAX + 1):
            self._launch()
            if self._becomes_ready():
                return
            taken = "address already in use" in self.log_text().lower()
            if not taken or attempt == ATTEMPTS_MAX:
                raise NodeFailed(f"the node did not start:\n{self.log_text()[-4000:]}")
            self._choose_ports()

    def stop(self) -> int:
        """SIGTERM; waits for the end and returns the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as a power cut would end it."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Ends the process gracefully if it runs, and starts it again on the same data and ports."""
        if self.is_running:
            self.stop()
        self._launch()
        if not self._becomes_ready():
            raise NodeFailed(f"the node did not start again:\n{self.log_text()[-4000:]}")

    def rss_bytes(self) -> int:
        """Resident memory of the process."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def log_text(self) -> str:
        """What all starts together have logged."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def boto3(self, **options: object) -> BaseClient:
        """A boto3 S3 client as users make one; `options` are those of botocore's Config."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            verify=str(self.ca_file) if self.ca_file else None,
            config=BotoConfig(**options),
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_running:
            self.kill()

    @property
    def _scheme(self) -> str:
        return "https" if self._certificate else "http"

    def _choose_ports(self) -> None:
        self.s3_port, self.admin_port = free_ports(2)

    def _launch(self) -> None:
        config = self.directory / "config.toml"
        config.write_text(self._configuration() + "\n" + self._extra)
        command = [sys.executable, "-m", "gateway", "serve", "--config", str(config)]
        for one in self._sets:
            command += ["--set", one]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _configuration(self) -> str:
        certificate = self._certificate
        return CONFIGURATION.format(
            s3=self.s3_port,
            admin=self.admin_port,
            domain=self._domain,
            certificate=certificate.certificate if certificate else "",
            key=certificate.key if certificate else "",
            access_key=self.access_key,
            secret_key=self.secret_key,
        )

    def _becomes_ready(self) -> bool:
        assert self._process is not None
        launched = time.monotonic()
        while time.monotonic() < launched + READY_MAX_S:
            if self._answers_ready():
                self.ready_after_s = time.monotonic() - launched
                return True
            try:
                self._process.wait(POLL_S)
                return False
            except subprocess.TimeoutExpired:
                pass  # It lives and is not ready yet: ask again.
        self.kill()
        return False

    def _answers_ready(self) -> bool:
        trust = ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else None
        try:
            with urllib.request.urlopen(f"{self.endpoint}/-/ready", timeout=2, context=trust) as answer:
                return int(answer.status) == 200
        except (urllib.error.URLError, OSError):
            return False

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(how)
        return self._process.wait(STOP_MAX_S)
