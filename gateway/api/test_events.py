"""/api/test-events: one test event the whole way, as `gateway send` sends it."""

from typing import Annotated, Any, Final

import trio
from msgspec import Meta, Struct
from quart import Blueprint, Response

from actors.event import Event
from gateway.answers import FieldFault
from gateway.api.errors import Refused
from gateway.api.openapi import Documented, documented
from gateway.api.parts import ApiParts
from gateway.api.requests import answered, body_as, refuse, refuse_fields
from gateway.call import Answer
from gateway.invalid import Invalid
from gateway.sending import Outcome, no_site, outcome, put

LOOK_S: Final = 0.05
EXAMPLE: Final = {
    "site": "shop",
    "event_id": "test-0123456789abcdef0123456789abcdef",
    "event_name": "purchase_placed",
    "processed": True,
    "settled": True,
    "destinations": [
        {
            "destination": "ga4-main",
            "platform": "ga4",
            "status": "delivered",
            "effect": "GA4 checks the event and records nothing",
            "why": "",
            "http_status": 200,
            "latency_ms": 41,
        }
    ],
}
REQUEST: Final = {"site": "shop", "event_name": "purchase_placed", "event": {"custom_data": {"value": 12}}, "wait_s": 5}


class TestEventBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`event`: fields of the event's public form, in place of the sample's; null takes one away."""

    site: Annotated[str, Meta(min_length=1, max_length=63, examples=["shop"])]
    event_name: Annotated[str, Meta(min_length=1, max_length=128, examples=["purchase_placed"])]
    event: dict[str, Any] = {}
    wait_s: Annotated[int, Meta(ge=0, le=20, description="How long to wait for the platforms' answers.")] = 5


def resource(parts: ApiParts) -> Blueprint:
    routes = Blueprint("test_events", __name__)
    waiting = trio.CapacityLimiter(8)  # each may last as long as it says; more wait

    @documented(
        "events",
        {200: Outcome},
        refuses=(404, 503),
        body=TestEventBody,
        more=Documented(examples={0: REQUEST, 200: EXAMPLE}),
    )
    async def send_test_event() -> Response:
        """Send a test event to the platforms in their test mode. It counts nowhere, neither there nor here.

        Platforms without a test mode in which nothing is counted are not sent it; `why` says so.
        """
        body = await body_as(TestEventBody)
        site = parts.snapshot().sites.get(body.site)
        if site is None:
            raise Refused(no_site(body.site, ", ".join(parts.snapshot().sites)))
        if parts.edge is None:
            refuse(503, "no_room", "this process takes no events")
        async with waiting:
            event = await put(parts.edge, site, body.event_name, body.event)
            if isinstance(event, Answer):
                raise Refused(event)
            if isinstance(event, Invalid):
                refuse_fields([FieldFault(field=f"event.{event.field}".rstrip("."), message=event.message)])
            parts.log("api_change", change="send_test_event", site=site.id, event_id=event.event_id)
            return answered(await _awaited(parts, event, body.wait_s))

    routes.add_url_rule("/test-events", view_func=send_test_event, methods=["POST"])
    return routes


async def _awaited(parts: ApiParts, event: Event, wait_s: int) -> Outcome:
    ends_s = trio.current_time() + wait_s
    while True:
        site = parts.snapshot().sites[event.site]
        found = outcome(parts.store, site, event)
        if found.settled or trio.current_time() >= ends_s:
            return found
        await trio.sleep(LOOK_S)
