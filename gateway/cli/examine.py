"""The examinations of `forebay doctor`: each looks at one thing and says how it is."""

import errno
import importlib
import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from cryptography import x509

from gateway.backends.local.notes import has_attributes
from gateway.backends.local.root import own
from gateway.backends.local.temps import TEMPS
from gateway.cli.findings import Finding, Health, nearest_existing, writable
from gateway.cli.node import admin_endpoint
from gateway.config import Address, Config
from gateway.config.checks import local_places
from gateway.errors import ConfigInvalid
from gateway.server.tls import Certificate
from gateway.store.site import OPEN_FILES_MAX

FREE_MIN_BYTES = 1024**3
FILES_BESIDE_CONNECTIONS = 1024
"""Descriptors for objects being read and written, libraries and logs."""
EXPIRY_WARNING = timedelta(days=14)
CLOCK_SKEW_MAX = timedelta(seconds=5)
ANSWER_TIME_MAX_S = 5.0


def libraries(_config: Config) -> Iterator[Finding]:
    """Whether the compiled libraries that a node runs on can be imported."""
    for name in ("uvloop", "httptools", "awscrt", "aiohttp", "aiobotocore", "rocksdict", "crc32c"):
        try:
            importlib.import_module(name)
        except ImportError as error:
            yield Finding(f"library {name}", Health.BAD, str(error), f"Install it again: pip install --force {name}")
        else:
            yield Finding(f"library {name}", Health.GOOD, "can be imported")


def open_files(config: Config) -> Iterator[Finding]:
    """Whether the process may open as many files as it may have connections, and segments of the store."""
    wanted = config.limits.connections + FILES_BESIDE_CONNECTIONS + OPEN_FILES_MAX * len(config.store.paths)
    # A node raises its own soft limit as far as it may.
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= wanted:
        yield Finding("open files", Health.GOOD, f"the limit is {limit}")
    else:
        advice = f"Raise it (ulimit -Hn {wanted}, LimitNOFILE= of systemd) or lower limits.connections."
        yield Finding("open files", Health.WARNING, f"the limit is {limit}, less than {wanted}", advice)


def data_dir(config: Config) -> Iterator[Finding]:
    """Whether the node can keep its own files."""
    yield writable("node.data_dir", config.node.data_dir)
    yield _free("node.data_dir", config.node.data_dir)


def places(config: Config) -> Iterator[Finding]:
    """Whether the directories behind mounts can be written and keep what S3 stores beside the bytes.

    Of a bucket with `writes = "deny"` nothing is asked but that it can be read.
    """
    denied = {f"mount {mount.bucket}" for mount in config.mount if mount.writes == "deny"}
    for subject, root in local_places(config):
        if subject in denied and root.exists():
            yield _readable(subject, root)
            continue
        finding = writable(subject, root)
        yield finding
        if finding.health is Health.GOOD and root.exists():
            yield _free(subject, root)
            yield _attributes(subject, root)


def certificate(config: Config) -> Iterator[Finding]:
    """Whether certificate and key can be read, fit together and are valid now."""
    cert, key = config.listen.tls_cert, config.listen.tls_key
    if cert is None or key is None:
        return
    try:
        Certificate(cert, key)
    except ConfigInvalid as error:
        advice = "Both are PEM files that the node may read, and the key is the certificate's own."
        subject, _, finding = error.problems[0].partition(": ")
        yield Finding(subject, Health.BAD, finding, advice)
        return
    parsed = x509.load_pem_x509_certificate(cert.read_bytes())
    until, now = parsed.not_valid_after_utc, datetime.now(UTC)
    finding = f"valid from {parsed.not_valid_before_utc:%Y-%m-%d} to {until:%Y-%m-%d}"
    if not parsed.not_valid_before_utc <= now < until:
        yield Finding("listen.tls_cert", Health.BAD, finding, "Renew it; the node takes up new files by itself.")
    elif until - now < EXPIRY_WARNING:
        yield Finding("listen.tls_cert", Health.WARNING, finding, "Renew it soon.")
    else:
        yield Finding("listen.tls_cert", Health.GOOD, finding)


