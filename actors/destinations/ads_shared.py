"""What the adapters of ad platforms share: forms of identifiers, places, amounts and items.

Source: contracts/tiktok.md, pinterest.md and snapchat.md, sections on the payload and on normalisation; for opaque ids
contracts/click_ids.md, section 1. A value that arrived hashed is never hashed again; a suffix that Meta's library
appended to it is cut, as only Meta knows it.
"""

import re
from decimal import Decimal
from typing import Literal

from actors.destinations import meta_places
from actors.destinations.base import sha256
from actors.event import CustomData, Event, Item, UserData

HASHED = meta_places.HASHED
country_code = meta_places.country_code

_OPAQUE = re.compile(r"[\x21-\x7e]{1,1024}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_IOS = re.compile(r"\b(?:iPhone|iPad|iPod|iOS)\b")
_ANDROID = re.compile(r"\b(?:Android|Dalvik)\b")


def text(value: str | None) -> str | None:
    """The text as it came; None where it is blank."""
    return value if value and not value.isspace() else None


def opaque(value: str | None) -> str | None:
    """A click id or cookie as it came; a malformed one is ignored."""
    return value if value and _OPAQUE.fullmatch(value) else None


def hashed(value: str | None, plain: str | None) -> list[str]:
    """The SHA-256 of the plain form, or the digest that the value already is; nothing where there is neither."""
    if value and len(value) >= 64 and HASHED.fullmatch(value.strip()):
        return [value.strip()[:64].lower()]
    return [sha256(plain)] if plain else []


def email(user: UserData) -> list[str]:
    """Trimmed, in lower case; dots and +tag stay."""
    return [user.email.sha256] if user.email else []


def phone_digits(user: UserData) -> list[str]:
    """Country code and number without `+`; a value that arrived hashed has only the form it came in."""
    return [user.phone.digits or user.phone.sha256] if user.phone else []


def city(value: str | None) -> list[str]:
    """Lower case without spaces and punctuation."""
    return [digest[:64] for digest in meta_places.city(value)]


def region(value: str | None, country_value: str | None) -> list[str]:
    """The two-letter code in lower case; a region that has none is left out."""
    return hashed(value, region_code(value, country_value))


def region_code(value: str | None, country_value: str | None) -> str | None:
    """`ny` of `NY`, `US-NY` and, unless the country is another, `New York`."""
    plain = "".join(char for char in (value or "").lower() if char.isalnum())
    code = country_code(country_value)
    if code and len(plain) == 4 and plain.startswith(code):  # ISO 3166-2
        plain = plain[2:]
    if code in ("us", None):
        plain = meta_places.US_STATES.get(plain, plain)
    return plain if len(plain) == 2 and plain.isascii() and plain.isalpha() else None


def country(value: str | None) -> list[str]:
    """ISO 3166-1 alpha-2 in lower case."""
    return hashed(value, country_code(value))


def postal_code(value: str | None) -> str:
    """Lower case, without spaces and hyphens."""
    return "".join((value or "").lower().split()).replace("-", "")


def app_system(event: Event) -> Literal["ios", "android"] | None:
    """Of an app's event: what the custom property `platform` says, else the user agent."""
    stated = event.custom_data.properties.get("platform")
    agent = event.user_data.client_user_agent or ""
    said = stated.lower() if isinstance(stated, str) else ""
    if said == "ios" or (said != "android" and _IOS.search(agent)):
        return "ios"
    return "android" if said == "android" or _ANDROID.search(agent) else None


def currency(data: CustomData) -> str | None:
    code = (data.currency or "").upper()
    return code if _CURRENCY.fullmatch(code) else None


def amount(value: Decimal | None) -> str | None:
    """`96.4` as `96.40`: decimal text with two places, or as many more as it has."""
    if value is None or not value.is_finite():
        return None
    exponent = value.as_tuple().exponent
    return f"{value:f}" if isinstance(exponent, int) and exponent < -2 else f"{value:.2f}"


def content_ids(data: CustomData) -> list[str]:
    return [one for one in data.product_ids or (item.id for item in data.items) if one]


def count_of(item: Item) -> int:
    return 1 if item.quantity is None else item.quantity


def num_items(data: CustomData) -> int | None:
    """As told, else the sum of the quantities."""
    if data.num_items is not None or not data.items:
        return data.num_items
    return sum(count_of(item) for item in data.items)


def items_value(data: CustomData) -> Decimal | None:
    """The items' worth after the order's discount, without shipping; None where an item has no price."""
    if not data.items:
        return None
    total = -(data.discount or Decimal(0))
    for item in data.items:
        if item.price is None:
            return None
        total += item.price * count_of(item)
    return total
