"""The keys of the configuration, read off its models."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.config import Config


@dataclass(frozen=True, slots=True)
class Key:
    """One key as people write it: `default` is TOML text, None where the key must be given or depends on the host."""

    name: str
    default: str | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Table:
    """One TOML table: its header as people write it, what it is for, and its own keys."""

    header: str
    meaning: str
    keys: tuple[Key, ...]


def tables() -> tuple[Table, ...]:
    """Every table of the configuration file, in the order of the models."""
    return tuple(table for name, field in Config.model_fields.items() for table in _tables(name, field))


def _tables(path: str, field: FieldInfo) -> Iterator[Table]:
    for model in _models(field.annotation):
        name = f"{path}.NAME" if _holds(field, dict) else path
        header = f"[[{name}]]" if _holds(field, tuple) else f"[{name}]"
        yield Table(header, _one_line(model.__doc__), tuple(_keys(model)))
        for inner, inner_field in model.model_fields.items():
            yield from _tables(f"{name}.{inner}", inner_field)


def _keys(model: type[BaseModel]) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        if not _models(field.annotation):
            yield Key(name, _default(field), _one_line(field.description))


def _models(annotation: object) -> list[type[BaseModel]]:
    """The models inside an annotation such as `tuple[Model, ...]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]


def _holds(field: FieldInfo, container: type) -> bool:
    return getattr(field.annotation, "__origin__", None) is container


def _default(field: FieldInfo) -> str | None:
    if field.is_required() or field.default_factory not in (None, dict):
        return None
    value = field.get_default(call_default_factory=True)
    match value:
        case None:
            return '""'
        case bool():
            return str(value).lower()
        case ():
            return "[]"
        case dict():
            return "{}"
        case tuple():
            return "[" + ", ".join(f'"{each}"' for each in value) + "]"
        case int() | float() if type(value) in (int, float):
            return str(value)
    return '""' if not value else f'"{value}"'


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
