"""The command line: which commands there are and what they take. Each command's work is imported when it runs."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway import __version__
from gateway.cli.options import Options
from gateway.errors import ConfigInvalid

FAILED = 1
"""Exit code: the work failed."""
WRONG = 2
"""Exit code: usage or configuration are wrong."""

_EPILOG = """\
Reading commands find their node by --endpoint or FOREBAY_ENDPOINT, else by listen.admin of the --config
file, else http://127.0.0.1:9001. They prove themselves by FOREBAY_TOKEN, else FOREBAY_ACCESS_KEY_ID and
FOREBAY_SECRET_ACCESS_KEY, else by the file's [admin] token or the first of its keys that may admin:Read,
else by ./forebay-data/credentials.toml.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or configuration.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code."""
    given = vars(_parser().parse_args(arguments))
    work: Callable[[Options], int] = given.pop("work")
    try:
        return work(Options(environ=os.environ, **given))
    except ConfigInvalid as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return FAILED


def _serve(options: Options) -> int:
    from gateway.cli.serve import serve

    return serve(options)


def _check_config(options: Options) -> int:
    from gateway.cli.check_config import check_config

    return check_config(options)


def _status(options: Options) -> int:
    from gateway.cli.status import status

    return status(options)


def _doctor(options: Options) -> int:
    from gateway.cli.doctor import doctor

    return doctor(options)


def _explain(options: Options) -> int:
    from gateway.cli.explain import explain

    return explain(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="forebay",
        description="An S3 gateway in front of the stores you have.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"forebay {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    config, local, sets, endpoint, as_json, file, uri = (argparse.ArgumentParser(add_help=False) for _ in range(7))
    config.add_argument("--config", type=Path, metavar="FILE", help="the configuration, a TOML file")
    local.add_argument(
        "--local", type=Path, metavar="DIR", help="without a configuration: serve DIR as a bucket named after it"
    )
    sets.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="section.key=value",
        help="override one key of the configuration; may be repeated",
    )
    endpoint.add_argument("--endpoint", metavar="URL", help="the node's admin port, like http://127.0.0.1:9001")
    as_json.add_argument("--json", dest="as_json", action="store_true", help="print JSON for programs")
    file.add_argument("config", type=Path, metavar="FILE", help="the configuration, a TOML file")
    uri.add_argument("uri", metavar="s3://BUCKET/KEY", help="an object, its key percent-encoded where a shell needs it")
    for name, work, does, options in (
        ("serve", _serve, "run a node until SIGTERM", [config, local, sets]),
        ("check-config", _check_config, "name every problem of a configuration with its line", [file]),
        ("status", _status, "show a running node and its buckets", [endpoint, config, as_json]),
        ("explain", _explain, "tell what a node's cache holds of an object, and why", [uri, endpoint, config, as_json]),
        ("doctor", _doctor, "look for what keeps a node from working, and say what to do", [config, sets, as_json]),
    ):
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", parents=options)
        command.set_defaults(work=work)
    return parser
