"""IAB TCF 2 strings: which purposes a visitor in the EEA or the UK consented to (contracts/consent.md, section 2.3).

Only the core segment is read, the one before the first dot. A string of an earlier policy than 4 (TCF 2.2), one that
is not for this shop alone, or one that was not renewed for 13 months is no consent today: what it grants is not
believed, what it denies is.
"""

from typing import Final

from msgspec import Struct

from actors.consent_signals.bits import Bits, Unread
from actors.event import Consent, State

VERSION: Final = 2
POLICY_LEAST: Final = 4  # of TCF 2.2
PURPOSES: Final = 24
RENEWED_MS: Final = 397 * 86_400_000  # 13 months at their longest
ANALYTICS, MARKETING, PREFERENCES, PROFILES = {1, 8, 9}, {1, 7}, {1, 11}, {3, 4}


class TcString(Struct, frozen=True, kw_only=True):
    """`purposes`: those consented to. `updated_at_ms`: a whole day."""

    policy: int
    is_service_specific: bool
    updated_at_ms: int
    purposes: frozenset[int]

    @property
    def is_valid(self) -> bool:
        return self.policy >= POLICY_LEAST and self.is_service_specific


def read(text: str) -> TcString:
    """Raises Unread."""
    bits = Bits(text.partition(".")[0])
    version = bits.field(0, 6)
    if version != VERSION:
        raise Unread(f"is of version {version}; give a TCF string of version {VERSION}, which begins with C")
    return TcString(
        policy=bits.field(132, 6),
        is_service_specific=bool(bits.field(138, 1)),
        updated_at_ms=bits.field(42, 36) * 100,
        purposes=frozenset(number for number in range(1, PURPOSES + 1) if bits.field(151 + number, 1)),
    )


def consent_of(text: str, now_ms: int) -> Consent:
    """The purposes that the string speaks of: a sale of data it can only deny. Raises Unread."""
    found = read(text)
    is_renewed = now_ms - found.updated_at_ms <= RENEWED_MS
    granted: State | None = "granted" if found.is_valid and is_renewed else None
    return Consent(
        analytics=granted if found.purposes >= ANALYTICS else "denied",
        marketing=granted if found.purposes >= MARKETING else "denied",
        preferences=granted if found.purposes >= PREFERENCES else "denied",
        sale_of_data=None if found.purposes >= PROFILES else "denied",
    )
