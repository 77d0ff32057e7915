"""A measured figure and its limit."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """A measured figure and what it may be at most; without a limit it is there for orientation."""

    name: str
    value: float
    limit: float | None
    unit: str

    @property
    def is_within(self) -> bool:
        return self.limit is None or self.value <= self.limit


def print_findings(found: Sequence[Finding]) -> None:
    """One line each, with a verdict where there is a limit."""
    print(f"\n{'':70} {'measured':>12} {'at most':>12}")
    for finding in found:
        print(f"{finding.name:70} {f'{finding.value:.2f} {finding.unit}':>12} {_verdict(finding)}")
    print(flush=True)


def _verdict(finding: Finding) -> str:
    if finding.limit is None:
        return ""
    return f"{f'{finding.limit:.4g} {finding.unit}':>12}  {'ok' if finding.is_within else 'TOO MUCH'}"
