"""What a command was given, by the command line and the environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """The options of all commands; a command looks at its own."""

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: Path | None = None
    local: Path | None = None
    sets: Sequence[str] = ()
    endpoint: str | None = None
    as_json: bool = False
    uri: str = ""
    life_s: int | None = None
