"""Every Python file keeps the rules, and every rule finds what breaks it."""

from collections.abc import Callable, Iterator

import pytest

from tests.tidy import rules
from tests.tidy.sources import Source, parse, sources

Rule = Callable[[Source], Iterator[str]]

PARAMETERS = ", ".join(f"p{number}" for number in range(rules.PARAMETERS_MAX))
LONG_BODY = "    pass\n" * rules.FUNCTION_LINES_MAX

BROKEN: list[tuple[Rule, str, str]] = [
    (rules.oversized_module, "gateway/a.py", "\n" * (rules.MODULE_LINES_MAX + 1)),
    (rules.oversized_module, "tests/a.py", "\n" * (rules.TEST_MODULE_LINES_MAX + 1)),
    (rules.oversized_functions, "tests/a.py", f"def f():\n{LONG_BODY}"),
    (rules.oversized_functions, "gateway/a.py", f"class C:\n  async def f():\n{LONG_BODY}"),
    (rules.too_many_parameters, "gateway/a.py", f"def f({PARAMETERS}, *, more): ..."),
    (rules.too_many_parameters, "gateway/a.py", f"class C:\n  async def f(self, {PARAMETERS}, **more): ..."),
    (rules.nameless, "gateway/s3/utils.py", ""),
    (rules.nameless, "gateway/common/a.py", ""),
    (rules.nameless, "gateway/a.py", "class FlightManager: ..."),
    (rules.nameless, "gateway/a.py", "def list_helper(): ..."),
    (rules.undocumented_module, "gateway/a.py", "import os"),
    (rules.undocumented_module, "gateway/__init__.py", ""),
    (rules.undocumented_module, "gateway/a.py", '"""a title without an end"""'),
    (rules.undocumented_module, "gateway/a.py", '"""A sentence.\nThat goes on."""'),
    (rules.undocumented_names, "gateway/a.py", "def f(): ..."),
    (rules.undocumented_names, "gateway/a.py", "class C:\n  def f(self): ..."),
    (rules.catches_of_all, "gateway/a.py", "try: f()\nexcept Exception: g()"),
    (rules.catches_of_all, "gateway/a.py", "try: f()\nexcept: g()"),
    (rules.catches_of_all, "gateway/a.py", "try: f()\nexcept (ValueError, BaseException): g()"),
    (rules.catches_of_all, "gateway/jobs/a.py", "try: f()\nexcept Exception:\n  try: g()\n  except Exception: h()"),
    (rules.sleeps, "tests/a.py", "import time\ntime.sleep(1)"),
]

KEPT: list[tuple[Rule, str, str]] = [
    (rules.oversized_module, "tests/a.py", "\n" * rules.TEST_MODULE_LINES_MAX),
    (rules.oversized_functions, "gateway/a.py", "def f():\n" + "    pass\n" * (rules.FUNCTION_LINES_MAX - 1)),
    (rules.too_many_parameters, "gateway/a.py", f"class C:\n  def f(self, {PARAMETERS}): ..."),
    (rules.too_many_parameters, "tests/a.py", f"def f({PARAMETERS}, more): ..."),
    (rules.nameless, "gateway/a.py", "def common_prefixes(): ..."),
    (rules.undocumented_module, "gateway/a.py", '"""A sentence."""'),
    (rules.undocumented_module, "gateway/a.py", '"""A sentence.\n\nAnd more of them.\n"""'),
    (rules.undocumented_module, "tests/a/__init__.py", ""),
    (rules.undocumented_names, "gateway/a.py", "class Gone(Exception):\n  sentence = 'It is gone.'"),
    (rules.undocumented_names, "gateway/a.py", "def _f(): ..."),
    (rules.catches_of_all, "gateway/jobs/a.py", "try: f()\nexcept Exception: g()"),
    (rules.catches_of_all, "gateway/a.py", "try: f()\nexcept ValueError: g()"),
    (rules.catches_of_all, "gateway/a.py", "try: f()\nexcept BaseException:\n  g()\n  raise"),
]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_every_file_keeps_the_rule(rule: Rule) -> None:
    broken = [finding for source in sources() for finding in rule(source)]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_a_planted_violation_is_found(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(parse(path, text)))) == 1


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_what_is_allowed_is_not_found(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(parse(path, text)))


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(rules.RULES)


def test_the_files_of_the_package_and_of_the_tests_are_looked_at() -> None:
    seen = {source.path for source in sources()}
    assert {"gateway/errors.py", "tests/tidy/rules.py"} <= seen
