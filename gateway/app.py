"""The web application behind the other door: the hot paths, health, and the control plane's API beside them.

A thin layer in front checks target, method, host and headers once, for every route, so that none has to and no odd
request becomes a 500; every error is JSON and tells nothing of the inside.
"""

import re
from collections.abc import Callable, Sequence
from urllib.parse import unquote_to_bytes

from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGISendCallable, HTTPScope, Scope
from msgspec import Struct
from quart import Blueprint, Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from actors.observer import Observer
from gateway.answers import JSON, error_answer, failed, http_refusal
from gateway.call import BODY_BYTES, Answer, Call, Handler
from gateway.door import (
    COOKIE_BYTES,
    HEAD_BYTES,
    HEAD_FIELDS,
    DoorBounds,
    DoorLog,
    Ready,
    Share,
    log_nothing,
    share_nothing,
)
from gateway.failures import FailureReport
from gateway.request_head import is_host
from gateway.sources import segment_settings
from gateway.web import header_fields, response_of, whole_body

WEBHOOK_BYTES = 4 << 20  # of the largest sender; each source has a bound of its own
API_PREFIX = b"/api/"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}")
BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def create_app(
    *,
    handler: Handler,
    ready: Callable[[], Ready | str],
    bounds: DoorBounds | None = None,
    blueprints: Sequence[Blueprint] = (),
    api: ASGIFramework | None = None,
    observer: Observer | None = None,
    log: DoorLog = log_nothing,
    share: Share = share_nothing,
) -> "WebApplication":
    """An ASGI application. `ready` is asked for each `/readyz` and must not wait: Ready, or the reason why not."""
    quart = QuartTrio("gateway", static_folder=None)
    quart.config.update(
        MAX_CONTENT_LENGTH=max(WEBHOOK_BYTES, *BODY_BYTES.values()), RESPONSE_TIMEOUT=None, PROPAGATE_EXCEPTIONS=False
    )
    quart.url_map.merge_slashes = False  # a redirect would be built on the caller's Host
    report = FailureReport(observer=observer or Observer(), log=log)
    bounds = bounds or DoorBounds()
    _add_hot_paths(quart, handler, bounds, share)
    _add_health(quart, ready)
    _add_errors(quart, handler, report, share)
    for blueprint in blueprints:
        quart.register_blueprint(blueprint)
    return WebApplication(quart=quart, api=api)


class WebApplication(Struct, frozen=True, kw_only=True):
    """Checks each request, then lets Quart serve it. The API is an application of its own: nothing of it, the check of
    its token first of all, runs for any other path."""

    quart: QuartTrio
    api: ASGIFramework | None = None

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "websocket":
            return  # never reached: no door takes an upgrade
        refusal = refuse_scope(scope) if scope["type"] == "http" else None
        if refusal is not None:
            await _send_answer(send, refusal)
        elif self.api is not None and scope["type"] == "http" and _is_of_api(scope):
            await self.api(scope, receive, send)
        else:
            await self.quart(scope, receive, send)


def _is_of_api(scope: HTTPScope) -> bool:
    """Jitsu's clients post to hot paths below the API's own."""
    return scope["raw_path"].startswith(API_PREFIX) and scope["path"] not in BODY_BYTES


def refuse_scope(scope: HTTPScope) -> Answer | None:
    """What is wrong with a request before any route sees it: target, method, host, headers."""
    raw_path = scope["raw_path"]
    if raw_path == b"*" and scope["method"] == "OPTIONS":
        return Answer(status=204, headers=(("allow", ", ".join(METHODS)),))
    if not raw_path.startswith(b"/") or BAD_ESCAPE.search(raw_path) or not _is_text(raw_path):
        return error_answer(400, "bad_request", "the target is no path of this server")
    if not TOKEN.fullmatch(scope["method"]):
        return error_answer(400, "bad_request", "the method is no token")
    return _refuse_headers(list(scope["headers"]), scope["http_version"])


