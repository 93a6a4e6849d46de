"""What may go to a platform: page addresses and custom properties without personal data and foreign click ids.

The platforms forbid personal data outside their own fields for it (contracts/meta.md, section 4; contracts/ga4.md,
section 4), and contracts/click_ids.md, section 1, gives a platform only its own click id.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote_plus

Network = Literal[
    "meta", "google", "tiktok", "pinterest", "snapchat", "linkedin", "reddit", "criteo", "klaviyo", "awin", "taboola"
]

# Query parameters that hold a click id, in lower case, and whose it is (contracts/click_ids.md, section 2).
_OWN: Mapping[Network, frozenset[str]] = {
    "meta": frozenset({"fbclid"}),
    "google": frozenset({"gclid", "gbraid", "wbraid", "dclid", "gad_source", "gad_campaignid", "srsltid", "_gl"}),
    "tiktok": frozenset({"ttclid"}),
    "pinterest": frozenset({"epik"}),
    "snapchat": frozenset({"sccid"}),
    "linkedin": frozenset({"li_fat_id"}),
    "reddit": frozenset({"rdt_cid"}),
    "criteo": frozenset(),  # its id comes from a cookie
    "klaviyo": frozenset({"_kx"}),
    "awin": frozenset({"awc"}),
    "taboola": frozenset({"tblci"}),
}
_NOBODYS = frozenset({"msclkid", "twclid", "ajs_uid", "ajs_aid"})  # of networks without a destination here
_CLICK_IDS = _NOBODYS.union(*_OWN.values())

# fmt: off
# Names, without `_`, `-`, spaces and case, whose values are personal whatever they are.
_PERSONAL = frozenset({
    "email", "emailaddress", "mail", "phone", "phonenumber", "tel", "telephone", "mobile", "mobilephone",
    "firstname", "lastname", "fullname", "surname", "fname", "lname", "customername", "username",
    "address", "address1", "address2", "street", "streetaddress", "shippingaddress", "billingaddress",
    "dateofbirth", "dob", "birthday", "birthdate", "gender", "ssn", "password", "passwd", "ip", "ipaddress",
})

# Directions to the gateway, not facts about the event (contracts/events_api.md, section 3).
_DIRECTIONS = frozenset({
    "meta_event", "ga_event", "gads_conversion_label", "meta_pixel_id", "meta_test_code", "ga_measurement_id",
})
# fmt: on

# What opens a buyer's checkout or order in the addresses of a shop's pages (contracts/shopify_pixel.md, section 7).
_OPENING = re.compile(r"(/(?:checkouts|orders)(?:/[a-z]{1,3})?)/[\w-]{16,}", re.ASCII)
_KEYS = frozenset({"key", "token", "access_token"})

_EMAIL = re.compile(r"[\w.+%-](?:@|%40)[\w-]+\.\w", re.IGNORECASE)
_SEPARATORS = str.maketrans("", "", "_- .")


def page_url(url: str | None, network: Network) -> str | None:
    """The address without the query parameters that are personal or another network's, and without what opens a
    checkout or an order to whoever has it; else unchanged. Klaviyo's way back into a checkout stays."""
    if url is None:
        return None
    head, mark, rest = url.partition("?")
    closed = _OPENING.sub(r"\1", head) if network != "klaviyo" else head
    if not mark:
        return closed
    query, hash_mark, fragment = rest.partition("#")
    parts = query.split("&")
    kept = [part for part in parts if _may_leave(part, network) and (closed == head or not _is_key(part))]
    if len(kept) == len(parts) and closed == head:
        return url
    head = closed
    return head + ("?" if kept else "") + "&".join(kept) + hash_mark + fragment


def leaving_properties(properties: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The custom properties that may leave: not the personal ones, not the gateway's own directions."""
    for name, value in properties.items():
        if value is not None and name not in _DIRECTIONS and not is_personal(name, value):
            yield name, value


def ip_address(value: str | None) -> str | None:
    """The address, if it is one: some platforms refuse a whole batch for a client address of another form."""
    return value if value and _is_address(value) else None


@lru_cache(maxsize=4096)
def _is_address(value: str) -> bool:
    """The last ones are remembered: a visitor's events follow each other, to several platforms each."""
    try:
        return "%" not in value and bool(ipaddress.ip_address(value))
    except ValueError:
        return False


def is_personal(name: str, value: object) -> bool:
    """Whether the name says personal data, or the value holds an email address."""
    if name.translate(_SEPARATORS).lower() in _PERSONAL:
        return True
    if isinstance(value, list):
        return any(_has_email(entry) for entry in value)
    return _has_email(value)


def _has_email(value: object) -> bool:
    return isinstance(value, str) and ("@" in value or "%40" in value) and _EMAIL.search(value) is not None


def _is_key(part: str) -> bool:
    return unquote_plus(part.partition("=")[0]).lower() in _KEYS


def _may_leave(part: str, network: Network) -> bool:
    name, _, value = part.partition("=")
    name = unquote_plus(name)
    if is_personal(name, value):
        return False
    return name.lower() not in _CLICK_IDS or name.lower() in _OWN[network]
