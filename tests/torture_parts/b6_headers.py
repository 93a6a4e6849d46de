"""Oversized heads, control bytes, and line breaks in every field that is logged or sent on (RELIABILITY B6).

Bars: 431, 414 or 400 for the heads; no field makes a line of the log, a header of an answer or of a request to a
platform; no personal value or key is in the log.
"""

from collections.abc import Iterator

import msgspec
import trio

from bench.simulator import SimRequest, SimResponse
from tests.torture_parts.bodies import event
from tests.torture_parts.harness import WRITE_KEY, Gateway, Platforms, Setup, fetch, folder, platforms, running
from tests.torture_parts.load import request

CANARY = "x-canary-81"
BREAK = f"a\r\n{CANARY}: 1\r\n\r\nGET /{CANARY} HTTP/1.1\n\x1b[31m\u2028\x00b"
EMAIL = "canary.person@example.com"
PHONE = "+4915112345678"
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: a\r\n"
NO_BODY = b"Content-Length: 2\r\n\r\n{}"
HEADS = {
    "a cookie of 100 KB": (431, HEAD + b"Cookie: " + b"a" * 100_000 + b"\r\n" + NO_BODY),
    "2,000 headers": (431, HEAD + b"X-A: b\r\n" * 2_000 + NO_BODY),
    "a header of 20 KB": (431, HEAD + b"X-A: " + b"b" * 20_000 + b"\r\n" + NO_BODY),
    "a name of 20 KB": (431, HEAD + b"X" * 20_000 + b": b\r\n" + NO_BODY),
    "a target of 20 KB": (414, b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n" + NO_BODY),
    "NUL in a value": (400, HEAD + b"X-A: a\x00b\r\n" + NO_BODY),
    "escape in a value": (400, HEAD + b"User-Agent: \x1b[31m\r\n" + NO_BODY),
    "a bare carriage return": (400, HEAD + b"X-A: a\rb\r\n" + NO_BODY),
    "a bare line feed": (400, HEAD + b"X-A: a\nX-B: b\r\n" + NO_BODY),
    "a folded line": (400, HEAD + b"X-A: a\r\n b\r\n" + NO_BODY),
    "a space before the colon": (400, HEAD + b"X-A : a\r\n" + NO_BODY),
    "a control byte in a name": (400, HEAD + b"X\x01A: a\r\n" + NO_BODY),
    "two hosts": (400, HEAD + b"Host: b\r\n" + NO_BODY),
    "DEL in a cookie": (400, HEAD + b"Cookie: a=\x7f\r\n" + NO_BODY),
}


class Listening:
    """A webhook's receiver that keeps the names of the headers it saw, and their values."""

    def __init__(self, held: Platforms) -> None:
        self.platform = held.simulator.platform("webhook")
        self._answer = self.platform.answer
        self.headers: list[tuple[str, str]] = []

    def answer(self, request: SimRequest) -> SimResponse:
        self.headers += request.headers.items()
        return self._answer(request)


async def run(full: bool) -> dict[str, object]:
    """In full, each field 20 times."""
    missed: list[str] = []
    heads: dict[str, int] = {}
    async with platforms() as held:
        listening = Listening(held)
        held.simulator.platform("webhook").answer = listening.answer  # type: ignore[method-assign]  # listens in
        with folder() as directory:
            async with running(Setup(directory=directory, platforms=held, has_meta=False)) as gateway:
                for name, (status, raw) in HEADS.items():
                    heads[name] = _status(await fetch(gateway.port, raw))
                    missed += [] if heads[name] == status else [f"{name}: {heads[name]}, not {status}"]
                taken = 0
                for _ in range(20 if full else 1):
                    for name, raw in injections():
                        reply = await fetch(gateway.port, raw)
                        taken += _status(reply) in (200, 202)
                        missed += _look_at_answer(name, reply)
                await _wait_delivered(held, taken)
                await gateway.stop()
                log = (directory / "gateway.log").read_text()
            missed += _look_at_log(gateway, log)
    missed += [
        f"a request to a platform has {name}: {value[:40]!r}"
        for name, value in listening.headers
        if CANARY in name or CANARY in value or not value.isprintable()
    ]
    return {
        "heads": len(heads),
        "injections": len(list(injections())),
        "taken": taken,
        "headers_sent_on": len(listening.headers),
        "log_bytes": len(log),
        "missed": missed,
    }


def injections() -> Iterator[tuple[str, bytes]]:
    """A line break in each field that may be logged, answered or sent on, through both doors."""
    text = msgspec.json.encode(BREAK).decode()
    escaped = "a%0d%0a" + CANARY + ":%201%0d%0a%0d%0a"
    fields = {
        "event_id": f'"event_id":{text}',
        "action_source": f'"action_source":{text}',
        "page": f'"page":{{"url":{text},"referrer":{text},"title":{text}}}',
        "page url": f'"page":{{"url":"https://a.example/{escaped}"}}',
        "order": f'"custom_data":{{"order_id":{text},"currency":{text}}}',
        "properties": f'"custom_data":{{"note":{text},{text}:1,"coupon":{text}}}',
        "client": f'"client":{{"user_agent":{text}}}',
        "consent": f'"consent":{{"analytics":{text}}}',
        "unknown": f"{text}:{text}",
    }
    for is_chunked in (False, True):
        for name, field in fields.items():
            yield f"{name} (chunked: {is_chunked})", request(event(field), is_chunked=is_chunked)
        name_field = b'{"event_name":' + text.encode() + b"}"
        yield "event_name", request(name_field, is_chunked=is_chunked)
        for identifier in ("email", "phone", "first_name", "anonymous_id", "external_id", "client_user_agent", "fbp"):
            raw = event().replace(b'"a1"', f'"a1","{identifier}":{text}'.encode())
            yield identifier, request(raw, is_chunked=is_chunked)
        person = event().replace(b'"a1"', f'"a1","email":"{EMAIL}","phone":"{PHONE}"'.encode())
        yield "a person", request(person, is_chunked=is_chunked)
        yield "query", request(event(), path=f"/v1/events?a={escaped}", is_chunked=is_chunked)
        yield "path", request(event(), path=f"/v1/events/{escaped}", is_chunked=is_chunked)
        yield "public key", request(event(), "Origin: https://shop.example.com", path=f"/i?k={escaped}")
        yield "origin", request(event(), f"Origin: https://{escaped}", path="/i?k=pk_torture", is_chunked=is_chunked)
        yield "forwarded", request(event(), f"X-Forwarded-For: {escaped}, 1.2.3.4", is_chunked=is_chunked)
        yield "agent", request(event(), f"User-Agent: {escaped}\u00e9", is_chunked=is_chunked)


async def _wait_delivered(held: Platforms, events: int) -> None:
    with trio.move_on_after(20):
        while True:
            if held.webhook().total() >= events:
                return
            await trio.sleep(0.05)


def _look_at_answer(name: str, reply: bytes) -> list[str]:
    head = reply.partition(b"\r\n\r\n")[0].lower()
    missed = [f"{name}: {_status(reply)}"] if _status(reply) >= 500 else []
    return missed + ([f"{name}: the answer's head holds it"] if CANARY.encode() in head else [])


def _look_at_log(gateway: Gateway, log: str) -> list[str]:
    """Every line is one fact in JSON, begins with its action, and holds nothing raw."""
    missed = [f"no line of the log: {line[:80]}" for line in gateway.noise[:3]]
    missed += [f"an action of the log: {line['action']}" for line in gateway.lines if CANARY in str(line.get("action"))]
    missed += [f"the log holds {what}" for what in (EMAIL, PHONE, WRITE_KEY, "\x1b", "\u2028", "\x00") if what in log]
    return missed


def _status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])