def _refuse_headers(headers: Sequence[tuple[bytes, bytes]], http_version: str) -> Answer | None:
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and http_version != "1.0") or not all(map(is_host, hosts)):
        return error_answer(400, "bad_request", "one valid Host header is needed")
    cookie_bytes = sum(len(value) for name, value in headers if name == b"cookie")
    head_bytes = sum(len(name) + len(value) + 4 for name, value in headers)
    if len(headers) > HEAD_FIELDS or head_bytes > HEAD_BYTES or cookie_bytes > COOKIE_BYTES:
        message = (
            f"a head has at most {HEAD_BYTES} bytes and {HEAD_FIELDS} headers, {COOKIE_BYTES} bytes of them cookies"
        )
        return error_answer(431, "headers_too_large", message)
    return None


def _is_text(raw_path: bytes) -> bool:
    try:
        return CONTROL.search(unquote_to_bytes(raw_path).decode()) is None
    except UnicodeDecodeError:
        return False


def _add_hot_paths(quart: QuartTrio, handler: Handler, bounds: DoorBounds, share: Share) -> None:
    async def hot_path() -> Response:
        most = BODY_BYTES[request.path]
        body = await whole_body(most, bounds.body_s)
        if isinstance(body, Answer):
            return response_of(share(_call(b""), body))
        return response_of(await handler.handle(_call(body)))

    async def webhook(first: str, second: str, topic: str = "") -> Response:
        body = await whole_body(WEBHOOK_BYTES, bounds.body_s)
        return response_of(body if isinstance(body, Answer) else await handler.handle(_call(body)))

    for rule in ("/webhooks/<first>/<second>", "/webhooks/<first>/<second>/<topic>"):
        quart.add_url_rule(rule, "webhook", webhook, methods=["POST"])

    async def settings(key: str = "") -> Response:
        return response_of(await handler.handle(_call(b"")))

    for rule in segment_settings.RULES:
        quart.add_url_rule(
            rule, "settings", settings, methods=segment_settings.METHODS, provide_automatic_options=False
        )

    async def link(slug: str) -> Response:
        return response_of(await handler.handle(_call(b"")))

    quart.add_url_rule("/l/<slug>", "link", link, methods=METHODS, provide_automatic_options=False)
    for path in BODY_BYTES:
        # The handler answers every method, OPTIONS and the 405 too.
        quart.add_url_rule(path, "hot_path", hot_path, methods=METHODS, provide_automatic_options=False)


def _call(body: bytes) -> Call:
    scope = request.scope
    client = scope["client"]
    return Call(
        method=request.method,
        path=request.path,
        query=scope["query_string"].decode("latin-1"),
        headers=header_fields(),
        body=body,
        peer=client[0] if client else "",
        is_https=scope["scheme"] == "https",
    )


def _add_health(quart: QuartTrio, ready: Callable[[], Ready | str]) -> None:
    async def healthz() -> Response:
        return response_of(Answer(status=200, headers=(JSON,), body=b'{"status":"alive"}'))

    async def readyz() -> Response:
        state = ready()
        if isinstance(state, str):
            return response_of(error_answer(503, "not_ready", state, ("retry-after", "1")))
        return response_of(Answer(status=200, headers=(JSON,), body=b'{"status":"ready"}'))

    quart.add_url_rule("/healthz", "healthz", healthz)
    quart.add_url_rule("/readyz", "readyz", readyz)


def _add_errors(quart: QuartTrio, handler: Handler, report: FailureReport, share: Share) -> None:
    async def refused(error: HTTPException) -> Response:
        status = error.code or 500
        if status == 405 and request.path in BODY_BYTES:
            # A method of some extension: both doors answer alike.
            return response_of(await handler.handle(_call(b"")))
        allowed = error.valid_methods if isinstance(error, MethodNotAllowed) else None
        return response_of(share(_call(b""), http_refusal(status, allowed or ())))

    async def unforeseen(error: Exception) -> Response:
        report.contained("app", error)
        return response_of(share(_call(b""), failed()))

    quart.register_error_handler(HTTPException, refused)
    quart.register_error_handler(Exception, unforeseen)


async def _send_answer(send: ASGISendCallable, answer: Answer) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    if answer.status != 204:
        headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
