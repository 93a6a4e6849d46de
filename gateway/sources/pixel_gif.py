"""`GET /i.gif?k=…&e=page_viewed&…`: an event by a picture, for places without JavaScript: email, AMP, `<noscript>`.

`k` is a site's public key; a write key is none here. `e` names the event (default `page_viewed`), `id`, `u`, `r`, `t`
are its id, page, referrer and title; `custom_data.…` and the opaque ids of `user_data` stand under their own paths. A
page that says where it is must be one of the site's: `Referer` where there is one, of its `origins`.

With a right key the answer is the picture, and the event is on disk before it. What cannot be an event is set apart,
as with webhooks: nobody looks at the answer of a picture. The visitor is the cookie's; a picture sets none of its own,
since no consent comes with it. A mail service that fetches pictures for its readers hides them: its address and user
agent are not theirs and are left out.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from actors.bots import NO_BOT, is_mail_proxy
from actors.event import Event
from actors.snapshot import Site
from gateway import cors
from gateway.answers import error_answer
from gateway.call import Answer, Call
from gateway.client import user_agent, visitor_id
from gateway.dotted import BadPath, nested
from gateway.edge import Caller, Edge, address_of, ip_bucket, judged, limited, of_browser, rejected, take, unavailable
from gateway.incoming import Intake, to_event
from gateway.invalid import Invalid, invalid_field
from gateway.sources.browser import SOURCE
from gateway.sources.hooks import set_apart

PATH: Final = "/i.gif"
GIF: Final = bytes.fromhex(
    "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
)  # 43 bytes: one transparent pixel
HEADERS: Final = (("content-type", "image/gif"), ("cache-control", "no-store"), ("x-content-type-options", "nosniff"))
PARAMETERS: Final = 60
SHORT: Final = {"e": "event_name", "id": "event_id", "u": "page.url", "r": "page.referrer", "t": "page.title"}
# An address is kept in logs and histories on its way: of a person only what is opaque may stand in it.
OPAQUE: Final = frozenset({"user_data.external_id", "user_data.anonymous_id", "user_data.klaviyo_id", "user_data.kx"})


async def collect(edge: Edge, call: Call) -> Answer:
    if call.method not in ("GET", "HEAD"):
        return error_answer(405, "method_not_allowed", f"{PATH} takes GET", ("allow", "GET, HEAD"))
    key = cors.public_key(call)
    site = edge.snapshot.site_by_public_key(key) if key is not None else None
    if site is None:
        rejected(edge, "", SOURCE, "unknown_key")
        return error_answer(401, "unknown_key", "give the site's public key: ?k=<key>")
    if call.method == "HEAD":
        return _picture()
    origin = cors.origin_of(call)
    if origin is not None and origin not in site.origins:
        rejected(edge, site.id, SOURCE, "wrong_origin")
        return error_answer(403, "wrong_origin", "the page's origin is not one of the site's `origins`")
    caller = _caller(edge, call, site)
    if (refused := unavailable(edge) or limited(edge, caller)) is not None:
        rejected(edge, site.id, SOURCE, "no_room" if refused.status == 503 else "rate_limited")
        return refused
    edge.observer.event_received(site.id, SOURCE)
    return await take(edge, [_event(edge, call, caller)], caller) or _picture()


def _picture() -> Answer:
    return Answer(status=200, headers=HEADERS, body=GIF)


def _caller(edge: Edge, call: Call, site: Site) -> Caller:
    address = address_of(edge, call)
    is_shared = is_mail_proxy(call.headers.get("user-agent", ""))  # thousands of readers have its address
    return Caller(site=site, address=address, bucket="" if is_shared or site.ip_rate <= 0 else ip_bucket(address))


def _event(edge: Edge, call: Call, caller: Caller) -> Event:
    site, agent = caller.site, user_agent(call.headers)
    is_hidden = is_mail_proxy(agent or "")
    intake = Intake(
        site=site.id,
        source=SOURCE,
        received_at_ms=edge.now_ms(),
        make_id=edge.make_id,
        default_country=site.default_country,
        sealer=edge.sealers.get(site.id),
        bot=NO_BOT if is_hidden else judged(edge, call, caller),
        client_ip=None if is_hidden else caller.address,
        client_user_agent=None if is_hidden else agent,
        anonymous_id=visitor_id(call.headers),
        cookies=call.headers.get("cookie"),
    )
    intake = of_browser(edge, call, site, intake)
    told = read_query(call.query)
    event = to_event(msgspec.json.encode(told), intake) if not isinstance(told, Invalid) else told
    if isinstance(event, Invalid):
        rejected(edge, site.id, SOURCE, "invalid_field")
        event = set_apart({"event_name": "picture"}, event, intake)
    return event


def read_query(query: str) -> dict[str, Any] | Invalid:
    """The event's JSON, without what nobody may tell by a picture."""
    try:
        pairs = parse_qsl(query, keep_blank_values=False, max_num_fields=PARAMETERS, errors="replace")
    except ValueError:
        return invalid_field("", f"give at most {PARAMETERS} parameters")
    named = [(SHORT.get(name, name), value) for name, value in pairs if name != "k"]
    for name, _ in named:
        if name.startswith("user_data.") and name not in OPAQUE:
            return invalid_field(name, f"no picture's address may hold it; it may hold {', '.join(sorted(OPAQUE))}")
    try:
        told = nested(named)
    except BadPath as error:
        return invalid_field(error.path, error.message)
    return {"event_name": "page_viewed", **told}
