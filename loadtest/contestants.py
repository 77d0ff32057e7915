"""The servers that the benchmark compares, each over a directory on the same disk and on a core of its own."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.client import BUCKET, Channel, Server
from tests.cache_system.scene import Scene, configuration
from tests.fakes.stub import Stub
from tests.real import servers
from tests.real.node import Node
from tests.real.ports import free_ports
from tests.real.wire import Signer

READY_MAX_S = 20
POLL_S = 0.05
CORES = sorted(os.sched_getaffinity(0))


@contextmanager
def forebay(directory: Path) -> Iterator[Server]:
    """A Forebay node; its bucket lies in `directory`/demo."""
    directory.mkdir()
    with ExitStack() as stack:
        with on_a_core_of_its_own():
            node = stack.enter_context(Node(directory))
        yield Server("forebay", node.s3_port, node.pid, Signer(node.access_key, node.secret_key))


@contextmanager
def rclone(directory: Path, bucket: str = BUCKET) -> Iterator[Server]:
    """`rclone serve s3`, checking signatures, with its defaults; its bucket lies in `directory`/BUCKET."""
    (directory / bucket).mkdir(parents=True)
    (port,) = free_ports(1)
    signer = Signer("RCLONEKEY", "rclone-secret-of-forty-characters-000000")
    program = Path(sys.executable).with_name("rclone")
    command = [str(program), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
    command += ["--auth-key", f"{signer.access_key},{signer.secret_key}", str(directory)]
    with (directory.with_name("rclone.log")).open("wb") as log, on_a_core_of_its_own():
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "RCLONE_CONFIG": ""})
    server = Server("rclone", port, process.pid, signer, bucket)
    try:
        _await_listening(server)
        yield server
    finally:
        process.kill()
        process.wait()


@contextmanager
def nginx(directory: Path, bucket: str) -> Iterator[Server]:
    """nginx with one worker over the files in `directory`/root; it asks for no signature."""
    with on_a_core_of_its_own(), servers.running("nginx-static", directory) as running:
        yield Server("nginx", port_of(running), pid_of(directory), None, bucket)


@contextmanager
def seaweedfs(directory: Path, bucket: str) -> Iterator[Server]:
    """SeaweedFS with all its parts in one process, checking signatures; its bucket is empty."""
    with on_a_core_of_its_own(), servers.running("seaweedfs", directory) as running:
        signer = Signer(running.values["ACCESS_KEY"], running.values["SECRET_KEY"])
        server = Server("SeaweedFS", port_of(running), pid_of(directory), signer, bucket)
        channel = Channel(server)
        channel.send(server.put_head("", 0))
        channel.finish()
        channel.close()
        yield server


def port_of(running: servers.Server) -> int:
    """Where it listens."""
    port = urlsplit(running.endpoint).port
    assert port is not None
    return port


def pid_of(directory: Path) -> int:
    """The process that a script of tests/servers recorded."""
    return int((directory / "server.pid").read_text().split()[0])


@contextmanager
def caching(directory: Path, *stub_options: str, capacity: str = "8GiB") -> Iterator[Scene]:
    """A Forebay node on a core of its own, in front of an S3 server that counts, which shares ours."""
    directory.mkdir()
    keep_to_the_other_cores()
    with Stub(*stub_options) as stub, ExitStack() as stack:
        with on_a_core_of_its_own():
            extra = configuration(stub.endpoint, capacity=capacity)
            node = stack.enter_context(Node(directory, extra=extra))
        yield Scene(stub, node)


def server_of(scene: Scene, bucket: str) -> Server:
    """The scene's node as the load client sees it."""
    signer = Signer(scene.node.access_key, scene.node.secret_key)
    return Server("forebay", scene.node.s3_port, scene.node.pid, signer, bucket)


@contextmanager
def on_a_core_of_its_own() -> Iterator[None]:
    """Processes started inside get the first core, and we keep to the others. With one core nothing changes."""
    if len(CORES) < 2:
        yield
        return
    os.sched_setaffinity(0, CORES[:1])
    try:
        yield
    finally:
        keep_to_the_other_cores()


def keep_to_the_other_cores() -> None:
    """Leaves the first core to whom it belongs, if there are others."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, CORES[1:])


def _await_listening(server: Server) -> None:
    started = time.monotonic()
    while True:
        try:
            Channel(server).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > started + READY_MAX_S:
                raise
            time.sleep(POLL_S)
