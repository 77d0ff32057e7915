"""`make profile`: where the time of hits goes, as a flame graph in an SVG file.

A node answers signed hits as fast as a client asks, while py-spy looks at its stacks from outside. With `--native`
also at those of the libraries beneath Python; then threads that wait are in the picture as well, and the node stands
still at every look.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtest import hits
from loadtest.client import Server
from loadtest.contestants import caching, keep_to_the_other_cores, server_of
from loadtest.load import waves

SAMPLES_PER_S = 499
"""Not in step with anything that happens a round number of times a second."""
WARM_REQUESTS = 4_000
BURST = 2_000
"""Requests between two looks at whether the sampling has ended."""
PY_SPY = Path(sys.executable).with_name("py-spy")
NO_PTRACE = """\
py-spy may not look into another process here: ptrace is not allowed. Run this as root, or allow it for the time being
(sysctl kernel.yama.ptrace_scope=0; in a container: the capability SYS_PTRACE)."""


def main() -> int:
    """Writes the file; 1 when nothing could be sampled."""
    options = _options()
    case = next(case for case in hits.CASES if case.label == options.case)
    with tempfile.TemporaryDirectory(prefix="forebay-profile-") as name, caching(Path(name) / "node") as scene:
        keep_to_the_other_cores()
        things = [scene.thing(case.size, hits.BUCKET) for _ in range(case.objects)]
        hits.fill(scene, things)
        server = server_of(scene, hits.BUCKET)
        heads = [server.head(case.method, thing.key) for thing in things]
        load = _Load(server, heads, things[0].size, has_body=case.method != "HEAD")
        load.send(WARM_REQUESTS)
        told = _sampled(load, server.pid, options)
    if told:
        print(NO_PTRACE if "permission denied" in told.lower() else told, file=sys.stderr)
        return 1
    print(f"{case.name}: {load.sent} hits, {load.cpu_us:.1f} us of CPU each while sampled; see {options.output}")
    return 0


class _Load:
    """Hits in bursts; `cpu_us` is what the last burst cost the node for each of them."""

    def __init__(self, server: Server, heads: Sequence[bytes], size: int, *, has_body: bool) -> None:
        self._server = server
        self._heads = heads
        self._size = size
        self._has_body = has_body
        self.sent = 0
        self.cpu_us = 0.0

    def send(self, count: int) -> None:
        requests = [self._heads[number % len(self._heads)] for number in range(count)]
        cost = waves(self._server, requests, self._size, has_body=self._has_body)
        self.sent += count
        self.cpu_us = cost.cpu_us_per_request


def _sampled(load: _Load, pid: int, options: argparse.Namespace) -> str:
    """Samples while the load goes on; returns what py-spy said when it failed."""
    command = [str(PY_SPY), "record", "--pid", str(pid), "--output", options.output, "--format", "flamegraph"]
    command += ["--duration", str(options.seconds), "--rate", str(SAMPLES_PER_S)]
    command += ["--native"] if options.native else ["--nonblocking"]
    with tempfile.TemporaryFile("w+") as out, subprocess.Popen(command, stdout=out, stderr=out) as sampler:
        while sampler.poll() is None:
            load.send(BURST)
        out.seek(0)
        told = out.read()
    return "" if sampler.returncode == 0 else told or "py-spy failed and did not say why"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loadtest.flame", description=__doc__)
    parser.add_argument("--case", choices=[case.label for case in hits.CASES], default="4k", help="which hits")
    parser.add_argument("--seconds", type=int, default=10, help="how long to sample (default 10)")
    parser.add_argument("--native", action="store_true", help="show the stacks of libraries as well")
    parser.add_argument("--output", default="profile.svg", help="the file to write (default profile.svg)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
