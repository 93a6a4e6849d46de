"""Nothing of a request reaches a log."""

import logging
import ssl
from collections.abc import Iterator

import pytest

from actors.tls import client_tls
from actors.transport import silence_http_logs
from tests.actors.sending import CANARY, once
from tests.torture_parts import faults


@pytest.fixture(scope="module")
def tls() -> ssl.SSLContext:
    return client_tls()


class Records(logging.Handler):
    def __init__(self) -> None:
        super().__init__(0)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def records() -> Iterator[list[str]]:
    """Every line that anything logs, with each logger of the HTTP libraries told to log all."""
    names = ["", "httpx", "httpcore", "httpcore.connection", "httpcore.http11"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger.level, list(logger.filters)) for logger in loggers]
    handler = Records()
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield handler.lines
    loggers[0].removeHandler(handler)
    for logger, (level, filters) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.filters[:] = filters


ECHO = faults.answers(f"HTTP/1.1 200 OK\r\nx-echo: {CANARY}\r\ncontent-length: 0\r\n\r\n".encode())


async def test_libraries_would_log_what_must_not_be_logged(tls: ssl.SSLContext, records: list[str]) -> None:
    await once(tls, ECHO)

    assert any(CANARY in line for line in records)


@pytest.mark.parametrize("level", [logging.NOTSET, logging.DEBUG, logging.INFO, logging.CRITICAL])
async def test_silenced_libraries_log_nothing_at_any_level(tls: ssl.SSLContext, records: list[str], level: int) -> None:
    silence_http_logs()
    for name in ("httpx", "httpcore", "httpcore.connection", "httpcore.http11"):
        logging.getLogger(name).setLevel(level)

    for handler in (ECHO, faults.answers(faults.REDIRECT), faults.closes_after(faults.GARBAGE), faults.resets):
        await once(tls, handler)

    assert not any(CANARY in line for line in records)
    assert not records
