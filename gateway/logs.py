"""How log lines look: a fixed sentence with fields, as JSON for machines or in colour for people."""

import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["auto", "human", "json"]

_OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_COLOURS = {"DEBUG": "\x1b[2m", "INFO": "\x1b[32m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_PLAIN = "\x1b[0m"


def configure(log_format: LogFormat, level: str, stream: TextIO | None = None) -> None:
    """Sends all log lines of the process to `stream` (default: standard error).

    `auto` is human on a terminal, else JSON. uvicorn's own lines pass from warnings upward only;
    its access log is off, because the S3 door writes a better one.
    """
    out = stream or sys.stderr
    on_terminal = out.isatty()
    human = log_format == "human" or (log_format == "auto" and on_terminal)
    handler = logging.StreamHandler(out)
    handler.setFormatter(HumanFormatter(coloured=on_terminal) if human else JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, own_level in (
        ("uvicorn", logging.WARNING),
        ("uvicorn.access", logging.CRITICAL),
        ("asyncio", logging.INFO),
    ):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(own_level, root.level))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **dict(_fields(record)),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=_text, ensure_ascii=False)


class HumanFormatter(logging.Formatter):
    """Time, level, sentence and `name=value`, coloured on a terminal."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower():7}"
        if self._coloured:
            level = f"{_COLOURS.get(record.levelname, '')}{level}{_PLAIN}"
        fields = "".join(f" {name}={_quoted(value)}" for name, value in _fields(record))
        line = f"{_time(record)} {level} {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _fields(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    return ((name, value) for name, value in vars(record).items() if name not in _OWN_ATTRIBUTES)


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _quoted(value: object) -> str:
    # A key may hold line ends and escape sequences: they must not reach a terminal as they are.
    text = _text(value)
    return text if text.isprintable() and text and not set(text) & {" ", '"', "="} else json.dumps(text)
