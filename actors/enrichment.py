"""What is added to an event before it is delivered: what its visitor brought and what its person gave earlier.

Only fields that the event lacks, each with where and when it was learnt; kept beside the event as an overlay.

- A visitor's own click and browser ids (contracts/click_ids.md): of each network the last click, as long as its cookie
  would live. Where the event has an id of a network, none is added: it would be of another click.
- The person's digests, name, address and ids (contracts/dedup_and_identity.md, section 2). A name comes whole from one
  event, and so does an address: parts of two would be nobody's.
- An event without a visitor (a renewal, a webhook) gets the click and browser ids of the visitor that its identity was
  seen with last: the page of limits keeps the last five with the identity ("stored, never join"), and the platform
  judges a click by the time it carries.

Never added: what is sealed, address and user agent of a connection, `session_id`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from actors.event import Event, UserData
from actors.identity_state import IdentityState, Value
from store.records import Learnt

DAY_MS = 86_400_000
MONTH_MS = 30 * DAY_MS
HALF_HOUR_MS = 30 * 60_000

# How long a value lives (click_ids.md, section 2; Snap's as MetaRouter keeps it, section 5). A GA session ends with
# half an hour of silence (dedup_and_identity.md, section 3).
LIFETIMES_MS = {
    "fbc": 90 * DAY_MS, "fbp": 90 * DAY_MS, "gclid": 90 * DAY_MS, "gbraid": 90 * DAY_MS, "wbraid": 90 * DAY_MS,
    "ttclid": 13 * MONTH_MS, "ttp": 13 * MONTH_MS, "epik": 12 * MONTH_MS, "sc_click_id": 37 * DAY_MS,
    "sc_cookie1": 13 * MONTH_MS, "li_fat_id": 30 * DAY_MS, "rdt_cid": 90 * DAY_MS, "rdt_uuid": 90 * DAY_MS,
    "awc": 12 * MONTH_MS, "tblci": 30 * DAY_MS, "criteo_id": 13 * MONTH_MS, "msclkid": 90 * DAY_MS,
    "ga_client_id": 24 * MONTH_MS, "ga_session_id": HALF_HOUR_MS, "kx": 24 * MONTH_MS,
}  # fmt: skip
GOOGLE = ("gclid", "gbraid", "wbraid")
CLICKS = tuple(LIFETIMES_MS)
GROUPS = (
    ("first_name", "last_name"),
    ("street", "city", "region", "postal_code", "country"),
    *((field,) for field in ("email", "phone", "external_id", "klaviyo_id", "date_of_birth", "gender")),
)
TRAITS = ("first_name", "last_name", "street", "city", "region", "postal_code", "country", "date_of_birth", "gender")

Added = tuple[dict[str, Any], dict[str, Learnt]]  # field -> value; field -> where it came from


def overlaid(event: Event, known: Mapping[str, Any]) -> Event:
    """The event with these fields, where it has none of its own."""
    fields = msgspec.convert(known, UserData)
    own = event.user_data
    new = {name: getattr(fields, name) for name in known if getattr(own, name) is None}
    return msgspec.structs.replace(event, user_data=msgspec.structs.replace(own, **new)) if new else event


def of_visitor(user: UserData, last: Mapping[str, tuple[str, int, int, str]], now_ms: int, max_age_ms: int) -> Added:
    """`last`: of each click or browser id the newest value, when it came first and last, and the source of it."""
    added: dict[str, Any] = {}
    learnt: dict[str, Learnt] = {}
    has_google = any(getattr(user, field) is not None for field in GOOGLE)
    newest_google = max((last[field][1] for field in GOOGLE if field in last), default=0)
    for field, (value, first_at_ms, last_at_ms, source) in last.items():
        if getattr(user, field) is not None:
            continue
        if field in GOOGLE and (has_google or first_at_ms < newest_google):
            continue
        since_ms = last_at_ms if field == "ga_session_id" else first_at_ms
        if now_ms - since_ms <= min(LIFETIMES_MS[field], max_age_ms):
            added[field] = value
            learnt[field] = Learnt("visitor", source, first_at_ms)
    return added, learnt


def of_identity(user: UserData, state: IdentityState, now_ms: int, max_age_ms: int, *, has_visitor: bool) -> Added:
    """What the person gave, within the age that the site allows."""
    added: dict[str, Any] = {}
    learnt: dict[str, Learnt] = {}
    for group in GROUPS:
        if not any([field in state.values for field in group]):
            continue
        if any([getattr(user, field) is not None for field in group]):
            continue
        found = {field: _newest(state.values.get(field, ())) for field in group if field in state.values}
        given = {field: value for field, value in found.items() if value is not None}
        last_ms = max((value.last_at_ms for value in given.values()), default=0)
        if now_ms - last_ms > max_age_ms:
            continue
        for field, value in given.items():
            if value.last_at_ms == last_ms:
                added[field] = value.form
                learnt[field] = Learnt("identity", value.source, value.first_at_ms)
    if not has_visitor:
        clicks, clicks_from = of_visitor(user, _last_clicks(state), now_ms, max_age_ms)
        added |= clicks
        learnt |= {field: Learnt("identity", one.source, one.at_ms) for field, one in clicks_from.items()}
    return added, learnt


def is_steady(state: IdentityState) -> bool:
    """Whether what a person gave is the same whichever value was given again last."""
    for group in GROUPS:
        values = [one for field in group for one in state.values.get(field, ())]
        if len(values) > len(group) or len({one.last_at_ms for one in values}) > 1:
            return False
    return True


def _newest(values: Iterable[Value]) -> Value | None:
    return max(values, key=lambda one: (one.last_at_ms, one.first_at_ms), default=None)


def _last_clicks(state: IdentityState) -> dict[str, tuple[str, int, int, str]]:
    found: dict[str, tuple[str, int, int, str]] = {}
    for field in CLICKS:
        value = max(state.values.get(field, ()), key=lambda one: one.first_at_ms, default=None)
        if value is not None:
            found[field] = (str(value.form), value.first_at_ms, value.last_at_ms, value.source)
    return found
