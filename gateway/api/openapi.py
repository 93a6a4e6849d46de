"""/api/openapi.json, made by quart-schema from the routes: `documented` says of each what it takes and answers.

quart-schema's own reading of msgspec records leaves out the records inside them, so `Provider` reads them itself.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib import metadata
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct
from quart_schema import document_querystring, document_request, document_response, tag
from quart_schema.openapi import OpenAPIProvider
from werkzeug.routing import Rule
from werkzeug.routing.converters import BaseConverter

from gateway.answers import ErrorBody
from gateway.api.public_paths import PUBLIC_PATHS

F = TypeVar("F", bound=Callable[..., Any])

SCHEME: Final = "admin_token"
VERSION: Final = metadata.version("events-gateway")
DESCRIPTION: Final = "The control plane of the gateway. Every path under /api needs the admin token as a bearer token."
TAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "destinations": "The platform accounts that events go to.",
        "platforms": "What can be connected.",
        "routes": "Which events go to which destination: drafts, versions, publishing, dry runs.",
        "events": "What became of an event, and why.",
        "deliveries": "What is on its way to the destinations.",
        "attribution": "What conversions are credited to.",
        "traffic": "How much came in, and what became of it.",
        "replays": "Jobs that send deliveries again.",
        "links": "Tracked links.",
        "identities": "Who is known by what, and merges undone.",
        "privacy": "What is stored about a person: exported, erased.",
        "ingestion": "Where events come in. These paths take a site's keys, not the admin token.",
    }
)
REF: Final = "#/components/schemas/{name}"
EXTRA: Final = "_gateway_documented"
PARAMETER: Final = re.compile(r"<(?:[^<>:]*:)?([^<>:]+)>")
ALWAYS: Final = (400, 401, 403, 429, 500)
# fmt: off
MEANS: Final[Mapping[int, str]] = MappingProxyType({
    200: "Done.",
    201: "Created; Location names it.",
    202: "Taken; it goes on by itself.",
    204: "Done; there is no body.",
    400: "The request is wrong; a wrong field is named.",
    401: "The admin token is missing or wrong.",
    403: "No admin token is set: the API is off.",
    404: "There is nothing at this path.",
    408: "The body came too slowly.",
    409: "It is there already, or cannot be changed here.",
    422: "The platform refuses the credentials, or could not be asked; nothing was stored.",
    412: "It was changed since the version that If-Match names.",
    413: "The body is larger than 64 KiB.",
    415: "The body is packed; send it as it is.",
    428: "If-Match is missing: say which draft was read.",
    429: "Too many wrong admin tokens from this address; Retry-After says when to try again.",
    500: "The request failed inside; the log says more.",
    503: "The store has no room.",
})
PATH_PARAMETERS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType({
        "who": ("A customer id, the SHA-256 of an email or phone, a visitor id or an id of the identity.", "7001"),
        "merge_id": ("A merge, as its identity lists it.", "5c6d7e8f90a1b2c3"),
    "site": ("The site's id.", "shop"),
    "destination": ("The destination's id, one of its site's.", "meta-main"),
    "event_id": ("As the sender gave it, or as the answer to the event's request told it.", "order-1001"),
    "order_id": ("As the shop sends it in custom_data.order_id.", "1001"),
    "field": ("The name of a secret setting.", "access_token"),
    "replay_id": ("The replay's id.", "1"),
    "version": ("The number of a version.", "7"),
    "slug": ("The link's name in its address.", "tea"),
    "job_id": ("The job's id.", "1"),
})
# fmt: on
ETAG_HEADER: Final = {"ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}}
IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what was read: refused with 412 if it was changed since.",
    "schema": {"type": "string", "pattern": r'^("\d{1,18}"|\*)$'},
}


class NoContent(Struct, frozen=True):
    """Nothing: the answer has no body."""


class Documented(Struct, frozen=True, kw_only=True):
    """What quart-schema has no place for. `examples`: by status; 0 is the request's."""

    examples: Mapping[int, Any] = {}
    takes_if_match: bool = False
    has_etag: bool = False


