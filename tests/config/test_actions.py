"""The actions that policies may name."""

import ast
import re
from pathlib import Path

import pytest

import gateway
from gateway.config.actions import ACTIONS, is_asked_for, nearest

ACTION = re.compile(r"(s3|admin):[A-Z][A-Za-z]+")


def test_the_list_is_what_the_gateway_asks_for() -> None:
    package = Path(gateway.__file__).parent
    asked = {
        node.value
        for path in package.rglob("*.py")
        if path.parent.name != "config"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ACTION.fullmatch(node.value)
    }
    assert set(ACTIONS) == asked


@pytest.mark.parametrize("pattern", ["*", "s3:*", "s3:Get*", "S3:getobject", "s3:?etObject", "admin:*", "admin:Read"])
def test_patterns_that_match_something_are_asked_for(pattern: str) -> None:
    assert is_asked_for(pattern)


@pytest.mark.parametrize(
    ("pattern", "meant"),
    [("s3:GetObjekt", "s3:GetObject"), ("s3:PutObjects", "s3:PutObject"), ("s3:Fly", None), ("admin:Purge*", None)],
)
def test_a_misspelt_action_is_told_with_the_nearest(pattern: str, meant: str | None) -> None:
    assert not is_asked_for(pattern)
    assert nearest(pattern) == meant
