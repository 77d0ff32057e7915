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
Commands to a running node find it by --endpoint or FOREBAY_ENDPOINT, else by listen.admin of the --config
file, else http://127.0.0.1:9001. They prove themselves by FOREBAY_TOKEN, else FOREBAY_ACCESS_KEY_ID and
FOREBAY_SECRET_ACCESS_KEY, else by the file's [admin] token or the first of its keys that may admin:Read
(evict, invalidate, pin and unpin: admin:Write), else by ./forebay-data/credentials.toml.

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


def _evict(options: Options) -> int:
    from gateway.cli.orders import evict

    return evict(options)


def _invalidate(options: Options) -> int:
    from gateway.cli.orders import invalidate

    return invalidate(options)


def _pin(options: Options) -> int:
    from gateway.cli.orders import pin

    return pin(options)


def _unpin(options: Options) -> int:
    from gateway.cli.orders import unpin

    return unpin(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="forebay",
        description="An S3 gateway in front of the stores you have.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"forebay {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    config, local, sets, endpoint, as_json, file, uri, prefix, life = (
        argparse.ArgumentParser(add_help=False) for _ in range(9)
    )
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
    prefix.add_argument("uri", metavar="s3://BUCKET/PREFIX", help="all keys that begin so; without PREFIX all of it")
    life.add_argument(
        "--for", dest="life_s", type=_life_s, metavar="TIME", help="how long, like 12h or 7d; without it, for good"
    )
    for name, work, does, options in (
        ("serve", _serve, "run a node until SIGTERM", [config, local, sets]),
        ("check-config", _check_config, "name every problem of a configuration with its line", [file]),
        ("status", _status, "show a running node and its buckets", [endpoint, config, as_json]),
        ("explain", _explain, "tell what a node's cache holds of an object, and why", [uri, endpoint, config, as_json]),
        ("evict", _evict, "forget what a node keeps of a bucket or prefix", [prefix, endpoint, config, as_json]),
        ("invalidate", _invalidate, "ask the backend before using it again", [prefix, endpoint, config, as_json]),
        ("pin", _pin, "hold on to what is here of an object", [uri, life, endpoint, config, as_json]),
        ("unpin", _unpin, "let go of an object that was pinned", [uri, endpoint, config, as_json]),
        ("doctor", _doctor, "look for what keeps a node from working, and say what to do", [config, sets, as_json]),
    ):
        command = commands.add_parser(name, help=does, description=f"{does[0].upper()}{does[1:]}.", parents=options)
        command.set_defaults(work=work)
    return parser


def _life_s(text: str) -> int:
    from gateway.config.fields import Duration

    try:
        life_s = int(Duration.parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if life_s < 1:
        raise argparse.ArgumentTypeError("must be 1s or more")
    return life_s
