"""How log lines look."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from gateway.logs import HumanFormatter, configure

log = logging.getLogger("gateway.test")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    names = ("", "uvicorn", "uvicorn.access", "asyncio")
    kept = [
        (logging.getLogger(name), logging.getLogger(name).level, logging.getLogger(name).handlers[:]) for name in names
    ]
    yield
    for logger, level, handlers in kept:
        logger.setLevel(level)
        logger.handlers[:] = handlers


def test_a_line_is_one_json_object_with_its_fields() -> None:
    out = io.StringIO()
    configure("json", "info", out)
    log.warning("peer read failed", extra={"key": b"a\xff\nb", "status": 503, "node": "n ä"})
    [line] = out.getvalue().splitlines()
    parsed = json.loads(line)
    assert parsed.pop("time").endswith("Z")
    assert parsed == {
        "level": "warning",
        "logger": "gateway.test",
        "message": "peer read failed",
        "key": "a\\xff\nb",
        "status": 503,
        "node": "n ä",
    }


def test_an_exception_stays_on_its_line() -> None:
    out = io.StringIO()
    configure("json", "info", out)
    try:
        raise ValueError("x\ny")
    except ValueError:
        log.exception("request failed")
    [line] = out.getvalue().splitlines()
    assert "ValueError: x\ny" in json.loads(line)["exception"]


def test_people_read_sentence_and_fields() -> None:
    out = io.StringIO()
    configure("human", "info", out)
    log.info("ready", extra={"s3": "127.0.0.1:9000", "path": "a b"})
    assert out.getvalue().endswith('info    ready s3=127.0.0.1:9000 path="a b"\n')


def test_no_field_writes_lines_or_escapes_of_its_own() -> None:
    out = io.StringIO()
    configure("human", "info", out)
    log.info("request", extra={"path": "a\n2030-01-01 error   \x1b[31mfake\u2028", "empty": ""})
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()
    assert "\u2028" not in out.getvalue()
    assert 'empty=""' in out.getvalue()


def test_auto_is_human_on_a_terminal_and_json_elsewhere() -> None:
    terminal, file = Terminal(), io.StringIO()
    configure("auto", "info", terminal)
    log.info("ready")
    configure("auto", "info", file)
    log.info("ready")
    assert "\x1b[32m" in terminal.getvalue()
    assert json.loads(file.getvalue())["message"] == "ready"


def test_the_level_holds_for_everybody_and_servers_are_quieter() -> None:
    out = io.StringIO()
    configure("json", "info", out)
    log.debug("hidden")
    logging.getLogger("uvicorn.error").info("hidden")
    logging.getLogger("uvicorn.access").error("hidden")
    logging.getLogger("uvicorn.error").warning("shown")
    assert [json.loads(line)["message"] for line in out.getvalue().splitlines()] == ["shown"]


def test_a_formatter_without_colours_has_none() -> None:
    line = HumanFormatter(coloured=False).format(logging.makeLogRecord({"levelname": "ERROR", "msg": "x"}))
    assert "\x1b" not in line
