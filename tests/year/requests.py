"""A step of the plan as the requests that browsers and servers send.

What a request of a browser says depends on the visitor id that its device holds by then: it is put in when it is sent.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from tests.year.landings import CHECKOUT, SHOP
from tests.year.plan import Device, Order, Person, Plan, Sale, Step, Visit
from tests.year.timing import bought_at_s, cart_at_s, checkout_at_s, lead_at_s, login_at_s, page_at_s

BEGIN_S: Final = 1_672_531_200  # 2023-01-01
WEBHOOK_S: Final = 2  # after the pixel

Way = Literal["/i", "/i/identify", "/v1/events"]
Fields = dict[str, Any]


class Request(Struct, frozen=True, kw_only=True):
    """`device` None: a server's."""

    at_s: int
    way: Way
    events: tuple[Fields, ...]
    device: Device | None = None


def requests(plan: Plan, step: Step) -> Iterator[Request]:
    who = plan.person(step.person)
    match step:
        case Visit():
            yield from _of_visit(who, step)
        case Sale():
            event = _order(who, step.order, step.at_s, "physical_store" if step.is_counter else "phone_call")
            yield Request(at_s=step.at_s, way="/v1/events", events=(event,))
            yield from _refund(who, step.order, step.at_s)


def _of_visit(who: Person, visit: Visit) -> Iterator[Request]:
    pages = [_stating(visit, one) for one in _pages(visit)]
    yield Request(at_s=visit.at_s, way="/i", events=(pages[0],), device=visit.device)
    if visit.is_login:
        login = _event("identify", f"login-{visit.serial}", login_at_s(visit), user_data=_person(who))
        yield _browser(visit, "/i/identify", [login])
    later = [*pages[1:], *_deeds(who, visit)]
    if later:
        yield _browser(visit, "/i", later)
    if visit.order is not None:
        at_s = bought_at_s(visit)
        order = _stating(visit, _order(who, visit.order, at_s, "website"))
        yield Request(at_s=at_s + WEBHOOK_S, way="/v1/events", events=(order,), device=_of_order(visit))
        yield from _refund(who, visit.order, at_s)


def _of_order(visit: Visit) -> Device | None:
    """The cart tells the shop's server the visitor id, where the shop's pages run at all."""
    return visit.device if visit.order is not None and visit.order.has_pixel else None


def _pages(visit: Visit) -> Iterator[Fields]:
    landing = visit.landing
    query = landing.query.format(n=f"{visit.device.owner}x{visit.device.number}x{visit.link}", c=visit.campaign)
    url = f"{SHOP}/collections/tea" + (f"?{query}" if query else "")
    referrer = "" if visit.is_again else landing.referrer
    yield _event("page_viewed", f"page-{visit.serial}", visit.at_s, page=_page(url, referrer))
    for number in range(1, visit.pages):
        page = _page(f"{SHOP}/products/tea-{number}", f"{SHOP}/collections/tea")
        yield _event("product_viewed", f"page-{visit.serial}-{number}", page_at_s(visit, number), page=page)


def _deeds(who: Person, visit: Visit) -> Iterator[Fields]:
    own = _page(f"{CHECKOUT}/checkout", f"{SHOP}/cart")
    if visit.has_cart:
        page = _page(f"{SHOP}/cart", f"{SHOP}/products/tea-1")
        yield _stating(visit, _event("cart_item_added", f"cart-{visit.serial}", cart_at_s(visit), page=page))
    if visit.has_lead:
        lead = {"lead_id": f"lead-{visit.serial}"}
        event = _event("lead_submitted", f"lead-{visit.serial}", lead_at_s(visit), page=_page(f"{SHOP}/ask", SHOP))
        yield _stating(visit, event | {"user_data": _person(who), "custom_data": lead})
    if visit.order is not None:
        yield _stating(visit, _event("checkout_started", f"checkout-{visit.serial}", checkout_at_s(visit), page=own))
    if visit.order is not None and visit.order.has_pixel:
        yield _stating(visit, _order(who, visit.order, bought_at_s(visit), "website") | {"page": own})


def _refund(who: Person, order: Order, at_s: int) -> Iterator[Request]:
    if order.refund:
        refunded_s = at_s + order.refund_after_s
        event = _event("order_refunded", f"refund-{order.number}", refunded_s, user_data=_person(who))
        custom = {"order_id": f"{order.number}", "value": str(order.refund), "currency": order.currency}
        yield Request(at_s=refunded_s, way="/v1/events", events=(event | {"custom_data": custom},))


def _order(who: Person, order: Order, at_s: int, where: str) -> Fields:
    custom = {"order_id": f"{order.number}", "value": str(order.value), "currency": order.currency}
    event = _event("purchase_placed", f"order-{order.number}", at_s, user_data=_person(who))
    return event | {"custom_data": custom, "action_source": where}


def _browser(visit: Visit, way: Way, events: Sequence[Fields]) -> Request:
    last_s = max(_seconds(one["occurred_at"]) for one in events)
    return Request(at_s=last_s, way=way, events=tuple(events), device=visit.device)


def _stating(visit: Visit, event: Fields) -> Fields:
    if not visit.stated:
        return event
    return event | {"consent": {"analytics": visit.stated, "marketing": visit.stated}}


def _event(name: str, event_id: str, at_s: int, **fields: Fields) -> Fields:
    return {"event_name": name, "event_id": event_id, "occurred_at": _time(at_s), **fields}


def _person(who: Person) -> Fields:
    return {"email": who.email} | ({"external_id": who.customer} if who.customer is not None else {})


def _page(url: str, referrer: str) -> Fields:
    return {"url": url} | ({"referrer": referrer} if referrer else {})


def _time(at_s: int) -> str:
    return datetime.fromtimestamp(BEGIN_S + at_s, UTC).isoformat()


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp()) - BEGIN_S


def body(request: Request, visitor: str | None) -> bytes:
    """JSON, with the visitor id where the device has one."""
    events = [one if visitor is None else _with_visitor(one, visitor) for one in request.events]
    return msgspec.json.encode(events[0] if request.way == "/i/identify" else events)


def _with_visitor(event: Fields, visitor: str) -> Fields:
    return event | {"user_data": event.get("user_data", {}) | {"anonymous_id": visitor}}
