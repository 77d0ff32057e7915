"""What the documentation and the example say about configuration and metrics is what the code says."""

import ast
from pathlib import Path

import pytest

from tests.tidy.sources import sources
from tests.tidy.tables import PAGES, current


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tables_of_the_docs_are_current(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == current(page), "run `make docs`"


def test_metrics_are_declared_in_one_module() -> None:
    elsewhere = [
        source.path
        for source in sources()
        if source.path.startswith("gateway/") and source.path not in ("gateway/metrics.py", "gateway/tallies.py")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom | ast.Import) and "prometheus_client" in ast.unparse(node)
    ]
    assert not elsewhere
