"""From file, environment and command line to a checked `Config`, or to every problem in it."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

from gateway.config.checks import problems_of
from gateway.config.fields import Section
from gateway.config.lines import Path as KeyPath
from gateway.config.lines import key_lines, line_of
from gateway.config.sections import Config
from gateway.errors import ConfigInvalid

FILE_SIZE_MAX = 4 * 1024 * 1024
"""Bytes of a configuration file."""

OVERRIDE = "FOREBAY__"
"""What the names of environment variables that override a key begin with."""

Toml = str | int | float | bool | datetime | date | time | list["Toml"] | dict[str, "Toml"]

_VARIABLE = re.compile(r"\$\{([^}]*)\}?")
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOML_LINE = re.compile(r"(.*) \(at line (\d+), column \d+\)")


def load(path: Path | None, environ: Mapping[str, str], sets: Sequence[str] = ()) -> Config:
    """The configuration in the file at `path`, or the defaults without one.

    Over it go `FOREBAY__SECTION__KEY` of `environ`, and over these `sets`, each `section.key=value`.
    Raises `ConfigInvalid` with one line per problem.
    """
    source = Source() if path is None else _expanded(_read(path), environ)
    return build(source, environ, sets)


def override_of(key: str, environ: Mapping[str, str], sets: Sequence[str]) -> str | None:
    """What environment or command line say of one key, `section.key`; None if they say nothing."""
    found = [text for _, path, text in _overrides(environ, sets, []) if ".".join(path) == key]
    return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed configuration before it is checked; relative paths count from `base`."""

    name: str = "configuration"
    tables: dict[str, Toml] = field(default_factory=dict)
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    base: Path = Path()
    origins: Mapping[KeyPath, str] = field(default_factory=dict)
    """Where values come from that are not in the text."""

    def problem(self, path: KeyPath, message: str) -> str:
        """One line for a person: where, which key, what is wrong with it."""
        line = line_of(path, self.lines)
        where = self.origins.get(path) or (self.name if line is None else f"{self.name}:{line}")
        return f"{where}: {_dotted(path)}: {message}" if path else f"{where}: {message}"


def build(source: Source, environ: Mapping[str, str], sets: Sequence[str]) -> Config:
    """Overrides and checks a parsed configuration; raises `ConfigInvalid`."""
    problems: list[str] = []
    tables = dict(source.tables)
    origins: dict[KeyPath, str] = {}
    for origin, path, text in _overrides(environ, sets, problems):
        origins[path] = origin
        _override(tables, path, text, problems)
    if problems:
        raise ConfigInvalid(problems)
    source = replace(source, origins=origins)
    try:
        config = Config.model_validate(_with_every_section(tables), context={"base": source.base})
    except ValidationError as error:
        raise ConfigInvalid(_sentences(error, source)) from error
    problems = [source.problem(path, message) for path, message in problems_of(config)]
    if problems:
        raise ConfigInvalid(problems)
    return config


