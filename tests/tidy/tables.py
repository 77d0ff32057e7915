"""Writes the tables in docs/ that say what the code says: `python -m tests.tidy.tables`."""

from collections.abc import Callable, Mapping
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from gateway.metrics import Metrics
from gateway.tallies import Counters, Histograms
from tests.tidy.schema import Key, tables
from tests.tidy.sources import ROOT

_Metric = MetricWrapperBase | Counters | Histograms

BEGIN = "<!-- written by `make docs` from here -->"
END = "<!-- to here -->"


def configuration() -> str:
    """One table per section: key, default, meaning."""
    parts: list[str] = []
    for table in tables():
        if table.keys:
            rows = "\n".join(_row(f"`{key.name}`", _default(key), key.meaning) for key in table.keys)
            parts.append(
                f"### `{table.header}`\n\n{table.meaning}\n\n| key | default | meaning |\n|---|---|---|\n{rows}\n"
            )
    return "\n".join(parts)


def metrics() -> str:
    """One row per metric: name with labels, kind, meaning."""
    rows = sorted(
        _row(f"`{_name(metric, family.type)}`", family.type, family.documentation)
        for metric in _declared(Metrics())
        for family in metric.describe()
    )
    return "\n".join(["| metric | kind | meaning |", "|---|---|---|", *rows]) + "\n"


PAGES: Mapping[Path, Callable[[], str]] = {
    ROOT / "docs" / "configuration.md": configuration,
    ROOT / "docs" / "metrics.md": metrics,
}


def current(page: Path) -> str:
    """The page as it should be: its own text, with the part between the marks written anew."""
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page.name} has lost the marks around its table")
    return f"{before}{BEGIN}\n\n{PAGES[page]()}\n{END}{after}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(key: Key) -> str:
    return f"`{key.default}`" if key.default is not None else "-"


def _declared(metrics: Metrics) -> list[_Metric]:
    # The library tells what a registry holds, and the labels of a metric, in private attributes only.
    return [metric for metric in metrics._registry._collector_to_names if isinstance(metric, _Metric)]


def _name(metric: _Metric, kind: str) -> str:
    if isinstance(metric, MetricWrapperBase):
        name, labels = metric._name + ("_total" if kind == "counter" else ""), ",".join(metric._labelnames)
    else:
        name, labels = metric.name, ",".join(metric.labels)
    return f"{name}{{{labels}}}" if labels else name


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(current(page), encoding="utf-8")