def documented(
    tag_name: str,
    answers: Mapping[int, type[Struct]],
    *,
    refuses: Iterable[int] = (),
    query: type[Struct] | None = None,
    body: type[Struct] | None = None,
    more: Documented | None = None,
) -> Callable[[F], F]:
    """`answers`: what it answers with when all is well; `refuses`: the statuses of its errors, beside those of all."""

    def decorate(function: F) -> F:
        statuses = {*refuses, *ALWAYS, *((408, 413, 415) if body is not None else ())}
        for status, record in answers.items():
            document_response(record, status)(function)
        for status in sorted(statuses):
            document_response(ErrorBody, status)(function)
        if query is not None:
            document_querystring(query)(function)
        if body is not None:
            document_request(body)(function)
        setattr(function, EXTRA, more or Documented())
        return tag([tag_name])(function)

    return decorate


class Provider(OpenAPIProvider):
    """Builds the description once: the routes do not change while a process runs."""

    def schema(self) -> dict[str, Any]:
        return self._whole

    @cached_property
    def _whole(self) -> dict[str, Any]:
        whole: dict[str, Any] = super().schema()
        operations = {
            rule.endpoint: getattr(self._app.view_functions[rule.endpoint], EXTRA, None)
            for rule in self.generate_rules()
        }
        by_name = {endpoint.rpartition(".")[2]: extra for endpoint, extra in operations.items()}
        for path in whole["paths"].values():
            for operation in path.values():
                _complete(operation, by_name.get(operation["operationId"]) or Documented())
        whole["paths"] = {**whole["paths"], **PUBLIC_PATHS}
        return whole

    def build_paths(self, rule: Rule) -> tuple[dict[str, Any], dict[str, Any]]:
        """Its own pattern takes `<site>/<path:event_id>` for one parameter."""
        paths, components = super().build_paths(rule)
        (operations,) = paths.values()
        return {PARAMETER.sub(r"{\1}", rule.rule): operations}, components

    def operation_id(self, method: str, path: str, func: Callable[..., Any]) -> str | None:
        return func.__name__

    def build_path_parameter(self, name: str, converter: BaseConverter) -> dict[str, Any]:
        description, example = PATH_PARAMETERS[name]
        schema = {"type": "string", "minLength": 1}
        return {
            "name": name, "in": "path", "required": True, "description": description, "schema": schema,
            "example": example,
        }  # fmt: skip

    def build_querystring_parameters(self, model: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        _, components = msgspec.json.schema_components([model], ref_template=REF)
        own = components.pop(model.__name__)
        parameters = [
            {
                "name": name,
                "in": "query",
                "required": name in own.get("required", ()),
                "description": schema.pop("description", ""),
                "schema": schema,
            }
            for name, schema in own["properties"].items()
        ]
        return parameters, components

    def build_request_body(self, model: Any, source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        [schema], components = msgspec.json.schema_components([model], ref_template=REF)
        return {"required": True, "content": {"application/json": {"schema": schema}}}, components

    def build_response_object(self, model: Any, headers_model: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        if model is NoContent:
            return {"description": ""}, {}
        [schema], components = msgspec.json.schema_components([model], ref_template=REF)
        return {"description": "", "content": {"application/json": {"schema": schema}}}, components


def _complete(operation: dict[str, Any], extra: Documented) -> None:
    """Adds to an operation what a status means, examples, and the headers of versions."""
    for status, answer in operation["responses"].items():
        answer["description"] = MEANS[status]
        if extra.has_etag and status in (200, 201):
            answer["headers"] = ETAG_HEADER
        if status in extra.examples:
            answer["content"]["application/json"]["example"] = extra.examples[status]
    if 0 in extra.examples:
        operation["requestBody"]["content"]["application/json"]["example"] = extra.examples[0]
    if extra.takes_if_match:
        operation["parameters"] = [*operation["parameters"], IF_MATCH]
