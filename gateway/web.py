"""What the web applications share: a request's body within its bounds, its headers, an answer as Quart sends it."""

import trio
from quart import Response, request

from gateway.answers import NO_BODY, body_too_slow, too_large
from gateway.call import Answer
from gateway.request_head import merge_field


async def whole_body(most_bytes: int, bound_s: float) -> bytes | Answer:
    """The body of the request that is served; 413 or 408 where it is too large or too slow."""
    body = bytearray()
    if (request.content_length or 0) > most_bytes:
        return too_large(most_bytes)
    with trio.move_on_after(bound_s):
        async for piece in request.body:
            body += piece
            if len(body) > most_bytes:
                return too_large(most_bytes)
        return bytes(body)
    return body_too_slow(bound_s)


def header_fields() -> dict[str, str]:
    """Header names in lower case, repeated headers joined."""
    headers: dict[str, str] = {}
    for name, value in request.scope["headers"]:
        merge_field(headers, name.decode("latin-1"), value.decode("latin-1"))
    return headers


def response_of(answer: Answer) -> Response:
    response = Response(answer.body, status=answer.status)
    del response.headers["content-type"]  # Quart's own default
    if answer.status in NO_BODY:
        response.headers.pop("content-length", None)
    for name, value in answer.headers:
        response.headers.add(name, value)
    return response
