"""What a request to the API says, each fault with the name of its field; and answers as JSON.

Raises Refused where a request cannot be understood.
"""

import re
from typing import Final, NoReturn, TypeVar

import msgspec
from msgspec import Struct
from quart import Response, request

from gateway.answers import JSON, FieldFault, error_answer
from gateway.api.errors import Refused
from gateway.call import Answer
from gateway.invalid import Invalid, invalid_json
from gateway.web import response_of, whole_body

S = TypeVar("S", bound=Struct)

BODY_BYTES: Final = 64 * 1024
BODY_S: Final = 10.0
MISSING: Final = re.compile(r"Object missing required field `([^`]+)`")
UNKNOWN: Final = re.compile(r"Object contains unknown field `([^`]+)`")
ETAG: Final = re.compile(r'"(\d{1,18})"')


async def body_as(kind: type[S]) -> S:
    """The JSON body as that record."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        refuse(
            415, "unsupported_encoding", f"content-encoding {coding[:40]!r} is not taken here; send the body as it is"
        )
    body = await whole_body(BODY_BYTES, BODY_S)
    if isinstance(body, Answer):
        raise Refused(body)
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _refuse_invalid(error, kind)


def query_as(kind: type[S]) -> S:
    """The query's parameters as that record: each at most once, none that is not known."""
    given = dict(request.args.items(multi=True))
    if len(given) < len(list(request.args.items(multi=True))):
        refuse(400, "invalid_field", "a parameter is given twice; give each once")
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        _refuse_invalid(error, kind)


def expected_version() -> int | None:
    """The version that If-Match names; None: any."""
    given = request.headers.get("If-Match", "*").strip()
    found = ETAG.fullmatch(given)
    if given == "*":
        return None
    if found is None:
        refuse(400, "invalid_field", 'is no version; give the ETag of an answer, as "7", or leave it out', "If-Match")
    return int(found[1])


def named_version() -> int | None:
    """The version that If-Match names, which must be there; `*`: any."""
    if "If-Match" not in request.headers:
        refuse(428, "no_version", "say which version was read: its ETag in If-Match, or * for whatever is there")
    return expected_version()


def answered(record: Struct, status: int = 200, *headers: tuple[str, str]) -> Response:
    return response_of(Answer(status=status, headers=(JSON, *headers), body=msgspec.json.encode(record)))


def no_content() -> Response:
    return response_of(Answer(status=204))


def etag(version: int) -> tuple[str, str]:
    return ("etag", f'"{version}"')


def refuse(status: int, code: str, message: str, *fields: str) -> NoReturn:
    """Ends the request. `fields`: those that are wrong, with the one message."""
    faults = [FieldFault(field=field, message=message) for field in fields]
    raise Refused(error_answer(status, code, message, faults=faults))


def refuse_fields(faults: list[FieldFault]) -> NoReturn:
    """Ends the request with every fault; the first is told again as the error's own."""
    raise Refused(error_answer(400, "invalid_field", faults[0].message, faults=faults))


def _refuse_invalid(error: Exception, kind: type[Struct]) -> NoReturn:
    found = _named(error, kind)
    if found.field:
        refuse_fields([FieldFault(field=found.field, message=found.message)])
    refuse(400, found.code, found.message)


def _named(error: Exception, kind: type[Struct]) -> Invalid:
    """msgspec's fault, with the name of what is missing or unknown as its field."""
    text = str(error)
    where = text.partition(" - at `$.")[2].rstrip("`")
    for pattern, problem in ((MISSING, "is missing"), (UNKNOWN, f"there is no such field; there are: {_names(kind)}")):
        if found := pattern.match(text):
            field = f"{where}.{found[1]}" if where else found[1]
            return Invalid(code="invalid_field", field=field, message=problem)
    return invalid_json(error, {})  # its fields are no event's


def _names(kind: type[Struct]) -> str:
    return ", ".join(field.encode_name for field in msgspec.structs.fields(kind)) or "none"
