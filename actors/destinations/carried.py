"""Which identifiers a request carries: one bit for each kind, told by an adapter from the very fields that it encodes.

A kind is what a match is estimated by (actors/match_quality.py): of the click ids of all platforms only the receiving
platform's own is `CLICK_ID`, and so for `BROWSER_ID`. `NAMES` and `PLACE` are whole only with their parts. The first
nine bits are stored with deliveries: a new kind goes behind them, never between.
"""

from collections.abc import Container, Mapping

from actors.event import UserData

EMAIL = 1 << 0
PHONE = 1 << 1
CLICK_ID = 1 << 2
EXTERNAL_ID = 1 << 3
BROWSER_ID = 1 << 4
IP = 1 << 5
USER_AGENT = 1 << 6
NAMES = 1 << 7  # both
PLACE = 1 << 8  # city or postal code, with the country

FIRST_NAME = 1 << 16
LAST_NAME = 1 << 17
CITY = 1 << 18
POSTAL_CODE = 1 << 19
COUNTRY = 1 << 20

Keys = Mapping[str, int]  # a platform's own field -> what it carries

_BOTH_NAMES = FIRST_NAME | LAST_NAME
_WHOLE = (1 << 16) - 1


def carried(fields: Container[str], keys: Keys) -> int:
    """The kinds that the fields carry, `fields` being those that go into the request."""
    bits = 0
    for name, bit in keys.items():
        if name in fields:
            bits |= bit
    return whole(bits)


def whole(bits: int) -> int:
    """The kinds that are complete; parts of names and places that are not count for nothing."""
    kinds = bits & _WHOLE
    if bits & _BOTH_NAMES == _BOTH_NAMES:
        kinds |= NAMES
    if bits & COUNTRY and bits & (CITY | POSTAL_CODE):
        kinds |= PLACE
    return kinds


def of_customer(kinds: int, user: UserData) -> int:
    """Without `EXTERNAL_ID` where that field carries the gateway's own visitor id alone, which no platform knows."""
    return kinds if user.external_id is not None else kinds & ~EXTERNAL_ID


def kinds_of(keys: Keys) -> int:
    """All that a platform with these fields takes."""
    return carried(keys, keys)
