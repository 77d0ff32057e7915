"""What `forebay doctor` says of one thing that it looked at."""

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Health(Enum):
    """How a thing is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `advice` says what to do where it is not good."""

    subject: str
    health: Health
    finding: str
    advice: str = ""


def writable(subject: str, directory: Path) -> Finding:
    """Whether a directory can be written, or made where it is missing."""
    nearest = nearest_existing(directory)
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        finding = "is writable" if nearest == directory else "is missing; the next start makes it"
        return Finding(subject, Health.GOOD, f"{directory} {finding}")
    trouble = "is not writable" if nearest.is_dir() else "is no directory"
    return Finding(subject, Health.BAD, f"{nearest} {trouble}", "Give its user the right to write, or choose another.")


def nearest_existing(directory: Path) -> Path:
    """The directory, or what exists of the way to it: what is missing is made at the start."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory
