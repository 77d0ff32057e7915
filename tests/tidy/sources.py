"""The files of the repository, as the tidy tests see them."""

import ast
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Source:
    """One Python file: its path from the root, its text and what it parses to."""

    path: str
    text: str
    tree: ast.Module

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")


@cache
def files() -> tuple[Path, ...]:
    """Every file that is, or would be, in the repository: tracked or new, but not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    paths = (ROOT / name for name in sorted(set(listed.split("\0"))) if name)
    return tuple(path for path in paths if path.is_file())


@cache
def sources() -> tuple[Source, ...]:
    """Every Python file of the repository."""
    return tuple(
        parse(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in files() if path.suffix == ".py"
    )


def parse(path: str, text: str) -> Source:
    """The text as if it stood at `path`."""
    return Source(path, text, ast.parse(text))
