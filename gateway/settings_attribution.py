"""`[sites.attribution]`: what may be set, its faults, and the rules that the core looks things up in.

docs/attribution.md says what each is for; a test holds it to these fields.
"""

from collections.abc import Iterator
from typing import Annotated, Final

from msgspec import Meta, Struct

from actors.attribution.settings import (
    CONVERSIONS,
    DAY_MS,
    FURTHER_CONVERSIONS,
    HOUR_MS,
    PARAMETERS,
    AttributionRules,
    ChannelRule,
    Direct,
    Renewals,
    TouchpointConsent,
)
from store.journey_records import Model

Days = Annotated[int, Meta(ge=1, le=180)]
Percent = Annotated[int, Meta(ge=0, le=100)]
Text = Annotated[str, Meta(max_length=255)]
HostName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$")]
CONVERTIBLE: Final = (*CONVERSIONS, *FURTHER_CONVERSIONS)
HUNDRED: Final = 100


class ChannelRuleSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`*` stands for anything; what is left out is not asked about."""

    channel: Annotated[str, Meta(pattern="^[a-z0-9_]{1,40}$")]
    source: Text = ""
    medium: Text = ""
    campaign: Text = ""


class AttributionSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    default_model: Model = "last_non_direct"
    lookback_days: Days = 30
    lookback_days_of: dict[str, Days] = {}  # conversion -> its own
    half_life_days: Annotated[float, Meta(gt=0, le=180)] = 7  # of time_decay
    position_weights: tuple[Percent, Percent, Percent] = (40, 20, 40)  # first, all between, last
    w_weights: tuple[Percent, Percent, Percent, Percent] = (30, 30, 30, 10)  # first, milestone, last, all between
    direct_credit: Direct = "fallback"  # or "always"
    conversions: tuple[str, ...] = CONVERSIONS
    renewals: Renewals = "ignore"  # or "inherit": with the credit of the subscription's first order
    excluded_referrers: tuple[HostName, ...] = ()  # beside payment and login hosts
    own_hosts: tuple[HostName, ...] = ()  # beside those of the site's origins
    channel_rules: tuple[ChannelRuleSettings, ...] = ()  # before the default ones
    parameter_aliases: dict[str, tuple[Text, ...]] = {}  # utm_source = ["src"]: the first one present counts
    final_after_h: Annotated[float, Meta(ge=1, le=8_760)] = 72
    touchpoint_consent: TouchpointConsent = "analytics_or_marketing"
    apply_to_past: bool = False  # when these settings change, the conversions that are kept are computed anew


def attribution_rules(settings: AttributionSettings) -> AttributionRules:
    return AttributionRules(
        default_model=settings.default_model,
        lookback_ms=settings.lookback_days * DAY_MS,
        lookback_ms_of=tuple((name, days * DAY_MS) for name, days in sorted(settings.lookback_days_of.items())),
        half_life_ms=max(1, round(settings.half_life_days * DAY_MS)),
        position_weights=settings.position_weights,
        w_weights=settings.w_weights,
        direct_credit=settings.direct_credit,
        conversions=tuple(settings.conversions),
        renewals=settings.renewals,
        excluded_referrers=tuple(one.lower() for one in settings.excluded_referrers),
        own_hosts=tuple(one.lower() for one in settings.own_hosts),
        channel_rules=tuple(
            ChannelRule(channel=one.channel, source=one.source, medium=one.medium, campaign=one.campaign)
            for one in settings.channel_rules
        ),
        parameter_aliases=tuple((name, tuple(some)) for name, some in sorted(settings.parameter_aliases.items())),
        final_after_ms=round(settings.final_after_h * HOUR_MS),
        touchpoint_consent=settings.touchpoint_consent,
        apply_to_past=settings.apply_to_past,
    )


def attribution_problems(settings: AttributionSettings, retention_days: int) -> Iterator[tuple[str, str]]:
    """(field, what is wrong and what would be right)."""
    given = ", ".join(CONVERTIBLE)
    for index, name in enumerate(settings.conversions):
        if name not in CONVERTIBLE:
            yield f"attribution.conversions[{index}]", f"{name!r} is no conversion; give some of {given}"
    for name in settings.lookback_days_of:
        if name not in CONVERTIBLE:
            yield f"attribution.lookback_days_of.{name}", f"there is no such conversion; give one of {given}"
    for field, days in (("lookback_days", settings.lookback_days), *settings.lookback_days_of.items()):
        if days > retention_days and days != AttributionSettings().lookback_days:
            place = field if field == "lookback_days" else f"lookback_days_of.{field}"
            yield f"attribution.{place}", f"is longer than retention_days; give at most {retention_days}"
    for field in ("position_weights", "w_weights"):
        if (summed := sum(getattr(settings, field))) != HUNDRED:
            yield f"attribution.{field}", f"add up to {summed}; give percentages that add up to 100"
    if not settings.position_weights[0] + settings.position_weights[2]:
        yield "attribution.position_weights", "give the first or the last one a share: a path may have no other"
    for name in settings.parameter_aliases:
        if name not in PARAMETERS:
            yield (
                f"attribution.parameter_aliases.{name}",
                f"there is no such field; give one of {', '.join(PARAMETERS)}",
            )
    for index, rule in enumerate(settings.channel_rules):
        if not (rule.source or rule.medium or rule.campaign):
            text = "asks about nothing, so that every touchpoint would be of it; give source, medium or campaign"
            yield f"attribution.channel_rules[{index}]", text
