"""Where in a TOML text each key stands; the parser of the standard library does not tell."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""The way to a value: names of tables and keys, and indices into arrays."""

_NAME = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*"
_HEADER = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_DOTTED})[ \t]*\]")
_ASSIGNMENT = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_TOKEN = re.compile(r'"""|\'\'\'|"(?:[^"\\]|\\.)*"|\'[^\']*\'|#.*|[\[\]{}]')


def key_lines(text: str) -> Mapping[Path, int]:
    """The line, counted from 1, of every table and key of a TOML document that parses.

    Keys inside inline tables and arrays are not told apart: they stand where their outermost key does.
    """
    return dict(_found(text))


def line_of(path: Path, lines: Mapping[Path, int]) -> int | None:
    """The line of `path`, or of the nearest table around it."""
    for stop in range(len(path), 0, -1):
        if path[:stop] in lines:
            return lines[path[:stop]]
    return None


@dataclass(slots=True)
class _Value:
    """Whether a value reaches over the end of a line: inside which quotes, how deep in brackets."""

    quotes: str = ""
    depth: int = 0

    @property
    def is_open(self) -> bool:
        return bool(self.quotes) or self.depth > 0

    def feed(self, line: str) -> None:
        position = 0
        while True:
            if self.quotes:
                end = _end_of_quotes(line, position, self.quotes)
                if end is None:
                    return
                position, self.quotes = end, ""
            token = _TOKEN.search(line, position)
            if token is None:
                return
            position = token.end()
            if token[0] in ('"""', "'''"):
                self.quotes = token[0]
            elif token[0] in ("[", "{"):
                self.depth += 1
            elif token[0] in ("]", "}"):
                self.depth -= 1


def _end_of_quotes(line: str, position: int, quotes: str) -> int | None:
    escaped = r"(?:[^\\]|\\.)*?" if quotes == '"""' else r".*?"
    # Up to two more quotes may stand right before the closing three: they belong to the text.
    match = re.compile(escaped + quotes + quotes[0] + "{0,2}").match(line, position)
    return match.end() if match else None


def _found(text: str) -> Iterator[tuple[Path, int]]:
    table: Path = ()
    counts: dict[Path, int] = {}
    value = _Value()
    for number, line in enumerate(text.split("\n"), start=1):
        if value.is_open:
            value.feed(line)
        elif header := _HEADER.match(line):
            table = _resolved(_names(header[2]), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, number
        elif assignment := _ASSIGNMENT.match(line):
            path = table
            for name in _names(assignment[1]):
                path = (*path, name)
                yield path, number
            value.feed(line[assignment.end() :])


def _names(dotted: str) -> list[str]:
    return [name.strip("\"'") for name in re.findall(_NAME, dotted)]


def _resolved(names: list[str], counts: Mapping[Path, int]) -> Path:
    """The path of a header's names: behind the name of an array of tables stands its newest index."""
    path: Path = ()
    for position, name in enumerate(names):
        path = (*path, name)
        if path in counts and position + 1 < len(names):
            path = (*path, counts[path])
    return path
