"""The example configuration shows every key of the models, no other, and their defaults."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config import Config, load
from tests.tidy.schema import tables
from tests.tidy.sources import ROOT

EXAMPLE = ROOT / "config.example.toml"
COMMENTED = re.compile(r"^# (?=\[|\w+ = )", re.MULTILINE)
"""What the example can only show as a comment, because it excludes something beside it."""

PLAIN_SECTIONS = ("node", "listen", "s3", "admin", "limits", "store", "log")
"""The sections that exist once and whose keys all have defaults."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A key that stands in the example, in a table named as the models name it."""

    table: str
    key: str


def shown(name: str, table: Mapping[str, object]) -> Iterator[Shown]:
    """The keys of a parsed table and of the tables in it. Names of policies become NAME."""
    for key, value in table.items():
        inner = f"{name}.{'NAME' if name == 'policy' else key}".removeprefix(".")
        # The operators of a condition are words of IAM's, not keys of ours.
        nested = [] if key == "condition" else value if isinstance(value, list) else [value]
        below = [each for each in nested if isinstance(each, dict)]
        if not below and name != "policy":
            yield Shown(name, key)
        for each in below:
            yield from shown(inner, each)


def parsed() -> dict[str, object]:
    return tomllib.loads(COMMENTED.sub("", EXAMPLE.read_text(encoding="utf-8")))


def test_the_example_shows_every_key_and_no_other() -> None:
    known = {Shown(table.header.strip("[]"), key.name) for table in tables() for key in table.keys}
    found = set(shown("", parsed()))
    assert found <= known
    # Places have the same options everywhere, so one section shows them all.
    assert {key for key in known - found if key.table != "new_buckets.options"} == set()


@pytest.mark.parametrize("section", PLAIN_SECTIONS)
def test_the_example_shows_the_defaults(section: str) -> None:
    from_example = Config.model_validate({section: parsed()[section]}).model_dump(exclude={"node": {"name"}})
    assert from_example == Config().model_dump(exclude={"node": {"name"}})


def test_the_example_can_be_used(tmp_path: Path) -> None:
    copy = tmp_path / "config.toml"
    copy.write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    secrets = {"TEAM_A_SECRET": "one-secret-of-team-a", "OPERATOR_SECRET": "one-secret-of-operators"}
    assert load(copy, secrets, ()).mount[0].bucket == "train"
