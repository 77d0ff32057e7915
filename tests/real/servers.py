"""Real storage servers, started and stopped by the scripts in tests/servers/."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real.missing import missing

SCRIPTS = Path(__file__).parent.parent / "servers"
START_MAX_S = 600
"""The first start installs the server."""
STOP_MAX_S = 60


class ServerMissing(Exception):
    """The server could not be installed or started here; the text says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `values` are the lines its script printed: ENDPOINT, ACCESS_KEY, ..."""

    name: str
    values: Mapping[str, str]

    @property
    def endpoint(self) -> str:
        return self.values["ENDPOINT"]


@contextmanager
def running(name: str, directory: Path) -> Iterator[Server]:
    """The server of tests/servers/NAME.sh, living in `directory` (empty or not there yet).

    `ServerMissing` when this machine cannot have it.
    """
    script = SCRIPTS / f"{name}.sh"
    output = directory.with_name(f"{directory.name}.out")
    # Files, not pipes: the server inherits them, and a pipe would never reach its end.
    with output.open("w+") as out:
        try:
            done = subprocess.run(
                [script, "start", directory], check=False, stdout=out, stderr=subprocess.STDOUT, timeout=START_MAX_S
            )
        except subprocess.TimeoutExpired:
            raise ServerMissing(f"{name}: not started within {START_MAX_S} s") from None
        lines = output.read_text().splitlines()
    if done.returncode != 0:
        raise ServerMissing(f"{name}: {' / '.join(lines[-3:]) or 'no reason given'}")
    try:
        yield Server(name, dict(line.split("=", 1) for line in lines if "=" in line))
    finally:
        subprocess.run([script, "stop", directory], check=True, timeout=STOP_MAX_S)


@contextmanager
def server_for_tests(name: str, directory: Path) -> Iterator[Server]:
    """As `running`; a server that cannot be had ends the test as `missing` says."""
    try:
        with running(name, directory) as server:
            yield server
    except ServerMissing as reason:
        missing(str(reason))
