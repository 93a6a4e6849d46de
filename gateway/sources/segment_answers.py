"""Answers as Segment's, RudderStack's and Jitsu's clients expect them (contracts/segment.md, sections 1 and 4).

Their older clients take only 200 for a success, and send anything again that is answered with a 4xx whose body has no
`code` and `message` at its top; Jitsu's wants a JSON body with `ok`.
"""

import msgspec
from msgspec import UNSET, Struct, UnsetType

from gateway.answers import JSON, ErrorBody
from gateway.call import SEGMENT_PATHS, Answer, Call
from gateway.invalid import Invalid

_ERROR = msgspec.json.Decoder(ErrorBody)


class RefusedMessage(Struct, frozen=True, kw_only=True):
    index: int
    code: str
    field: str
    message: str


class _Success(Struct, frozen=True, kw_only=True):
    success: bool = True
    ok: bool = True
    refused: tuple[RefusedMessage, ...] | UnsetType = UNSET


class _Failure(Struct, frozen=True, kw_only=True):
    success: bool = False
    code: str
    message: str
    field: str


def success(refused: tuple[RefusedMessage, ...] = ()) -> Answer:
    """200 also where messages of a batch are refused: the same bytes would be refused again."""
    return Answer(status=200, headers=(JSON,), body=msgspec.json.encode(_Success(refused=refused or UNSET)))


def refusal(fault: Invalid) -> Answer:
    body = _Failure(code=fault.code, message=fault.message, field=fault.field)
    return Answer(status=413 if fault.code == "too_large" else 400, headers=(JSON,), body=msgspec.json.encode(body))


def failure(status: int, code: str, message: str, *headers: tuple[str, str]) -> Answer:
    body = _Failure(code=code, message=message, field="")
    return Answer(status=status, headers=(JSON, *headers), body=msgspec.json.encode(body))


def as_clients_read(call: Call, answer: Answer) -> Answer:
    """An error that another part answered, on one of these paths: with `code` and `message` at its top."""
    if answer.status < 400 or call.path not in SEGMENT_PATHS:
        return answer
    try:
        error = _ERROR.decode(answer.body).error
    except msgspec.DecodeError:
        return answer
    body = _Failure(code=error.code, message=error.message, field=error.field)
    return msgspec.structs.replace(answer, body=msgspec.json.encode(body))
