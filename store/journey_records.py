"""Stored records of attribution: touchpoints, and conversions with what every model gave to whom.

What a path and its credits mean is in actors/attribution/ and contracts/attribution.md; here is only how they are kept.
"""

from collections.abc import Collection
from decimal import Decimal
from typing import Final, Literal

import msgspec
from msgspec import Struct

from store.codec import Codec

Model = Literal[
    "last_non_direct",
    "first_touch",
    "last_touch",
    "last_paid",
    "linear",
    "time_decay",
    "position_based",
    "w_shaped",
]
MODELS: Final[tuple[Model, ...]] = (  # the order in which a conversion's results stand; never changed, only added to
    "last_non_direct",
    "first_touch",
    "last_touch",
    "last_paid",
    "linear",
    "time_decay",
    "position_based",
    "w_shaped",
)
TouchKind = Literal["landing", "message", "source_signal"]
# How it is known where the visitor came from, strongest first.
Evidence = Literal["link", "ads_click", "message", "campaign", "parameters", "click", "referrer", "signal", "direct"]
# By which key a touchpoint was matched to a conversion, in the order of trust; `erased`: it is no more.
Label = Literal["journey", "identity", "visitor", "session", "external_id", "email", "customer", "erased"]
Cause = Literal[
    "conversion", "late_touchpoint", "identity", "refund", "cancellation", "settings", "retention", "erasure"
]
Gap = Literal[
    "",
    "offline_order",
    "consent_denied",
    "no_identity",
    "new_visitor_at_checkout",
    "click_id_lost",
    "outside_window",
    "bot_or_test_only",
    "direct_only",
    "no_touchpoints",
]
SHARE: Final = 1_000_000  # shares are whole numbers of millionths
VERSIONS_KEPT: Final = 20  # of one conversion: the first, and the latest


class TouchRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One touchpoint. `keys`: the digests it is found by, so that they go with it."""

    site: str
    at_ms: int
    kind: TouchKind
    evidence: Evidence
    source: str
    medium: str
    channel: str
    campaign: str = ""
    term: str = ""
    content: str = ""
    clicks: tuple[str, ...] = ()  # names of the click ids that the landing had
    click_ids: dict[str, str] = {}  # and their values, with consent for marketing alone
    is_paid: bool = False  # a click id that only ads have
    referrer: str = ""  # host
    visitor_id: str | None = None
    session_id: str | None = None
    link_id: str = ""
    event_key: bytes = b""  # the event that made it
    external: bytes = b""  # digest of the external_id that it carried
    keys: tuple[bytes, ...] = ()
    milestone_at_ms: int = 0  # the visitor's first cart, checkout or lead after it; 0: none

    @property
    def is_direct(self) -> bool:
        return self.evidence == "direct"


class PathTouch(Struct, frozen=True, array_like=True):
    """A touchpoint as a conversion's path holds it."""

    id: bytes  # of its row
    at_ms: int
    channel: str
    source: str
    medium: str
    campaign: str
    label: Label
    evidence: Evidence
    is_direct: bool
    is_paid: bool


class Result(Struct, frozen=True, array_like=True):
    """What one model gave: to which touchpoints of the path (by their places), the shares in millionths, and the
    amounts of the gross and of the net value in units of the row's `places`. Those without credit are left out."""

    winner: int
    places: tuple[int, ...]
    shares: tuple[int, ...]
    gross: tuple[int, ...]
    net: tuple[int, ...]


class LinkKey(Struct, frozen=True, array_like=True):
    """A key by which a conversion looks for touchpoints."""

    label: Label
    digest: bytes


class GapFacts(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was known of the conversion's visitor when it happened. Times are of the last one; 0: there was none."""

    is_offline: bool = False  # a point of sale, a draft, a renewal
    is_known: bool = False  # one of its keys was seen before it
    withheld_at_ms: int = 0  # a touchpoint was not recorded for want of consent
    is_new_at_checkout: bool = False
    click_lost_at_ms: int = 0  # a landing from an ad had lost its parameters
    excluded_at_ms: int = 0  # a contact was a bot's


class ConversionRow(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One conversion, as its version sees it. `value`: gross, what was paid; `places`: decimals of the amounts."""

    site: str
    event_id: str
    event_name: str
    occurred_at_ms: int
    received_at_ms: int
    version: int
    cause: Cause
    computed_at_ms: int
    final_at_ms: int
    value: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    is_cancelled: bool = False
    currency: str | None = None
    places: int = 2
    order_id: str | None = None
    visitor_id: str | None = None
    identity: str | None = None
    keys: tuple[LinkKey, ...] = ()
    found_by: tuple[bytes, ...] = ()  # digests of the order and the subscription it is found by
    facts: GapFacts = GapFacts()
    path: tuple[PathTouch, ...] = ()
    milestone_at_ms: int = 0
    visits: int = 0
    results: tuple[Result, ...] = ()  # one per model, in the order of MODELS; none without a path
    gap: Gap = ""
    renewal_of: bytes = b""  # key of the conversion whose credit it inherits
    changes_after_final: int = 0
    erased_at_ms: int = 0

    @property
    def net_value(self) -> Decimal:
        return Decimal(0) if self.is_cancelled else self.value - self.refunded


def next_version(row: ConversionRow, before: ConversionRow, *, cause: Cause, now_ms: int) -> ConversionRow:
    """`before`: the version it takes the place of; of version 0, none."""
    is_late = before.version > 0 and now_ms >= before.final_at_ms
    return msgspec.structs.replace(
        row,
        version=before.version + 1,
        cause=cause,
        computed_at_ms=now_ms,
        changes_after_final=before.changes_after_final + is_late,
    )


def version_dropped(version: int) -> int | None:
    """Which earlier version goes when this one becomes an earlier one: the first and the latest are kept."""
    return version - (VERSIONS_KEPT - 2) if version >= VERSIONS_KEPT else None


def without(row: ConversionRow, gone: Collection[bytes]) -> ConversionRow:
    """With the touchpoints that are no more marked as erased: they keep their place and their credit."""
    if not any(touch.id in gone and touch.label != "erased" for touch in row.path):
        return row
    path = tuple(msgspec.structs.replace(one, label="erased") if one.id in gone else one for one in row.path)
    return msgspec.structs.replace(row, path=path)


TOUCH: Codec[TouchRow] = Codec(TouchRow)
CONVERSION: Codec[ConversionRow] = Codec(ConversionRow)
