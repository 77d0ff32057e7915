"""`forebay doctor`: looks for what keeps a node from working, and says what to do."""

import dataclasses
import json
from collections.abc import Callable, Iterator

from gateway.cli import examine
from gateway.cli.examine_backends import backends
from gateway.cli.examine_store import store
from gateway.cli.findings import Finding, Health
from gateway.cli.options import Options
from gateway.config import Config, embedded_default, load, warnings_of
from gateway.config.credentials import FILE_NAME, read_credentials
from gateway.config.embedded import DATA_DIR
from gateway.errors import ConfigInvalid

_EXAMINATIONS: tuple[Callable[[Config], Iterator[Finding]], ...] = (
    examine.libraries,
    examine.open_files,
    examine.data_dir,
    examine.places,
    store,
    backends,
    examine.certificate,
    examine.ports,
    examine.running_node,
)

_MARKS = {Health.GOOD: "good   ", Health.WARNING: "warning", Health.BAD: "BAD    "}


def doctor(options: Options) -> int:
    """1 if anything is bad, else 0."""
    findings = list(_findings(options))
    if options.as_json:
        print(json.dumps([{**dataclasses.asdict(each), "health": each.health.value} for each in findings], indent=2))
    else:
        for each in findings:
            print(f"{_MARKS[each.health]}  {each.subject}: {each.finding}")
            if each.advice:
                print(f"         -> {each.advice}")
    return 1 if any(each.health is Health.BAD for each in findings) else 0


def _findings(options: Options) -> Iterator[Finding]:
    try:
        config = _config(options)
    except ConfigInvalid as error:
        for problem in error.problems:
            yield Finding("configuration", Health.BAD, problem, "Correct it; config.example.toml shows every key.")
        return
    if config is None:
        # Looking must not make anything: so the defaults it is, without a key and without buckets.
        yield Finding("configuration", Health.GOOD, "none; the first `forebay serve` makes ./forebay-data here")
        config = load(None, options.environ, options.sets)
    else:
        yield Finding("configuration", Health.GOOD, str(options.config or "built-in"))
        for warning in warnings_of(config):
            yield Finding("configuration", Health.WARNING, warning)
    for examination in _EXAMINATIONS:
        yield from examination(config)


def _config(options: Options) -> Config | None:
    """What `serve` would run with; None if that does not exist yet."""
    if options.config is not None:
        return load(options.config, options.environ, options.sets)
    if read_credentials(DATA_DIR / FILE_NAME) is None:
        return None
    return embedded_default(environ=options.environ, sets=options.sets)
