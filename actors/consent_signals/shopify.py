"""Shopify's customer privacy as canonical purposes: what is allowed, and what was chosen (contracts/consent.md 2.2).

A choice beats what is allowed: `true` of the latter may mean that nobody asked, since none need be asked there. The
basis says which it was: a region's default must not be shown as a choice.
"""

from typing import Literal

from msgspec import Struct

from actors.event import Basis, Consent, State

Choice = bool | Literal["yes", "no", ""] | None


class ShopifyPrivacy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """As Shopify spells it: the pixel's `customerPrivacy`, the theme's `currentVisitorConsent()`, or both."""

    analyticsProcessingAllowed: bool | None = None
    marketingAllowed: bool | None = None
    preferencesProcessingAllowed: bool | None = None
    saleOfDataAllowed: bool | None = None
    analytics: Choice = None
    marketing: Choice = None
    preferences: Choice = None
    sale_of_data: Choice = None


def consent_of(privacy: ShopifyPrivacy) -> Consent:
    return Consent(
        analytics=_state(privacy.analytics) or _state(privacy.analyticsProcessingAllowed),
        marketing=_state(privacy.marketing) or _state(privacy.marketingAllowed),
        preferences=_state(privacy.preferences) or _state(privacy.preferencesProcessingAllowed),
        sale_of_data=_state(privacy.sale_of_data) or _state(privacy.saleOfDataAllowed),
    )


def basis_of(privacy: ShopifyPrivacy) -> Basis:
    """Whether anybody chose."""
    choices = (privacy.analytics, privacy.marketing, privacy.preferences, privacy.sale_of_data)
    return "chosen" if any(_state(choice) is not None for choice in choices) else "allowed"


def _state(choice: Choice) -> State | None:
    if choice is None or choice == "":
        return None
    return "granted" if choice in (True, "yes") else "denied"
