"""What stands in the repository as a whole: words that do not belong there, and imports at start-up."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.tidy.sources import ROOT, Source, files, sources

FOREIGN = (
    re.compile(r"(?<![\w.$}*)-])/(work|farm|root|home)/"),  # a directory of one machine
    re.compile(r"https?://[a-z0-9.-]*(pypi|pythonhosted|npmjs|maven|golang|debian|crates|rubygems)\b"),  # a registry
)

HEAVY = ("aiobotocore", "aiohttp", "azure", "boto3", "botocore", "google", "hypothesis", "numpy", "pytest")
"""Packages that only some mounts, or only the tests, need."""


def foreign(text: str) -> list[str]:
    """The lines that hold something which is only true on one machine."""
    return [line for line in text.splitlines() if any(pattern.search(line) for pattern in FOREIGN)]


def test_no_file_names_a_directory_of_one_machine_or_a_package_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()[:120]}"
        for path in files()
        for line in foreign(path.read_bytes().decode("utf-8", "replace"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("place", ["work", "root", "home"])
def test_a_planted_directory_is_found(place: str) -> None:
    assert foreign(f"cd /{place}/somewhere")


@pytest.mark.parametrize("host", ["pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "deb.debian.org"])
def test_a_planted_registry_is_found(host: str) -> None:
    assert foreign(f"see https://{host}/simple")


def importers(package: str, parsed: Iterable[Source]) -> list[str]:
    """The modules of the gateway that import a package."""
    return [
        source.path
        for source in parsed
        if source.path.startswith("gateway/") and any(package in names(node) for node in ast.walk(source.tree))
    ]


def names(node: ast.AST) -> set[str]:
    """The packages that a statement imports."""
    match node:
        case ast.Import(names=aliases):
            return {alias.name.split(".")[0] for alias in aliases}
        case ast.ImportFrom(module=str(module), level=0):
            return {module.split(".")[0]}
    return set()


def test_one_module_alone_knows_the_map_on_the_disk() -> None:
    assert importers("rocksdict", sources()) == ["gateway/kv.py"]


def test_what_only_some_mounts_need_is_not_imported_at_start() -> None:
    program = "import sys, gateway.app, gateway.cli.main; print(*{name.split('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    loaded = set(ran.stdout.split())
    assert "gateway" in loaded
    assert not loaded & set(HEAVY)