def _read(path: Path) -> Source:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_SIZE_MAX + 1)
        if len(raw) > FILE_SIZE_MAX:
            raise ConfigInvalid([f"{path}: too large to be a configuration"])
        text = raw.decode()
        return Source(path.name, tomllib.loads(text), key_lines(text), path.absolute().parent)
    except OSError as error:
        raise ConfigInvalid([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigInvalid([f"{path}: not UTF-8 text"]) from error
    except tomllib.TOMLDecodeError as error:
        match = _TOML_LINE.fullmatch(str(error))
        problem = f"{path.name}:{match[2]}: {match[1]}" if match else f"{path.name}: {error}"
        raise ConfigInvalid([problem]) from error


def _expanded(source: Source, environ: Mapping[str, str]) -> Source:
    """The same with `${NAME}` replaced in every text; raises `ConfigInvalid`."""
    problems: list[str] = []

    def expand(value: Toml, path: KeyPath) -> Toml:
        match value:
            case str():
                return _VARIABLE.sub(lambda match: content(match, path), value)
            case list():
                return [expand(each, (*path, index)) for index, each in enumerate(value)]
            case dict():
                return {name: expand(each, (*path, name)) for name, each in value.items()}
            case _:
                return value

    def content(match: re.Match[str], path: KeyPath) -> str:
        name = match[1]
        if not _VARIABLE_NAME.fullmatch(name) or not match[0].endswith("}"):
            problems.append(source.problem(path, "${ begins an environment variable, ${NAME}; this is none"))
        elif name not in environ:
            problems.append(source.problem(path, f"the environment variable {name} is not set"))
        return environ.get(name, "")

    tables = {name: expand(value, (name,)) for name, value in source.tables.items()}
    if problems:
        raise ConfigInvalid(problems)
    return replace(source, tables=tables)


def _overrides(
    environ: Mapping[str, str], sets: Sequence[str], problems: list[str]
) -> Iterator[tuple[str, tuple[str, ...], str]]:
    for name, text in sorted(environ.items()):
        if name.startswith(OVERRIDE):
            yield name, tuple(name.removeprefix(OVERRIDE).lower().split("__")), text
    for each in sets:
        dotted, equals, text = each.partition("=")
        if not equals or "." not in dotted:
            problems.append(f"--set {dotted}: write --set section.key=value")
            continue
        yield f"--set {dotted}", tuple(dotted.strip().split(".")), text


def _override(tables: dict[str, Toml], path: tuple[str, ...], text: str, problems: list[str]) -> None:
    table = tables
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            problems.append(f"{'.'.join(path)}: only keys of tables can be overridden, not those of lists")
            return
        table = inner
    table[path[-1]] = _override_value(text)


def _override_value(text: str) -> Toml:
    # Lists and tables are written as in the file; everything else is text that the field reads.
    if not text.startswith(("[", "{")):
        return text
    try:
        return _first_value(tomllib.loads(f"value = {text}"))
    except tomllib.TOMLDecodeError:
        return text


def _first_value(table: dict[str, Toml]) -> Toml:
    return table["value"]


def _with_every_section(tables: dict[str, Toml]) -> dict[str, Toml]:
    # A default must be read with the base directory at hand, so no section is left to its default.
    missing: dict[str, Toml] = {
        name: {}
        for name, model_field in Config.model_fields.items()
        if isinstance(model_field.annotation, type) and issubclass(model_field.annotation, Section)
    }
    return {**missing, **tables}


def _sentences(error: ValidationError, source: Source) -> list[str]:
    found: list[tuple[KeyPath, str]] = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        match each["type"]:
            case "extra_forbidden":
                found.append((each["loc"], "unknown key" + _nearest(each["loc"])))
            case "missing":
                found.append((each["loc"], "is missing"))
            case "default_factory_not_called":
                pass  # The field it would be made of has its own sentence.
            case _:
                found.append((each["loc"], _said(each["msg"])))
    found.sort(key=lambda problem: line_of(problem[0], source.lines) or 0)
    return [source.problem(path, message) for path, message in found]


def _said(message: str) -> str:
    # The library speaks of "input", which is a word for programmers.
    return message.removeprefix("Value error, ").replace("Input should", "must", 1)


def _nearest(path: KeyPath) -> str:
    known = _known_keys(path[:-1])
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known are {', '.join(known)}" if known else "; there are none here"


def _known_keys(path: KeyPath) -> list[str]:
    sections: list[type[Section]] = [Config]
    for step in path:
        # A step that is no field is an index or a name that users give: the section stays.
        inner = [
            found
            for section in sections
            if step in section.model_fields
            for found in _sections_in(section.model_fields[str(step)].annotation)
        ]
        sections = inner or sections
    return sorted({name for section in sections for name in section.model_fields})


def _sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    for part in get_args(annotation):
        yield from _sections_in(part)


def _dotted(path: KeyPath) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