def ports(config: Config) -> Iterator[Finding]:
    """Whether each port is free, or a node answers there."""
    tls = config.listen.tls_cert is not None
    for subject, address, path in (
        ("listen.s3", config.listen.s3, "/-/ready"),
        ("listen.admin", config.listen.admin, "/healthz"),
    ):
        trouble = _cannot_bind(address)
        if trouble is None:
            yield Finding(subject, Health.GOOD, f"{address} is free")
        elif trouble.errno == errno.EADDRINUSE and _answers(address, path, tls=tls):
            yield Finding(subject, Health.GOOD, f"a node answers at {address}")
        elif trouble.errno == errno.EADDRINUSE:
            advice = f"Stop what listens there (ss -ltnp 'sport = :{address.port}') or choose another port."
            yield Finding(subject, Health.BAD, f"another program listens at {address}", advice)
        else:
            advice = "Choose an address of this host, and a port above 1023 or the right to bind lower ones."
            yield Finding(subject, Health.BAD, f"{address}: {trouble.strerror}", advice)


def running_node(config: Config) -> Iterator[Finding]:
    """If a node runs: whether it serves, and whether its clock agrees with ours."""
    endpoint = admin_endpoint(config)
    answer = _get(f"{endpoint}/readyz")
    if answer is None:
        yield Finding("node", Health.GOOD, f"none runs at {endpoint}")
    elif answer.status_code != 200:
        yield Finding("node", Health.BAD, f"not ready: {answer.text.strip()}", "Its log says what it waits for.")
    else:
        yield Finding("node", Health.GOOD, f"ready at {endpoint}")
        skew = abs(datetime.now(UTC) - parsedate_to_datetime(answer.headers["date"]))
        if skew > CLOCK_SKEW_MAX:
            advice = "Set both by NTP: signatures are refused when clocks differ by 15 minutes."
            yield Finding("clock", Health.WARNING, f"differs from the node's by {skew.total_seconds():.0f} s", advice)


def _readable(subject: str, directory: Path) -> Finding:
    if directory.is_dir() and os.access(directory, os.R_OK | os.X_OK):
        return Finding(subject, Health.GOOD, f"{directory} is readable")
    trouble = "is not readable" if directory.is_dir() else "is no directory"
    return Finding(subject, Health.BAD, f"{directory} {trouble}", "Give its user the right to read, or choose another.")


def _free(subject: str, directory: Path) -> Finding:
    free = shutil.disk_usage(nearest_existing(directory)).free
    if free >= FREE_MIN_BYTES:
        return Finding(subject, Health.GOOD, f"{free / 1024**3:.1f} GiB are free")
    return Finding(subject, Health.WARNING, f"only {free / 1024**2:.0f} MiB are free", "Make room on this disk.")


def _attributes(subject: str, root: Path) -> Finding:
    try:
        # Under the reserved name, where no listing shows it.
        scratch = root / os.fsdecode(own(TEMPS))
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=scratch) as file:
            trouble = "" if has_attributes(file.fileno()) else "the file system keeps none"
    except OSError as error:
        trouble = error.strerror or str(error)
    if not trouble:
        return Finding(subject, Health.GOOD, "extended attributes work")
    finding = f"extended attributes do not work: {trouble}"
    return Finding(subject, Health.WARNING, finding, "Metadata will lie in files of its own, which is slower.")


def _cannot_bind(address: Address) -> OSError | None:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            probe.listen(1)
    except OSError as error:
        return error
    return None


def _answers(address: Address, path: str, *, tls: bool) -> bool:
    answer = _get(f"{'https' if tls else 'http'}://{address}{path}")
    return answer is not None and answer.headers.get("server") == "forebay"


def _get(url: str) -> httpx.Response | None:
    try:
        # Only whether somebody answers is asked, and nothing is told: the name in the certificate does not matter.
        with httpx.Client(trust_env=False, verify=False, timeout=ANSWER_TIME_MAX_S) as client:  # noqa: S501
            return client.get(url)
    except httpx.HTTPError:
        return None
