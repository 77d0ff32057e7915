"""Where the objects of a bucket lie: a backend, its `uri` and its options."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from gateway.config.fields import Section


class LocalOptions(Section):
    """Options of the backend `local`, a directory."""

    keys: Literal["exact", "escape"] = "exact"
    """`exact`: file names are the keys as they are, and keys a file system cannot hold are refused;
    `escape`: every key is held, for directories that belong to the gateway alone."""

    threads: Annotated[int, Field(ge=1, le=256)] = 16
    """Threads that wait for this directory's disk."""


class MemoryOptions(Section):
    """Options of the backend `memory`: there are none."""


BackendOptions = LocalOptions | MemoryOptions
_OPTIONS: Mapping[str, type[LocalOptions] | type[MemoryOptions]] = {"local": LocalOptions, "memory": MemoryOptions}


def _default_options(given: Mapping[str, str]) -> BackendOptions:
    return _OPTIONS[given.get("backend", "memory")]()


class PlaceConfig(Section):
    """A place at a backend; what `[[mount]]` and `[new_buckets]` share."""

    backend: Literal["local", "memory"]
    """The kind of store: `local`, a directory; `memory`, for tests: gone when the node stops."""

    uri: Annotated[str, Field(validate_default=True)] = ""
    """The place there: for `local` a directory, made if it is missing; for `memory` empty."""

    options: Annotated[BackendOptions, Field(default_factory=_default_options)]
    """What only this backend knows."""

    @field_validator("uri", mode="after")
    @classmethod
    def _suits_the_backend(cls, uri: str, info: ValidationInfo) -> str:
        backend = info.data.get("backend")
        if backend == "memory" and uri:
            raise ValueError("must be empty for the backend memory")
        if backend != "local":
            return uri
        if not uri:
            raise ValueError("names no directory")
        if "://" in uri:
            raise ValueError("a directory is written as a plain path")
        base = Path(info.context["base"]) if info.context else Path()
        return str(base / Path(uri).expanduser())

    @field_validator("options", mode="before")
    @classmethod
    def _known_to_the_backend(cls, options: object, info: ValidationInfo) -> object:
        model = _OPTIONS.get(info.data.get("backend", ""))
        if model is None or isinstance(options, model):
            return options
        return model.model_validate(options, context=info.context)
