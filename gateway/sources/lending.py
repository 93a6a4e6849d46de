"""What a refund does not say of its buyer, from the order as it is stored: identifiers, click ids, currency, consent.

The order's digests and ids are copied, never its sealed plaintext, which opens only for the order's own events.
"""

import msgspec

from actors.event import Consent, Event, UserData
from store.env import Store
from store.errors import Unreadable
from store.ledger import find_order

ORDER = "purchase_placed"
NOT_LENT = frozenset({"sealed", "plain", "session_id"})


def lent(store: Store, event: Event, order_id: str) -> Event:
    """The event, filled from the first purchase of that order; as it is where none is known."""
    order = _order(store, event.site, order_id)
    if order is None:
        return event
    custom_data = event.custom_data
    if custom_data.currency is None:
        custom_data = msgspec.structs.replace(custom_data, currency=order.custom_data.currency)
    return msgspec.structs.replace(
        event,
        user_data=_filled(event.user_data, order.user_data),
        custom_data=custom_data,
        consent=order.consent if event.consent == Consent() else event.consent,
    )


def _order(store: Store, site: str, order_id: str) -> Event | None:
    try:
        found = find_order(store, site, order_id)
    except Unreadable:
        return None
    bodies = [one.body for one in found if one.row.event_name == ORDER and one.row.merged_into is None]
    try:
        return next((msgspec.msgpack.decode(body, type=Event) for body in bodies if body is not None), None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _filled(own: UserData, other: UserData) -> UserData:
    names = [name for name in UserData.__struct_fields__ if name not in NOT_LENT and getattr(own, name) is None]
    return msgspec.structs.replace(own, **{name: getattr(other, name) for name in names})
