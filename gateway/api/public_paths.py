"""The paths of the doors as the API's description shows them: where events come in, and health."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

EVENT: Final = {
    "event_name": "purchase_placed",
    "event_id": "order-1001",
    "custom_data": {"value": 59.90, "currency": "EUR", "order_id": "1001"},
}
BODY: Final = {
    "required": True,
    "description": 'One event, an array of events, or {"events": […]}.',
    "content": {"application/json": {"schema": {"type": ["object", "array"]}, "example": EVENT}},
}
ERROR: Final = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}}
REFUSALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "400": "Not stored: the event is wrong; the field is named.",
        "401": "Not stored: the key is missing or wrong.",
        "403": "Not stored: pages of this origin may not post.",
        "408": "Unknown: the body came too slowly.",
        "413": "Not stored: the body is too large.",
        "415": "Not stored: the body is packed otherwise than gzip.",
        "429": "Not stored: too many; Retry-After says when to send it again.",
        "500": "Unknown: send it again with the same event_id.",
        "503": "Not stored: there is no room; send it again after Retry-After.",
    }
)


def _ingestion(name: str, summary: str, status: int) -> dict[str, Any]:
    taken = {
        "description": "On disk. Of a batch each event has its own answer.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
    refusals = {code: {"description": text, **ERROR} for code, text in REFUSALS.items()}
    return {
        "post": {
            "tags": ["ingestion"],
            "operationId": name,
            "summary": summary,
            "parameters": [],
            "requestBody": BODY,
            "responses": {str(status): taken, **refusals},
            "security": [],
        }
    }


def _health(name: str, summary: str, refusals: Mapping[str, str]) -> dict[str, Any]:
    well = {
        "description": "All is well.",
        "content": {"application/json": {"schema": {"type": "object", "required": ["status"]}}},
    }
    answers = {"200": well, **{code: {"description": text, **ERROR} for code, text in refusals.items()}}
    return {
        "get": {
            "tags": ["ingestion"],
            "operationId": name,
            "summary": summary,
            "parameters": [],
            "responses": answers,
            "security": [],
        }
    }


PUBLIC_PATHS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "/v1/events": _ingestion("take_events", "Events of a server, with a write key as a bearer token.", 202),
        "/i": _ingestion("take_browser_events", "Events of a browser, with a public key as `k`.", 200),
        "/healthz": _health("healthz", "Whether the process answers.", {}),
        "/readyz": _health("readyz", "Whether events are taken.", {"503": "Not now; the message says why."}),
    }
)
