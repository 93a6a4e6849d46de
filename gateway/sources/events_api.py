"""`POST /`: callers of the Events API, answered as its Worker answers (contracts/events_api.md, section 5).

Always `Events API worker started` where the body is what the Worker takes, duplicates included; one platform's failure
never touches another. The pixel and measurement ids of a caller are hints: what goes out goes to the configured ones.
"""

from typing import Final

from actors.bots import NO_BOT
from actors.event import Event
from gateway import cors
from gateway.answers import error_answer
from gateway.call import Answer, Call
from gateway.client import user_agent
from gateway.edge import (
    Caller,
    Edge,
    address_of,
    ip_bucket,
    judged,
    limited,
    of_browser,
    plain_body,
    rejected,
    take,
    unavailable,
    unread,
)
from gateway.incoming import Intake, Invalid
from gateway.sources.events_api_body import decode_events_api

SOURCE: Final = "events_api"
STARTED = Answer(
    status=200, headers=(("content-type", "text/plain; charset=utf-8"),), body=b"Events API worker started"
)
HINTS = {"meta_pixel_id": ("meta", "pixel_id"), "ga_measurement_id": ("ga4", "measurement_id")}


async def collect(edge: Edge, call: Call) -> Answer:
    site = edge.snapshot.site_of_events_api()
    if site is None:
        rejected(edge, "", SOURCE, "unknown_key")
        return error_answer(401, "unknown_key", "no site takes the Events API; set `events_api = true` on one")
    if site.origins and "origin" in call.headers and cors.origin_of(call) not in site.origins:
        rejected(edge, site.id, SOURCE, "wrong_origin")
        return error_answer(403, "wrong_origin", "the page's origin is not one of the site's `origins`")
    address = address_of(edge, call)
    caller = Caller(site=site, address=address, bucket=ip_bucket(address) if site.ip_rate > 0 else "")
    refused = unavailable(edge) or limited(edge, caller)
    if refused is not None:
        rejected(edge, site.id, SOURCE, "rate_limited" if refused.status == 429 else "no_room")
        return refused
    raw = plain_body(call)
    if isinstance(raw, Answer):
        rejected(edge, site.id, SOURCE, unread(raw))
        return raw
    edge.observer.event_received(site.id, SOURCE)
    return await _take(edge, call, caller, raw)


async def _take(edge: Edge, call: Call, caller: Caller, raw: bytes) -> Answer:
    site = caller.site
    intake = Intake(
        site=site.id,
        source=SOURCE,
        received_at_ms=edge.now_ms(),
        make_id=edge.make_id,
        default_country=site.default_country,
        sealer=edge.sealers.get(site.id),
        bot=judged(edge, call, caller)
        if "origin" in call.headers
        else NO_BOT,  # a server of the shop's may post here too
        client_ip=caller.address,
        client_user_agent=user_agent(call.headers),
    )
    event = decode_events_api(raw, of_browser(edge, call, site, intake))
    if event is None:
        edge.log("event_skipped", site=site.id, reason="no platform's event is named")
        return STARTED
    if isinstance(event, Invalid):
        rejected(edge, site.id, SOURCE, unread(event))
        return error_answer(413 if event.code == "too_large" else 400, event.code, event.message)
    _log_strange_hints(edge, event, caller)
    failed = await take(edge, [event], caller)
    return failed if failed is not None else STARTED


def _log_strange_hints(edge: Edge, event: Event, caller: Caller) -> None:
    """A caller's pixel that is not ours is ignored, and that is said."""
    for hint, (platform, setting) in HINTS.items():
        named = event.custom_data.properties.get(hint)
        ours = {getattr(one, setting, None) for one in caller.site.destinations if one.platform == platform}
        if named is not None and named not in ours:
            edge.log("hint_ignored", site=caller.site.id, hint=hint, configured=bool(ours))
