"""A measured figure and its limit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A measured figure and what it may be at most."""

    name: str
    value: float
    limit: float
    unit: str

    @property
    def is_within(self) -> bool:
        return self.value <= self.limit
