"""What a site may set of its attribution, with the defaults of contracts/attribution.md, section 10."""

from typing import Final, Literal

from msgspec import Struct

from store.journey_records import MODELS, Model

__all__ = ["CONVERSIONS", "MODELS", "AttributionRules", "ChannelRule", "Model"]

Direct = Literal["fallback", "always"]
Renewals = Literal["ignore", "inherit"]
TouchpointConsent = Literal["analytics_or_marketing", "analytics", "marketing"]

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
CONVERSIONS: Final = (
    "purchase_placed",
    "lead_submitted",
    "subscription_started",
    "registration_completed",
    "contact_requested",
    "application_submitted",
    "appointment_scheduled",
    "trial_started",
    "donation_made",
)
# Can be switched on beside them (section 4).
FURTHER_CONVERSIONS: Final = ("newsletter_subscribed", "store_located")
PARAMETERS: Final = ("utm_source", "utm_medium", "utm_campaign", "utm_id", "utm_term", "utm_content")


class ChannelRule(Struct, frozen=True, kw_only=True):
    """A site's own rule, before the default ones. Texts are compared in lower case, `*` stands for anything; an empty
    one is not asked about."""

    channel: str
    source: str = ""
    medium: str = ""
    campaign: str = ""


class AttributionRules(Struct, frozen=True, kw_only=True, cache_hash=True):
    """Of one site. Hashable, so that what is compiled from it can be remembered by it."""

    default_model: Model = "last_non_direct"
    lookback_ms: int = 30 * DAY_MS
    lookback_ms_of: tuple[tuple[str, int], ...] = ()  # conversion -> its own window
    half_life_ms: int = 7 * DAY_MS
    position_weights: tuple[int, int, int] = (40, 20, 40)  # first, all between, last
    w_weights: tuple[int, int, int, int] = (30, 30, 30, 10)  # first, milestone, last, all between
    direct_credit: Direct = "fallback"
    conversions: tuple[str, ...] = CONVERSIONS
    renewals: Renewals = "ignore"
    excluded_referrers: tuple[str, ...] = ()  # beside the built-in ones
    own_hosts: tuple[str, ...] = ()  # beside those of the site's origins
    channel_rules: tuple[ChannelRule, ...] = ()
    parameter_aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()  # utm name -> names, the first one present counts
    final_after_ms: int = 72 * HOUR_MS
    touchpoint_consent: TouchpointConsent = "analytics_or_marketing"
    apply_to_past: bool = False  # when these settings change, the conversions that are kept are computed anew

    def window_ms(self, conversion: str) -> int:
        """How long before such a conversion a touchpoint may be."""
        for name, window_ms in self.lookback_ms_of:
            if name == conversion:
                return window_ms
        return self.lookback_ms
