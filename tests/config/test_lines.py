"""Where keys stand in a TOML text."""

import tomllib
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from gateway.config.lines import Path, key_lines, line_of

DOCUMENT = """\
# a comment = 1
top = 1
[a]
x = "quoted # = [ "
"y z" = 2
b.c = 3

[[list]]
x = 1
[[list]]
x = [
  "in = 1",  # comment ]
  { k = 2 },
]
[list.inner]
deep = 1
text = '''
[not-a-table]
fake = 1
'''
esc = \"\"\"\\\"\"\" [also-none]
\"\"\"
[a.b.d]
e = {f = 1}
"""


def test_every_key_is_found_on_its_line() -> None:
    lines = key_lines(DOCUMENT)
    assert lines == {
        ("top",): 2,
        ("a",): 3,
        ("a", "x"): 4,
        ("a", "y z"): 5,
        ("a", "b"): 6,
        ("a", "b", "c"): 6,
        ("list", 0): 8,
        ("list", 0, "x"): 9,
        ("list", 1): 10,
        ("list", 1, "x"): 11,
        ("list", 1, "inner"): 15,
        ("list", 1, "inner", "deep"): 16,
        ("list", 1, "inner", "text"): 17,
        ("list", 1, "inner", "esc"): 21,
        ("a", "b", "d"): 23,
        ("a", "b", "d", "e"): 24,
    }


def test_what_is_not_there_stands_where_its_table_does() -> None:
    lines = key_lines(DOCUMENT)
    assert line_of(("list", 1, "inner", "missing"), lines) == 15
    assert line_of(("list", 1, "x", 1, "k"), lines) == 11
    assert line_of(("nowhere",), lines) is None


_VALUES = st.sampled_from(
    [
        "1",
        '"a = 1"',
        '"\\"[x]"',
        "'[y]'",
        '["a", "b"]',
        '[\n "c",\n]',
        '"""\n[z]\n"""',
        "'''\nq = 1\n'''",
        '{ k = "]" }',
        '"""a""""',
    ]
)
_NAMES = st.sampled_from(["a", "b-c", "d_1"])


@given(st.lists(st.tuples(st.sampled_from(["table", "list", "key"]), _NAMES, _VALUES), max_size=20))
def test_the_lines_agree_with_the_parser(entries: list[tuple[str, str, str]]) -> None:
    text = _document(entries)
    paths = {path for path in _paths(tomllib.loads(text), ()) if path not in _inline(text)}
    found = key_lines(text)
    assert set(found) >= paths - {path for path in paths if isinstance(path[-1], str) and (*path, 0) in found}
    rows = text.split("\n")
    for path, line in found.items():
        name = path[-1] if isinstance(path[-1], str) else path[-2]
        assert str(name) in rows[line - 1]


def _document(entries: list[tuple[str, str, str]]) -> str:
    """A valid document: the names of tables and keys are made unique by their number."""
    lines: list[str] = []
    for number, (kind, name, value) in enumerate(entries):
        match kind:
            case "table":
                lines.append(f"[{name}{number}]")
            case "list":
                lines += [f"[[{name}{number}]]", f"[[{name}{number}]]  # second"]
            case _:
                lines.append(f"{name}{number} = {value}")
    return "\n".join(lines)


def _paths(value: object, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from _paths(inner, (*path, name))
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


def _inline(text: str) -> set[Path]:
    """The paths inside inline tables: their key is `k`, which nothing else is called."""
    return {path for path in _paths(tomllib.loads(text), ()) if path[-1] == "k"}
