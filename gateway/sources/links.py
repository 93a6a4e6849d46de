"""`GET /l/{slug}`: a tracked link. Answers 302 to its stored target, and keeps the click.

A click is an event `link_clicked` for the gateway's own use: source `link`, internal, so it goes to no platform, opens
no visit and makes no touchpoint. The touchpoint is made by the landing that shows `gw_lid`: so scanners of mail make
clicks at most (contracts/attribution.md, section 8). It is no `message_clicked`: that one is a touchpoint by itself,
and the contract wants one for both. HEAD, what is fetched ahead, and bots are sent on like everybody and are no clicks.

A person is sent on whatever happens to the click: what could not be kept is counted and in the log.
"""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from actors.bots import is_prefetch
from actors.event import BOT_SCORE, Event
from actors.snapshot import Site
from gateway.answers import error_answer
from gateway.call import Answer, Call
from gateway.client import is_https, set_cookie_header, user_agent, visitor_id
from gateway.edge import Caller, Edge, address_of, ip_bucket, judged, limited, of_browser, take, unavailable
from gateway.form import CustomForm, EventForm, PageForm, UserForm
from gateway.incoming import Intake, event_of
from gateway.links import CAMPAIGN, PREFIX, SLUG, is_live, is_of_site, sent_to
from gateway.sources.browser import may_set_cookie
from gateway.sources.visitor_view import read_visitor
from store import links
from store.records import LinkRow

SOURCE: Final = "link"
REFERRER_CHARS: Final = 2_048
CLICKED: Final = "link_clicked"
METHODS: Final = ("GET", "HEAD")
HEADERS: Final = (("cache-control", "no-store"), ("referrer-policy", "no-referrer-when-downgrade"))


async def follow(edge: Edge, call: Call) -> Answer:
    """302 to the target, or to the site's home; 404 where neither is known."""
    if call.method not in METHODS:
        return error_answer(405, "method_not_allowed", "a link takes GET", ("allow", ", ".join(METHODS)))
    slug = call.path.removeprefix(PREFIX)
    site, row = _found(edge, call, slug)
    if site is None or row is None or not is_live(row, edge.now_ms()):
        edge.observer.link_followed(site.id if site is not None else "", _why_dead(row))
        return _home(site)
    journey_id = edge.make_id()
    target = sent_to(row, call.query, journey_id)
    caller = Caller(site=site, address=address_of(edge, call), bucket="")
    if site.ip_rate > 0:
        caller = msgspec.structs.replace(caller, bucket=ip_bucket(caller.address))
    outcome, headers = await _clicked(edge, call, caller, row, target, journey_id)
    edge.observer.link_followed(site.id, outcome)
    return Answer(status=302, headers=(("location", target), *HEADERS, *headers))


def _found(edge: Edge, call: Call, slug: str) -> tuple[Site | None, LinkRow | None]:
    """The link, of the site whose host was asked; where that is nobody's host, of the only site that has the slug."""
    host = urlsplit(f"//{call.headers.get('host', '')}").hostname or ""
    sites = list(edge.snapshot.sites.values())
    own = [site for site in sites if is_of_site(host, site)] or sites
    if not SLUG.fullmatch(slug):
        return (own[0] if len(own) == 1 else None), None
    found = [(site, row) for site in own if (row := links.read(edge.store, site.id, slug)) is not None]
    if len(found) == 1:
        return found[0]
    return (own[0] if len(own) == 1 else None), None


def _why_dead(row: LinkRow | None) -> str:
    if row is None:
        return "unknown"
    return "expired" if row.is_enabled else "disabled"


def _home(site: Site | None) -> Answer:
    if site is None or site.home_url is None:
        return error_answer(404, "not_found", "there is no such link", *HEADERS)
    return Answer(status=302, headers=(("location", site.home_url), *HEADERS))


async def _clicked(
    edge: Edge, call: Call, caller: Caller, row: LinkRow, target: str, journey_id: str
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What the request counts as, and the headers that it brings. Nothing is awaited before the writer has a click."""
    if call.method == "HEAD":
        return "head", ()
    if is_prefetch(call.headers):
        return "prefetch", ()
    if judged(edge, call, caller).score >= BOT_SCORE:
        return "bot", ()
    if limited(edge, caller) is not None:
        return "limited", ()
    event, headers = _event(edge, call, caller, row, target, journey_id)
    if unavailable(edge) is not None or await take(edge, [event], caller) is not None:
        edge.log("click_not_kept", site=caller.site.id, link=row.slug)
        return "not_kept", headers
    return "click", headers


def _event(
    edge: Edge, call: Call, caller: Caller, row: LinkRow, target: str, journey_id: str
) -> tuple[Event, tuple[tuple[str, str], ...]]:
    """The click, under its journey's id; and the cookie of its visitor, where consent allows one."""
    site, known = caller.site, visitor_id(call.headers)
    state = read_visitor(edge.store, site.id, known or "")
    visitor = known or edge.make_id()
    intake = Intake(
        site=site.id,
        source=SOURCE,
        received_at_ms=edge.now_ms(),
        make_id=edge.make_id,
        is_internal=True,
        client_ip=caller.address,
        client_user_agent=user_agent(call.headers),
    )
    told = {"link_id": row.slug, "journey_id": journey_id, "channel": row.channel}
    told |= {name: getattr(row, field) for field, name in CAMPAIGN.items()}
    form = EventForm(
        event_name=CLICKED,
        event_id=journey_id,
        page=PageForm(url=target, referrer=call.headers.get("referer", "")[:REFERRER_CHARS] or None),
        user_data=UserForm(),
        custom_data=CustomForm(),
    )
    event = event_of(form, {name: value for name, value in told.items() if value}, of_browser(edge, call, site, intake))
    assert isinstance(event, Event), "all that is in it was checked when the link was stored, or is bounded above"
    if not may_set_cookie(event, state, site):
        return event, ()
    event = msgspec.structs.replace(event, user_data=msgspec.structs.replace(event.user_data, anonymous_id=visitor))
    return event, (set_cookie_header(visitor, is_https(call, edge.trusted_proxies), site.cookie_domain),)
