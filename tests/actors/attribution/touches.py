"""Touchpoints of a path, as short as a test can say them."""

from store.journey_records import Evidence, Label, PathTouch

NOW_MS = 1_795_176_000_000  # 2026-11-20T12:00:00Z
DAY_MS = 86_400_000


def touch(
    channel: str,
    days: float,
    *,
    evidence: Evidence = "campaign",
    label: Label = "visitor",
    source: str = "",
    campaign: str = "",
    is_paid: bool = False,
) -> PathTouch:
    """So many days before NOW_MS."""
    at_ms = NOW_MS - round(days * DAY_MS)
    return PathTouch(
        at_ms.to_bytes(16, "big"), at_ms, channel, source or channel, "", campaign, label,
        "direct" if channel == "direct" else evidence, channel == "direct", is_paid,
    )  # fmt: skip


WORKED = (
    touch("paid_social", 20),
    touch("organic_search", 14),
    touch("email", 9),
    touch("paid_search", 3, evidence="ads_click", is_paid=True),
    touch("direct", 0.25),
)
