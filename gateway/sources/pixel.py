"""`POST /i/shopify`: Shopify's web pixel, from its sandbox, with a site's public key.

The sandbox has no origin and no cookie of the gateway's travels there, so CORS is open without credentials, the visitor
is what the body says, and the shop that the body names must be the one of the site's Shopify source, where it has one.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from actors.event import Event
from actors.snapshot import Site
from gateway import cors
from gateway.answers import JSON, error_answer
from gateway.call import Answer, Call
from gateway.client import is_visitor_id, user_agent
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
from gateway.incoming import Intake, to_event
from gateway.invalid import Invalid
from gateway.sources.shopify import Shopify
from gateway.sources.shopify_pixel import cookies_of, event_of, user_agent_of, visitor_of

SOURCE: Final = "shopify_pixel"
BODY_BYTES: Final = 64 * 1024
UNREADABLE: Final = 'the body is no JSON object of the pixel\'s: give {"key", "shop", "event": {"name", …}, …}'

_decoder: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


class _Taken(Struct, frozen=True, kw_only=True):
    accepted: int


async def collect(edge: Edge, call: Call) -> Answer:
    raw = plain_body(call, BODY_BYTES)
    if isinstance(raw, Answer):
        rejected(edge, "", SOURCE, unread(raw))
        return raw
    body = _read(raw)
    site = _site(edge, call, body)
    if site is None:
        rejected(edge, "", SOURCE, "unknown_key")
        return error_answer(401, "unknown_key", "give the site's public key as `key`")
    refused = _refused(edge, site, body)
    if refused is not None or body is None:
        return refused or error_answer(400, "invalid_json", UNREADABLE)
    address = address_of(edge, call)
    caller = Caller(site=site, address=address, bucket=ip_bucket(address) if site.ip_rate > 0 else "")
    limit = unavailable(edge) or limited(edge, caller)
    if limit is not None:
        rejected(edge, site.id, SOURCE, "no_room" if limit.status == 503 else "rate_limited")
        return limit
    return await _take(edge, call, caller, body)


def _read(raw: bytes) -> dict[str, Any] | None:
    """None for what is no body of the pixel's."""
    try:
        body = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ArithmeticError):
        return None
    told = body.get("event")
    return body if isinstance(told, dict) and isinstance(told.get("name"), str) else None


def _site(edge: Edge, call: Call, body: dict[str, Any] | None) -> Site | None:
    key = cors.public_key(call) or (body or {}).get("key")
    return edge.snapshot.site_by_public_key(key) if isinstance(key, str) else None


def _refused(edge: Edge, site: Site, body: dict[str, Any] | None) -> Answer | None:
    if body is None:
        rejected(edge, site.id, SOURCE, "malformed")
        return error_answer(400, "invalid_json", UNREADABLE)
    sender = _sender(edge, site)
    if sender is not None and body.get("shop") != sender.shop:
        rejected(edge, site.id, SOURCE, "wrong_origin")
        return error_answer(403, "wrong_origin", "the key is of a site with another `shop` than the body names")
    return None


def _sender(edge: Edge, site: Site) -> Shopify | None:
    found = edge.senders.of_kind(Shopify.kind, site.id)
    return found if isinstance(found, Shopify) else None


async def _take(edge: Edge, call: Call, caller: Caller, body: dict[str, Any]) -> Answer:
    site, sender = caller.site, _sender(edge, caller.site)
    edge.observer.event_received(site.id, SOURCE)
    told = event_of(body, sender.item_id if sender is not None else "variant_id")
    event = None if told is None else _event(edge, call, caller, body, told)
    if isinstance(event, Invalid):
        rejected(edge, site.id, SOURCE, "invalid_field")
        return Answer(status=400, headers=(JSON,), body=event.body())
    if event is not None and (failed := await take(edge, [event], caller)) is not None:
        return failed
    return Answer(status=200, headers=(JSON,), body=msgspec.json.encode(_Taken(accepted=int(event is not None))))


def _event(edge: Edge, call: Call, caller: Caller, body: dict[str, Any], told: dict[str, Any]) -> Event | Invalid:
    visitor = visitor_of(body)
    intake = Intake(
        site=caller.site.id,
        source=SOURCE,
        received_at_ms=edge.now_ms(),
        make_id=edge.make_id,
        default_country=caller.site.default_country,
        sealer=edge.sealers.get(caller.site.id),
        bot=judged(edge, call, caller),
        client_ip=caller.address,
        client_user_agent=user_agent_of(body) or user_agent(call.headers),
        anonymous_id=visitor if visitor is not None and is_visitor_id(visitor) else None,
        cookies=cookies_of(body),
    )
    return to_event(_encoder.encode(told), of_browser(edge, call, caller.site, intake))
