"""Structured log lines on stderr: one fact a line, a stable `action` word first, nothing that names a person.

    {"action": "site_skipped", "at": "2026-11-20T10:00:00.000Z", "level": "warning", "site": "shop", ...}

Whatever is logged passes `redaction.redact`. Lines of libraries come out in the same form, as `library_said`.
"""

import logging
import sys
import traceback
from typing import Any, Literal, TextIO

import structlog

from gateway.redaction import Fields, redact

LogFormat = Literal["json", "text"]
LogLevel = Literal["debug", "info", "warning", "error"]

# httpx and httpcore print URLs with secrets; the HTTP/2 libraries print headers
QUIET = ("httpx", "httpcore", "hpack", "h2")


def configure_logs(level: LogLevel = "info", log_format: LogFormat = "json", stream: TextIO | None = None) -> None:
    """Sets up logging for the process: ours, and the libraries' from warning on. Called once, at its start."""
    lines = _Lines(stream if stream is not None else sys.stderr)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True, key="at"),
            _trace,
            redact,
            _order,
            structlog.processors.JSONRenderer() if log_format == "json" else _text,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lines,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Foreign()]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _trace(_logger: object, _method: str, fields: Fields) -> Fields:
    """`exc_info` as the traceback's text; never with the values of local variables."""
    found = fields.pop("exc_info", None)
    error = sys.exc_info()[1] if found is True else found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        fields["traceback"] = "".join(traceback.format_exception(error, limit=-20))
    return fields


def _order(_logger: object, _method: str, fields: Fields) -> Fields:
    first = {"action": fields.pop("event", ""), "at": fields.pop("at", ""), "level": fields.pop("level", "")}
    return {**first, **fields}


def _text(_logger: object, _method: str, fields: Fields) -> str:
    """The line for people: `10:00:00.000 warning site_skipped site=shop`."""
    action, at, level = fields.pop("action"), fields.pop("at"), fields.pop("level")
    return " ".join([f"{at[11:23]} {level:<7} {action}", *(f"{name}={value}" for name, value in fields.items())])


class _Lines:
    """Writes lines, and goes on when nobody takes them: a log that cannot be written must not stop the gateway."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def __call__(self, *_args: Any) -> "_Lines":
        return self

    def msg(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self.lost += 1

    log = debug = info = warning = warn = error = critical = fatal = exception = msg


class _Foreign(logging.Handler):
    """Lines of libraries: their text is free, so it is a field and not the action."""

    def emit(self, record: logging.LogRecord) -> None:
        text = _message_of(record)
        log = structlog.get_logger()
        log.log(record.levelno, "library_said", logger=record.name, text=text, exc_info=record.exc_info)


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)
