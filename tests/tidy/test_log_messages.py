"""What operators read in the log stands in the documentation."""

import ast
from collections.abc import Iterator

from tests.tidy.sources import ROOT, sources

LEVELS = {"warning", "error", "exception"}


def messages() -> Iterator[str]:
    """The sentences that the package logs for people who must look or act."""
    for source in sources():
        if not source.path.startswith("gateway/"):
            continue
        for node in ast.walk(source.tree):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                    args=[ast.Constant(value=str(message)), *_],
                ) if level in LEVELS:
                    yield message


def test_every_warning_and_error_of_the_log_is_explained_to_operators() -> None:
    found, page = set(messages()), (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "ready" not in found
    assert "the file system is full" in found
    assert sorted(message for message in found if f"`{message}`" not in page) == []
