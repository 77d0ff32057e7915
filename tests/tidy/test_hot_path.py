"""What runs at every hit neither waits, nor logs, nor makes mappings: the lane must stay cheap."""

import ast
from collections.abc import Iterator

import pytest

from tests.tidy.sources import Source, sources

MODULES = ("gateway/server/lane.py", "gateway/handlers/hits.py", "gateway/cache/hits.py", "gateway/s3/usual.py")
HOT = {
    "gateway/server/lane.py": {"usual", "count", "_reply"},
    "gateway/handlers/hits.py": {"hit", "_usual"},
    "gateway/cache/hits.py": {"find", "slices", "served", "read"},
    "gateway/s3/usual.py": {"read", "signature"},
    "gateway/store/resident.py": {"slice_now", "count", "release"},
    "gateway/store/lately.py": {"find"},
    "gateway/server/connection.py": {"data_received", "on_header", "on_headers_complete", "_open_lane", "_send"},
    "gateway/server/sending.py": {"_write", "_push", "_send"},
}
"""The functions that every hit passes through, by module."""

_WAITING = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
_MAPPINGS = (ast.Dict, ast.DictComp, ast.SetComp, ast.GeneratorExp)


@pytest.mark.parametrize("path", MODULES)
def test_the_lane_neither_waits_nor_logs(path: str) -> None:
    for node in ast.walk(_source(path).tree):
        assert not isinstance(node, _WAITING), f"{path}:{getattr(node, 'lineno', 0)} waits"
        assert not (isinstance(node, ast.Import | ast.ImportFrom) and "logging" in ast.unparse(node)), path
        assert not (isinstance(node, ast.Name) and node.id == "log"), f"{path}:{node.lineno} logs"


@pytest.mark.parametrize("path", HOT)
def test_what_every_hit_passes_through_makes_no_mapping_and_logs_nothing(path: str) -> None:
    functions = list(_functions(_source(path).tree, HOT[path]))
    assert {function.name for function in functions} == HOT[path], "a function was renamed: name it here again"
    for function in functions:
        for node in ast.walk(function):
            where = f"{path}:{getattr(node, 'lineno', 0)}: {function.name}"
            assert not isinstance(node, _MAPPINGS), f"{where} makes a mapping or a generator"
            assert not isinstance(node, _WAITING), f"{where} waits"
            assert not (isinstance(node, ast.Name) and node.id == "log"), f"{where} logs"


def _source(path: str) -> Source:
    return next(source for source in sources() if source.path == path)


def _functions(tree: ast.Module, names: set[str]) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name in names)
