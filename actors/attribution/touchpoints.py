"""A touchpoint's record, and the digests by which touchpoints and conversions find each other
(contracts/attribution.md, sections 2 and 5).

A digest is of the site, the kind of key and its value: nobody reads an identifier out of it. That a visitor brought a
click id before is known by such a digest, too, so a bookmark is told from a click without the id itself being kept.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from actors.attribution.channels import channel_again
from actors.attribution.evidence import JOURNEY_ID, LINK_ID, Link, Origin
from actors.attribution.settings import AttributionRules
from actors.event import Event, UserData
from actors.identity import is_blocked
from actors.person import Kind, Person
from actors.visits import time_of
from store import keys
from store.journey_records import LinkKey, TouchKind, TouchRow

TOGETHER_MS: Final = 30 * 60_000  # a click in a message and the landing it causes are one touchpoint within this
MILESTONES: Final = frozenset({"cart_item_added", "checkout_started", "lead_submitted"})


def digest(site: str, kind: str, value: str) -> bytes:
    return keys.digest16(site, "touch", kind, value)


def visitor_digest(site: str, visitor_id: str) -> bytes:
    return digest(site, "visitor", visitor_id)


def own_digest(event_key: bytes) -> bytes:
    """By which a conversion finds the signal that it gave itself."""
    return keys.digest16("signal", event_key.hex())


def click_digest(site: str, visitor_id: str, name: str, value: str) -> bytes:
    return digest(site, "click", f"{visitor_id}\x1f{name}\x1f{value}")


def touch_of(
    event: Event,
    origin: Origin,
    kind: TouchKind,
    *,
    session_id: str | None = None,
    parameters: dict[str, str] | None = None,
    keeps_clicks: bool = False,
    event_key: bytes = b"",
) -> TouchRow:
    """`keeps_clicks`: consent for marketing is there."""
    told, user = parameters or {}, event.user_data
    return TouchRow(
        site=event.site,
        at_ms=time_of(event),
        kind=kind,
        evidence=origin.evidence,
        source=origin.source,
        medium=origin.medium,
        channel=origin.channel,
        campaign=origin.campaign,
        term=origin.term,
        content=origin.content,
        clicks=tuple(name for name, _ in origin.clicks),
        click_ids=dict(origin.clicks) if keeps_clicks else {},
        is_paid=origin.is_paid,
        referrer=origin.referrer,
        visitor_id=user.anonymous_id,
        session_id=session_id,
        link_id=told.get(LINK_ID, ""),
        event_key=event_key,
        external=_external(event),
        keys=tuple(dict.fromkeys(_keys(event, origin, session_id, told))),
    )


def _keys(event: Event, origin: Origin, session_id: str | None, told: dict[str, str]) -> Iterable[bytes]:
    site, visitor_id = event.site, event.user_data.anonymous_id
    if visitor_id is not None:
        yield visitor_digest(site, visitor_id)
        for name, value in origin.clicks:
            yield click_digest(site, visitor_id, name, value)
    if (journey_id := told.get(JOURNEY_ID)) is not None:
        yield digest(site, "journey", journey_id)
    if (link_id := told.get(LINK_ID)) is not None:
        yield digest(site, "link", link_id)
    for link in carried(event, session_id if visitor_id is None else None):
        yield link.digest
    for name, known in (("kx", event.user_data.kx), ("klaviyo_id", event.user_data.klaviyo_id)):
        if known is not None:
            yield digest(site, name, known)


def carried(event: Event, session_id: str | None) -> list[LinkKey]:
    """Keys 4 to 7 of section 5 that an event carries itself."""
    site, user = event.site, event.user_data
    found: list[LinkKey] = []
    for session in dict.fromkeys((session_id, user.session_id)):
        if session is not None:
            found.append(LinkKey("session", digest(site, "session", session)))
    if external := _external(event):
        found.append(LinkKey("external_id", external))
    if user.email is not None:
        found.append(LinkKey("email", digest(site, "email", user.email.sha256)))
    found += [LinkKey("customer", digest(site, "customer", value)) for value in customer_hashes(user)]
    return found


def keys_of(event: Event, session_id: str | None) -> list[LinkKey]:
    """The keys of section 5 that an event itself has, in their order; what its identity adds comes from the graph."""
    site, found = event.site, list[LinkKey]()
    journey_id = event.custom_data.properties.get(JOURNEY_ID)  # of a cart attribute
    if isinstance(journey_id, str) and journey_id:
        found.append(LinkKey("journey", digest(site, "journey", journey_id)))
    if event.user_data.anonymous_id is not None:
        found.append(LinkKey("visitor", visitor_digest(site, event.user_data.anonymous_id)))
    return found + carried(event, session_id)


def person_digests(site: str, person: Person) -> list[bytes]:
    """Of the identifiers that are known of a person whose data is exported or erased."""
    found = [visitor_digest(site, one) for one in person.visitors()]
    kinds: tuple[tuple[Kind, str], ...] = (("external_id", "external_id"), ("email", "email"), ("phone", "customer"))
    for kind, name in kinds:
        values = {*person.given.get(kind, ()), *person.learnt.get(kind, ())}
        found += [digest(site, name, value) for value in sorted(values)]
    return found


def customer_hashes(user: UserData) -> list[str]:
    """Of the phone, and of the name with the postal code."""
    found = [user.phone.sha256] if user.phone is not None else []
    if user.first_name is not None and user.last_name is not None and user.postal_code is not None:
        postal = user.postal_code.replace(" ", "").lower()
        found.append(f"{user.first_name.sha256}\x1f{user.last_name.sha256}\x1f{postal}")
    return found


def joined(first: TouchRow, second: TouchRow) -> TouchRow | None:
    """A click in a message and its landing as one; None where they are not of one another. The caller has found them by
    a key they share."""
    kinds = {first.kind, second.kind}
    if kinds != {"message", "landing"} or abs(first.at_ms - second.at_ms) > TOGETHER_MS:
        return None
    landing, message = (first, second) if first.kind == "landing" else (second, first)
    if landing.campaign and message.campaign and landing.campaign.casefold() != message.campaign.casefold():
        return None
    is_named = landing.evidence not in ("referrer", "direct")
    return msgspec.structs.replace(
        landing if is_named else message,
        kind="landing",
        at_ms=landing.at_ms,
        evidence="link" if landing.evidence == "link" else "message",
        campaign=landing.campaign or message.campaign,
        visitor_id=landing.visitor_id or message.visitor_id,
        session_id=landing.session_id,
        referrer=landing.referrer,
        event_key=landing.event_key,
        external=landing.external or message.external,
        milestone_at_ms=landing.milestone_at_ms,
        keys=tuple(dict.fromkeys((*landing.keys, *message.keys))),
    )


def told_again(row: TouchRow, link: Link | None, rules: AttributionRules) -> TouchRow:
    """A touchpoint by the rules in force, and where a tracked link made it by the link as it is now. Of one that is no
    more, and where it names nothing now, what it said stays."""
    if row.evidence != "link":
        return msgspec.structs.replace(row, channel=channel_again(row, rules.channel_rules))
    if link is None:
        return row
    again = msgspec.structs.replace(
        row,
        source=link.source or row.source,
        medium=link.medium or row.medium,
        campaign=link.campaign or row.campaign,
        term=link.term or row.term,
        content=link.content or row.content,
    )
    return msgspec.structs.replace(again, channel=link.channel or channel_again(again, rules.channel_rules))


def _external(event: Event) -> bytes:
    value = event.user_data.external_id
    return digest(event.site, "external_id", value) if value is not None and not is_blocked(value) else b""
