"""Answers as bytes: what a door sends back, and the errors it answers by itself."""

import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from gateway.call import Answer

JSON = ("content-type", "application/json")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_BODY = frozenset({204, 304})
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class ErrorText(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    message: str


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    error: ErrorText


def error_answer(status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
    """`{"error": {"code", "message"}}`: what was wrong, and what would be right."""
    body = msgspec.json.encode(ErrorBody(error=ErrorText(code=code, message=message)))
    return Answer(status=status, headers=(JSON, *headers), body=body)


def too_large(bound_bytes: int) -> Answer:
    return error_answer(413, "too_large", f"the body is larger than the {bound_bytes} bytes this path takes")


def body_too_slow(bound_s: float) -> Answer:
    return error_answer(408, "request_timeout", f"the body did not arrive within {bound_s:g} s")


def failed() -> Answer:
    """What a caller sees of a failure inside: nothing but that, and that the same event_id makes a repeat harmless."""
    return error_answer(500, "internal_error", "this request failed; send it again with the same event_id")


def no_room(message: str) -> Answer:
    return error_answer(503, "no_room", message, ("retry-after", "1"))


class DateLine:
    """The `Date` header, made once a second."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s
        self._second = -1
        self._line = ""

    def line(self) -> str:
        second = int(self._now_s())
        if second != self._second:
            self._second = second
            self._line = f"date: {formatdate(second, usegmt=True)}\r\n"
        return self._line


def encode_answer(answer: Answer, date_line: str, *, is_last: bool) -> bytes:
    """One answer as HTTP/1.1, in one piece. `is_last` says that the connection closes after it."""
    fields = "".join([f"{name}: {value}\r\n" for name, value in answer.headers])
    if fields.count("\n") != len(answer.headers) or fields.count("\r") != len(answer.headers):
        raise ValueError("a header of an answer has a line break in it")  # response splitting: never let it out
    length = "" if answer.status in NO_BODY else f"content-length: {len(answer.body)}\r\n"
    closing = "connection: close\r\n" if is_last else ""
    head = f"{STATUS_LINES[answer.status]}{date_line}{fields}{length}{closing}\r\n"
    return head.encode("latin-1") + answer.body
