"""IAB GPP strings: opt-outs of US states, and the sections of older frameworks (contracts/consent.md, section 2.4).

A section of a US state whose layout is not in the table counts as an opt-out: what cannot be read must not be taken for
a yes. The consent platform's own parsed sections are the better thing to send, and speak for themselves.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from actors.consent_signals import tcf
from actors.consent_signals.bits import Bits, Unread
from actors.event import Consent

TYPE, VERSION = 3, 1  # of the header
SECTIONS_MOST: Final = 64
EU_TCF, US_PRIVACY = 2, 6
OPTED_OUT, DID_NOT = 1, 2
GPC_SEGMENT: Final = 1

Layout = tuple[int, ...]  # where the opt-outs of sale, of sharing and of targeted advertising begin, two bits each
_STATE: Final[Layout] = (12, 14)
LAYOUTS: Final[Mapping[int, Layout]] = MappingProxyType(
    {
        7: (18, 20, 22),
        8: (12, 14),
        **dict.fromkeys((9, 10, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23), _STATE),
        11: (14, 16),
        18: (14, 16),
    }
)
VERSIONS: Final[Mapping[int, frozenset[int]]] = MappingProxyType({7: frozenset({1, 2})})
FIRST_VERSION: Final = frozenset({1})
US_STATES: Final = range(7, 28)
OPT_OUTS: Final = frozenset({"SaleOptOut", "SharingOptOut", "TargetedAdvertisingOptOut"})
LEVELS_MOST: Final = 4


def sections(text: str) -> dict[int, str]:
    """The sections of a string by their ids. Raises Unread."""
    header, *rest = text.split("~")
    bits = Bits(header)
    if (bits.next(6), bits.next(6)) != (TYPE, VERSION):
        raise Unread("has another header than GPP 1; give a GPP string, which begins with D")
    ids = list(_ids(bits))
    if len(ids) != len(rest):
        raise Unread(f"names {len(ids)} sections and has {len(rest)}")
    return dict(zip(ids, rest, strict=True))


def consent_of(text: str, now_ms: int) -> Consent:
    """What the string says: of the US sections an opt-out, of the European one a TCF string. Raises Unread."""
    found = sections(text)
    flags = [flag for number, section in found.items() for flag in _flags(number, section)]
    sale = _sale(flags)
    if EU_TCF not in found:
        return sale
    european = tcf.consent_of(found[EU_TCF], now_ms)
    is_denied = "denied" in (sale.sale_of_data, european.sale_of_data)
    return Consent(
        analytics=european.analytics,
        marketing=european.marketing,
        preferences=european.preferences,
        sale_of_data="denied" if is_denied else sale.sale_of_data,
    )


def consent_of_parsed(parsed: Mapping[str, Any]) -> Consent:
    """The same of `parsedSections`: fields by name, however deep a section nests them."""
    return _sale(list(_named(parsed, LEVELS_MOST)))


def _ids(bits: Bits) -> Iterator[int]:
    """A range of Fibonacci numbers: each one the distance from the last."""
    last = 0
    for _ in range(bits.next(12)):
        is_group = bits.next(1)
        first = last + bits.next_fibonacci()
        last = first + bits.next_fibonacci() if is_group else first
        if last > SECTIONS_MOST:
            raise Unread(f"names section {last}; the highest known is below {SECTIONS_MOST}")
        yield from range(first, last + 1)


def _sale(flags: list[int]) -> Consent:
    if OPTED_OUT in flags:
        return Consent(sale_of_data="denied")
    return Consent(sale_of_data="granted" if DID_NOT in flags else None)


def _flags(number: int, section: str) -> Iterator[int]:
    if number == US_PRIVACY:
        yield _us_privacy(section)
    elif number in US_STATES:
        yield from _state_flags(number, section)


def _us_privacy(text: str) -> int:
    """`1YNN`: the third character is the opt-out of the sale."""
    return {"Y": OPTED_OUT, "N": DID_NOT}.get(text[2:3].upper(), 0)


def _state_flags(number: int, section: str) -> Iterator[int]:
    core, *others = section.split(".")
    bits = Bits(core)
    if number not in LAYOUTS or bits.field(0, 6) not in VERSIONS.get(number, FIRST_VERSION):
        yield OPTED_OUT
        return
    yield from (bits.field(place, 2) for place in LAYOUTS[number])
    for other in others:
        segment = Bits(other)
        if segment.field(0, 2) == GPC_SEGMENT and segment.field(2, 1):
            yield OPTED_OUT


def _flag_of(parsed: Any) -> str:
    return str(parsed.get("OptOutSale", "")) if isinstance(parsed, dict) else ""


def _named(value: Any, levels: int) -> Iterator[int]:
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        if name in OPT_OUTS:
            yield one if one in (OPTED_OUT, DID_NOT) else 0
        elif name == "Gpc":
            yield OPTED_OUT if one in (True, 1) else 0
        elif name == "uspv1":
            yield _us_privacy(one if isinstance(one, str) else f"1-{_flag_of(one)}")
        elif levels > 0:
            yield from _named(one, levels - 1)
