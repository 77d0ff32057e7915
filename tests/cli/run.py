"""Runs the command as a user would."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TIME_MAX_S = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


def forebay(*arguments: str | Path, cwd: Path, environ: Mapping[str, str] | None = None) -> Outcome:
    """Runs `forebay` to its end; the environment has no FOREBAY variables but those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY")}
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *map(str, arguments)],
        cwd=cwd,
        env={**clean, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=TIME_MAX_S,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
