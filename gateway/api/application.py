"""The API as a web application: the gate before every path, errors in one form, the headers of every answer.

It works on the store alone, so it is served by whichever process got the connection. No answer may be kept by a cache
or read by a page of another origin: there is not one CORS header.
"""

from collections.abc import Mapping
from types import MappingProxyType

from quart import Blueprint, Response, request
from quart_schema import HttpSecurityScheme, Info, QuartSchema, Tag
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from gateway.answers import error_answer, http_refusal, no_room
from gateway.api import (
    attribution,
    conversions,
    deliveries,
    destinations,
    dry_runs,
    events,
    identities,
    links,
    platforms,
    privacy,
    replays,
    routes,
    test_events,
    traffic,
)
from gateway.api.errors import Refused
from gateway.api.openapi import DESCRIPTION, SCHEME, TAGS, VERSION, Provider
from gateway.api.parts import ApiParts
from gateway.api.requests import BODY_BYTES
from gateway.client import address_key, client_address
from gateway.errors import AlreadyThere, ControlError, DeclaredInFile, NotFound, NothingChanged, VersionConflict
from gateway.key_ring import BadSecretKey
from gateway.web import header_fields, response_of
from store.errors import StoreFull, Unreadable

CONTROL: Mapping[type[ControlError], tuple[int, str]] = MappingProxyType(
    {
        NotFound: (404, "not_found"),
        AlreadyThere: (409, "already_there"),
        DeclaredInFile: (409, "declared_in_file"),
        VersionConflict: (412, "version_conflict"),
        NothingChanged: (409, "nothing_changed"),
    }
)
UNREADABLE = "a stored row that this needs cannot be read; `gateway check-store` names it"
FAILED = "this request failed; the log has a line about it"
HEADERS = (("cache-control", "no-store"), ("x-content-type-options", "nosniff"))


def create_api(parts: ApiParts) -> QuartTrio:
    """An ASGI application for all paths under /api/."""
    quart = QuartTrio("gateway.api", static_folder=None)
    quart.config.update(
        MAX_CONTENT_LENGTH=BODY_BYTES,
        RESPONSE_TIMEOUT=None,
        PROPAGATE_EXCEPTIONS=False,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    quart.url_map.merge_slashes = False  # a redirect would be built on the caller's Host
    quart.url_map.redirect_defaults = False
    _add_gate(quart, parts)
    _add_errors(quart, parts)
    for blueprint in _resources(parts):
        quart.register_blueprint(blueprint, url_prefix="/api")
    _describe(quart)
    return quart


def _resources(parts: ApiParts) -> list[Blueprint]:
    return [
        destinations.resource(parts),
        platforms.resource(),
        routes.resource(parts),
        dry_runs.resource(parts),
        events.resource(parts),
        deliveries.resource(parts),
        conversions.resource(parts),
        attribution.resource(parts),
        traffic.resource(parts),
        replays.resource(parts),
        privacy.resource(parts),
        identities.resource(parts),
        links.resource(parts),
        test_events.resource(parts),
    ]


def _describe(quart: QuartTrio) -> None:
    """The pages that show such a description load their scripts from elsewhere: they are left off."""
    QuartSchema(
        quart,
        openapi_path="/api/openapi.json",
        redoc_ui_path=None,
        scalar_ui_path=None,
        swagger_ui_path=None,
        info=Info(title="Events gateway", version=VERSION, description=DESCRIPTION),
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
        security_schemes={SCHEME: HttpSecurityScheme(scheme="bearer")},
        security=[{SCHEME: []}],
        conversion_preference="msgspec",
        openapi_provider_class=Provider,
    )


def _add_gate(quart: QuartTrio, parts: ApiParts) -> None:
    async def gate() -> Response | None:
        client = request.scope["client"]
        fields = header_fields()
        address = address_key(client_address(client[0] if client else "", fields, parts.trusted_proxies))
        refusal = parts.gate.refusal(address, fields.get("authorization"))
        return None if refusal is None else response_of(refusal)

    async def with_headers(response: Response) -> Response:
        for name, value in HEADERS:
            response.headers[name] = value
        return response

    quart.before_request(gate)  # also before the answer that a path is not there
    quart.after_request(with_headers)


def _add_errors(quart: QuartTrio, parts: ApiParts) -> None:
    async def refused(error: Refused) -> Response:
        return response_of(error.answer)

    async def http_refused(error: HTTPException) -> Response:
        allowed = error.valid_methods if isinstance(error, MethodNotAllowed) else None
        return response_of(http_refusal(error.code or 500, allowed or ()))

    async def full(_: StoreFull) -> Response:
        return response_of(no_room("the store has no room; what it holds is still delivered"))

    async def unreadable(_: Unreadable) -> Response:
        return response_of(error_answer(500, "unreadable", UNREADABLE))

    async def no_key(error: BadSecretKey) -> Response:
        return response_of(error_answer(500, "bad_secret_key", f"secrets cannot be sealed: {error}"))

    async def unforeseen(error: Exception) -> Response:
        parts.report.contained("api", error)
        return response_of(error_answer(500, "internal_error", FAILED))

    quart.register_error_handler(StoreFull, full)
    quart.register_error_handler(Unreadable, unreadable)
    quart.register_error_handler(BadSecretKey, no_key)

    async def not_changed(error: ControlError) -> Response:
        status, code = next(told for kind, told in CONTROL.items() if isinstance(error, kind))
        return response_of(error_answer(status, code, str(error)))

    quart.register_error_handler(Refused, refused)
    quart.register_error_handler(ControlError, not_changed)
    quart.register_error_handler(HTTPException, http_refused)
    quart.register_error_handler(Exception, unforeseen)
