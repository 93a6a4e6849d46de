"""How well a platform could match what it was sent: an estimate from 0 to 10, for one event at one destination.

The rule is ours and open (docs/match-quality.md): each kind of identifier has a weight, and counts if the request
carries it in a valid form. What the platform does not take is left out and the rest scaled to 10. Platforms keep their
own formulas secret: this is no promise that anybody was matched.

Source: contracts/dedup_and_identity.md, section 5.
"""

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

from msgspec import Struct

from actors.destinations import carried
from actors.destinations.base import DAY_S, Destination
from actors.event import Event, UserData
from actors.identity import BLOCKED_DIGESTS, is_blocked
from store.records import MatchRow

FBC_AGE_MS = 90 * DAY_S * 1_000  # Meta's own cookie lives as long
WHOLE_TENTHS = 100

# Bit, name, weight in tenths.
KINDS: tuple[tuple[int, str, int], ...] = (
    (carried.EMAIL, "email", 30),
    (carried.PHONE, "phone", 20),
    (carried.CLICK_ID, "click_id", 20),
    (carried.EXTERNAL_ID, "external_id", 10),
    (carried.BROWSER_ID, "browser_id", 8),
    (carried.IP, "client_ip", 3),
    (carried.USER_AGENT, "client_user_agent", 3),
    (carried.NAMES, "name", 3),
    (carried.PLACE, "place", 3),
)

# HTTP libraries and tools, by how their user agents begin: such a request was not a browser's.
_LIBRARY = re.compile(
    r"(?:aiohttp|apache-httpclient|axios|curl|dart|faraday|got|go-http-client|guzzlehttp|httpie|http_request2|java"
    r"|libwww-perl|node|node-fetch|okhttp|php|postmanruntime|python|python-httpx|python-requests|python-urllib"
    r"|reactornetty|rest-client|ruby|shopify-captain-hook|symfony|undici|wget|wordpress)(?:[/ (]|$)",
    re.IGNORECASE,
)
_FBC_TIME = re.compile(r"fb\.[0-9]\.([0-9]{13})\.")


class Gap(Struct, frozen=True, kw_only=True):
    """A kind that did not count, and what it would add to the estimate."""

    kind: int
    name: str
    adds_tenths: int


def estimate(event: Event, carries: int, destination: Destination) -> MatchRow | None:
    """`carries`: what the payload says that it holds. None where the destination looks for nobody."""
    taken = destination.matches_on()
    if not taken:
        return None
    counted = _valid(event, carries & taken, destination)
    return MatchRow(tenths=_scaled(_weight(counted), _weight(taken)), counted=counted, taken=taken)


def gaps(match: MatchRow) -> Iterator[Gap]:
    """What is missing, the heaviest first."""
    whole = _weight(match.taken)
    for kind, name, tenths in KINDS:
        if match.taken & kind and not match.counted & kind:
            yield Gap(kind=kind, name=name, adds_tenths=_scaled(tenths, whole))


def is_there(kind: int, user: UserData, destination: type[Destination]) -> bool:
    """Whether the event has the identifier that did not count: it was kept back, or its form is not valid."""
    match kind:
        case carried.CLICK_ID:
            return any(getattr(user, name) is not None for name in destination.click_ids)
        case carried.BROWSER_ID:
            return any(getattr(user, name) is not None for name in destination.browser_ids)
        case carried.NAMES:
            return user.first_name is not None and user.last_name is not None
        case carried.PLACE:
            return user.country is not None and (user.city is not None or user.postal_code is not None)
    name = next(name for bit, name, _ in KINDS if bit == kind)
    return getattr(user, name) is not None


def _weight(kinds: int) -> int:
    total = 0
    for bit, _, tenths in KINDS:
        if kinds & bit:
            total += tenths
    return total


def _scaled(tenths: int, whole: int) -> int:
    """Of 100, halves up."""
    return (2 * WHOLE_TENTHS * tenths + whole) // (2 * whole)


def _valid(event: Event, kinds: int, destination: Destination) -> int:
    """Without those whose value says nothing, though the adapter sent it."""
    user = event.user_data
    if kinds & carried.EMAIL and user.email is not None and user.email.sha256 in BLOCKED_DIGESTS:
        kinds &= ~carried.EMAIL
    if kinds & carried.PHONE and user.phone is not None and user.phone.sha256 in BLOCKED_DIGESTS:
        kinds &= ~carried.PHONE
    if kinds & carried.EXTERNAL_ID and user.external_id is not None and is_blocked(user.external_id):
        kinds &= ~carried.EXTERNAL_ID
    if kinds & carried.CLICK_ID and "fbc" in destination.click_ids and not _is_fresh(user.fbc, event.occurred_at_ms):
        kinds &= ~carried.CLICK_ID
    if kinds & carried.IP and not is_public(user.client_ip or ""):
        kinds &= ~carried.IP
    if kinds & carried.USER_AGENT and is_library(user.client_user_agent or ""):
        kinds &= ~carried.USER_AGENT
    return kinds


def _is_fresh(fbc: str | None, at_ms: int) -> bool:
    """Whether the click was at most 90 days before the event."""
    found = _FBC_TIME.match(fbc or "")
    return found is not None and at_ms - int(found[1]) <= FBC_AGE_MS


def is_library(user_agent: str) -> bool:
    """Whether the user agent is that of an HTTP library, or of nothing."""
    return not user_agent.strip() or _LIBRARY.match(user_agent) is not None


def is_public(address: str) -> bool:
    """Whether an address that parses is one of the public internet: the ranges of actors/addresses.py, by hand, as
    `ipaddress` takes as long as all else here."""
    if ":" in address:
        return _is_public_v6(address)
    try:
        first, second, third, _ = map(int, address.split("."))
    except ValueError:
        return False
    match first:
        case 0 | 10 | 127:
            return False
        case 100:
            return not 64 <= second < 128
        case 169:
            return second != 254
        case 172:
            return not 16 <= second < 32
        case 192:
            return second != 168 and (second, third) not in ((0, 0), (0, 2), (88, 99))
        case 198:
            return second not in (18, 19) and (second, third) != (51, 100)
        case 203:
            return (second, third) != (0, 113)
    return first < 224


def _is_public_v6(address: str) -> bool:
    """2000::/3 without what is set apart in it; a mapped IPv4 address by itself."""
    try:
        if address.startswith("::"):
            mapped = IPv6Address(address).ipv4_mapped
            return mapped is not None and is_public(str(mapped))
        groups = address.split(":", 2)
        first, second = int(groups[0], 16), int(groups[1] or "0", 16)
    except ValueError:
        return False
    if first == 0x2001:
        return second >= 0x200 and second != 0xDB8
    if first == 0x3FFF:
        return second >= 0x1000
    return 0x2000 <= first < 0x4000 and first != 0x2002
