"""By which keys two events are one (contracts/dedup_and_identity.md, section 1.2).

Key 1, site + name + `event_id`, is the key of the event's own row; the others live in the dedup index, here as
(kind, value). The first kind that meets wins, so the order of `KEYS` is the order of trust.
"""

from typing import Literal

from actors.event import Event

KeyKind = Literal["checkout_token", "order_id", "subscription_id", "lead_id"]

KEYS: dict[str, tuple[KeyKind, ...]] = {
    "purchase_placed": ("checkout_token", "order_id"),
    "order_fulfilled": ("order_id",),
    "order_cancelled": ("order_id",),
    "subscription_started": ("subscription_id",),
    "subscription_cancelled": ("subscription_id",),
    "trial_started": ("subscription_id",),
    "lead_submitted": ("lead_id",),
    "application_submitted": ("lead_id",),
    "appointment_scheduled": ("lead_id",),
}
HELD = frozenset({"purchase_placed"})  # names whose first copy waits for its twin
# A renewal is told twice, by Recharge and by the shop, each with an id of its own; both know the order it made. From
# elsewhere a renewal may name the order that began the subscription, so there the order says nothing.
RENEWAL = "subscription_renewed"
RENEWING = frozenset({"shopify_webhook", "recharge_webhook"})


def keys_of(event: Event) -> list[tuple[KeyKind, str]]:
    """The keys of the dedup index that this event carries, most trusted first."""
    data = event.custom_data
    values: dict[KeyKind, str | None] = {
        "checkout_token": data.checkout_token,
        "order_id": data.order_id,
        "subscription_id": data.subscription_id,
        "lead_id": data.lead_id,
    }
    kinds: tuple[KeyKind, ...] = ("order_id",) if _is_renewal(event) else KEYS.get(event.event_name, ())
    return [(kind, value) for kind in kinds if (value := values[kind])]


def is_held(event: Event) -> bool:
    """Whether its first copy waits for its twin."""
    return event.event_name in HELD or (_is_renewal(event) and event.custom_data.order_id is not None)


def lives_as_long_as_its_record(event: Event) -> bool:
    """A second purchase of one order is never right, however late it comes; nor a second renewal of one."""
    return event.event_name == "purchase_placed" or _is_renewal(event)


def _is_renewal(event: Event) -> bool:
    return event.event_name == RENEWAL and event.source in RENEWING
