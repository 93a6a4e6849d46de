"""Answers as bytes: what a door sends back, and the errors it answers by itself."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from gateway.call import Answer

JSON = ("content-type", "application/json")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NO_BODY = frozenset({204, 304})
HTTP_CODES: Mapping[int, str] = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "too_large",
}
HTTP_MESSAGES: Mapping[int, str] = {
    404: "there is nothing at this path",
    405: "this path does not take this method; Allow names those it takes",
    413: "the body is larger than this path takes",
}
STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class FieldFault(msgspec.Struct, frozen=True, kw_only=True):
    field: str  # its path in the request
    message: str  # what is wrong with it, and what would be right


class ErrorText(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    field: str = ""  # the first that is wrong; empty: the request as a whole
    message: str
    faults: tuple[FieldFault, ...] | msgspec.UnsetType = msgspec.UNSET  # each of them, where fields are wrong


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """What was wrong, and what would be right."""

    error: ErrorText


def error_answer(
    status: int, code: str, message: str, *headers: tuple[str, str], faults: Sequence[FieldFault] = ()
) -> Answer:
    """`{"error": {"code", "field", "message"}}`: what was wrong, and what would be right."""
    field = faults[0].field if faults else ""
    text = ErrorText(code=code, field=field, message=message, faults=tuple(faults) or msgspec.UNSET)
    return Answer(status=status, headers=(JSON, *headers), body=msgspec.json.encode(ErrorBody(error=text)))


def http_refusal(status: int, allowed: Iterable[str] = ()) -> Answer:
    """What a framework refuses by itself, in the one form: no such path, a method that it does not take, …"""
    if status >= 500:
        return failed()
    headers = [("allow", ", ".join(sorted(allowed)))] if allowed else []
    code, message = HTTP_CODES.get(status, "refused"), HTTP_MESSAGES.get(status, "this request is refused")
    return error_answer(status, code, message, *headers)


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
