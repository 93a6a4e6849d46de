"""A place as Meta wants it before hashing: city, region, postal code, country.

Source: "Customer Information Parameters", developers.facebook.com, read 2026-11-20; contracts/meta.md, section 6. Where
the page is silent, the safe reading: letters with accents stay (the page allows UTF-8), a UK postal code stays whole
(the page's words name area, district and sector, its example `m11ae` is a whole one, and Meta's own code does not cut),
and a value that fits no form is left out rather than hashed into something that matches a stranger.
"""

import re
import unicodedata
from collections.abc import Mapping

from actors.destinations.base import sha256

# fmt: off
US_STATES: Mapping[str, str] = {
    "alabama": "al", "alaska": "ak", "arizona": "az", "arkansas": "ar", "california": "ca", "colorado": "co",
    "connecticut": "ct", "delaware": "de", "districtofcolumbia": "dc", "washingtondc": "dc", "florida": "fl",
    "georgia": "ga", "hawaii": "hi", "idaho": "id", "illinois": "il", "indiana": "in", "iowa": "ia", "kansas": "ks",
    "kentucky": "ky", "louisiana": "la", "maine": "me", "maryland": "md", "massachusetts": "ma", "michigan": "mi",
    "minnesota": "mn", "mississippi": "ms", "missouri": "mo", "montana": "mt", "nebraska": "ne", "nevada": "nv",
    "newhampshire": "nh", "newjersey": "nj", "newmexico": "nm", "newyork": "ny", "northcarolina": "nc",
    "northdakota": "nd", "ohio": "oh", "oklahoma": "ok", "oregon": "or", "pennsylvania": "pa", "rhodeisland": "ri",
    "southcarolina": "sc", "southdakota": "sd", "tennessee": "tn", "texas": "tx", "utah": "ut", "vermont": "vt",
    "virginia": "va", "washington": "wa", "westvirginia": "wv", "wisconsin": "wi", "wyoming": "wy",
    "puertorico": "pr", "guam": "gu", "americansamoa": "as", "usvirginislands": "vi", "northernmarianaislands": "mp",
}
# fmt: on
_COUNTRY_NAMES: Mapping[str, str] = {
    "unitedstates": "us",  # the page's own example
    "unitedstatesofamerica": "us",
    "usa": "us",
    "unitedkingdom": "gb",
    "uk": "gb",  # what people write; the ISO code is GB
}

HASHED = re.compile(r"[0-9a-fA-F]{64}(\.[A-Za-z0-9]{2,8})?")  # with the suffix of Meta's parameter builder
_US_POSTAL_CODE = re.compile(r"(\d{5})(-?\d{4})?")


def city(value: str | None) -> list[str]:
    return _hashes(value, _letters_and_digits(value))


def region(value: str | None, country_value: str | None) -> list[str]:
    """In the US the two-letter code, elsewhere the name; where the country is unknown, a US name is taken as one."""
    plain = _letters_and_digits(value)
    code = country_code(country_value)
    if code not in ("us", None):
        return _hashes(value, plain)
    if code == "us" and len(plain) == 4 and plain.startswith("us"):  # ISO 3166-2: US-NY
        plain = plain[2:]
    plain = US_STATES.get(plain, plain)
    is_readable = code is None or len(plain) == 2
    return _hashes(value, plain if is_readable else "")


def postal_code(value: str | None, country_value: str | None) -> list[str]:
    """Lower-case without spaces and hyphens; of a US code the first five digits."""
    compact = "".join((value or "").lower().split())
    us = _US_POSTAL_CODE.fullmatch(compact)
    if us and (country_code(country_value) == "us" or ("-" in compact and country_value is None)):
        return _hashes(value, us.group(1))
    return _hashes(value, compact.replace("-", ""))


def country(value: str | None) -> list[str]:
    return _hashes(value, country_code(value) or "")


def country_code(value: str | None) -> str | None:
    """The two letters of ISO 3166-1, or None where the value is no country that is known for certain."""
    plain = _letters_and_digits(value)
    plain = _COUNTRY_NAMES.get(plain, plain)
    return plain if len(plain) == 2 and plain.isascii() and plain.isalpha() else None


def external_id(value: str | None) -> list[str]:
    """As Meta's parameter builder has it: trimmed, lower-case, hashed. The browser's pixel must get the same form."""
    return _hashes(value, (value or "").strip().lower())


def _hashes(value: str | None, plain: str) -> list[str]:
    """The hash of the plain form; a value that arrived hashed stays as it is, in lower case."""
    if value and HASHED.fullmatch(value.strip()):
        digest, dot, suffix = value.strip().partition(".")
        return [digest.lower() + dot + suffix]
    return [sha256(plain)] if plain else []


def _letters_and_digits(value: str | None) -> str:
    if not value:
        return ""
    if value.isascii() and value.isalnum():
        return value.lower()
    return "".join(char for char in unicodedata.normalize("NFC", value).lower() if _belongs_to_a_word(char))


def _belongs_to_a_word(char: str) -> bool:
    return char.isalnum() or unicodedata.category(char).startswith("M")  # vowel signs of Indic and Thai script
