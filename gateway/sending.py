"""A test event: made of a sample and of what somebody sets, put into the mailbox, and what the platforms said to it.

It has source `test`, an id that the gateway makes, and goes the whole way: mailbox, turn, outbox, dispatcher, to the
test twin of each destination (actors/twins.py). It waits for no twin of its order and teaches nothing about its
visitor. The sample is one that platforms take; whatever is set takes the place of the sample's value, and null takes it
away.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from actors.destinations.base import InTestMode
from actors.event import Event
from actors.snapshot import Site
from actors.twins import real_id, twin_of, why_no_twin
from gateway.answers import error_answer
from gateway.call import Answer
from gateway.commands.facts import facts_of
from gateway.edge import Caller, Edge, rejected, take, unavailable
from gateway.incoming import Intake, to_event
from gateway.invalid import Invalid, invalid_field
from store import keys
from store.env import Store
from store.records import DeliveryRow

SOURCE: Final = "test"
PREFIX: Final = "test-"  # of the ids of test events: none is taken for a real event's
ITEM: Final = {"id": "test-item", "name": "Test item", "quantity": 1, "price": "10.00"}
PRODUCT: Final = {"value": "10.00", "currency": "EUR", "items": [ITEM]}
PERSON: Final[Mapping[str, str]] = {
    "email": "gateway-test@example.org",
    "client_ip": "203.0.113.10",  # of a block for documentation (RFC 5737)
    "client_user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "ga_client_id": "1234567890.1790000000",
    "country": "DE",
}
GRANTED: Final = {purpose: "granted" for purpose in ("analytics", "marketing", "preferences", "sale_of_data")}
WITHOUT_ITEMS: Final = frozenset({"page_viewed", "search_submitted", "newsletter_subscribed", "registration_completed"})

Status = Literal["delivered", "queued", "failed", "dropped", "not_routed"]


class AtDestination(Struct, frozen=True, kw_only=True):
    """`effect`: of the platform's test mode. `why`: the platform's words, or the reason why nothing was sent."""

    destination: str
    platform: str
    status: Status
    effect: str = ""
    why: str = ""
    http_status: int | None = None
    latency_ms: int | None = None


class Outcome(Struct, frozen=True, kw_only=True):
    """`settled`: nothing waits any more. `processed`: the core has taken the event from the mailbox."""

    site: str
    event_id: str
    event_name: str
    processed: bool
    settled: bool
    destinations: tuple[AtDestination, ...] = ()

    @property
    def is_right(self) -> bool:
        sent = [one for one in self.destinations if one.status != "not_routed"]
        return bool(sent) and all(one.status == "delivered" for one in sent)


def sample(event_name: str, site: Site, event_id: str) -> dict[str, Any]:
    """An event of that name in the public form."""
    origin = min(site.origins, default="https://shop.example.com")
    custom = {} if event_name in WITHOUT_ITEMS else dict(PRODUCT)
    if event_name.startswith(("purchase_", "order_")):
        custom["order_id"] = event_id
    return {
        "event_name": event_name,
        "page": {"url": f"{origin}/test", "title": "Test"},
        "user_data": {**PERSON, "external_id": event_id},
        "custom_data": custom,
        "consent": GRANTED,
    }


def laid_over(told: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The first with the values of the second; null takes one away."""
    found = dict(told)
    for name, value in over.items():
        inner = found.get(name)
        if value is None:
            found.pop(name, None)
        else:
            is_group = isinstance(value, Mapping) and isinstance(inner, Mapping)
            found[name] = laid_over(inner, value) if is_group and isinstance(inner, Mapping) else value
    return found


async def put(edge: Edge, site: Site, event_name: str, over: Mapping[str, Any]) -> Event | Invalid | Answer:
    """The event, on disk; or what is wrong with it, or why nothing is taken now."""
    if "event_id" in over:
        return invalid_field("event_id", "is made by the gateway for a test event; leave it out")
    if (refused := unavailable(edge)) is not None:
        return refused
    event_id = PREFIX + edge.make_id()
    edge.observer.event_received(site.id, SOURCE)
    event = _read(edge, site, event_id, laid_over(sample(event_name, site, event_id), over))
    if isinstance(event, Invalid):
        rejected(edge, site.id, SOURCE, "invalid_field")
        return event
    return await take(edge, [event], Caller(site=site)) or event


def outcome(store: Store, site: Site, event: Event) -> Outcome:
    """What became of it so far. Raises Unreadable."""
    facts = facts_of(store, keys.event(event.site, event.event_id, event.event_name))
    blank = Outcome(
        site=event.site, event_id=event.event_id, event_name=event.event_name, processed=False, settled=False
    )
    if facts is None or facts.row.status != "processed":
        return blank
    rows = {one: facts.deliveries.get(one) for one in facts.row.routed}
    found = [_sent(site, one, row) for one, row in rows.items()]
    found += [_not_sent(site, one, reason) for one, reason in facts.row.not_routed.items()]
    order = [destination.id for destination in site.destinations]
    found.sort(key=lambda one: order.index(one.destination) if one.destination in order else len(order))
    is_settled = all(one.status not in ("queued", "failed") for one in found)
    return msgspec.structs.replace(blank, processed=True, settled=is_settled, destinations=tuple(found))


def _read(edge: Edge, site: Site, event_id: str, told: Mapping[str, Any]) -> Event | Invalid:
    try:
        body = msgspec.json.encode({**told, "event_id": event_id})
    except (TypeError, ValueError, RecursionError):
        return invalid_field("", "the event is no JSON")
    intake = Intake(
        site=site.id,
        source=SOURCE,
        received_at_ms=edge.now_ms(),
        make_id=edge.make_id,
        default_country=site.default_country,
    )
    return to_event(body, intake)


def _sent(site: Site, twin: str, row: DeliveryRow | None) -> AtDestination:
    destination = site.destination(real_id(twin))
    mode = destination.in_test_mode() if destination is not None else None
    last = row.attempts[-1] if row is not None and row.attempts else None
    return AtDestination(
        destination=real_id(twin),
        platform=destination.platform if destination is not None else "",
        status=row.status if row is not None else "queued",
        effect=mode.effect if isinstance(mode, InTestMode) else "",
        why=(row.words or row.reason) if row is not None else "",
        http_status=last.status if last is not None else None,
        latency_ms=last.latency_ms if last is not None else None,
    )


def _not_sent(site: Site, twin: str, reason: str) -> AtDestination:
    destination = site.destination(real_id(twin))
    why = reason
    if destination is not None and reason == "test_event" and twin_of(destination) is None:
        why = f"{reason}: {why_no_twin(destination)}"
    platform = destination.platform if destination is not None else ""
    return AtDestination(destination=real_id(twin), platform=platform, status="not_routed", why=why)


def no_site(site: str, known: str) -> Answer:
    return error_answer(404, "not_found", f"there is no site {site[:80]!r}; there are: {known or 'none'}")
