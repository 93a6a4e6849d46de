"""Touchpoints of a batch of turns: recorded, joined with their other half, bounded, found by the keys they carry."""

from typing import Final

import lmdb
import msgspec

from actors.actor import Processing
from actors.attribution.evidence import Link, message_origin, parameters_of, signal_origin
from actors.attribution.landings import is_allowed, may_keep_clicks
from actors.attribution.settings import AttributionRules
from actors.attribution.touchpoints import TOGETHER_MS, joined, own_digest, told_again, touch_of, visitor_digest
from actors.consent import standing_of
from actors.event import State, is_browser
from actors.indexed import Index, Put, Rows
from actors.snapshot import Site
from store import keys, links
from store.env import Store
from store.journey_records import TOUCH, LinkKey, TouchRow
from store.journeys import TOUCH_DB
from store.records import LinkRow

MESSAGES: Final = frozenset({"email", "sms", "push"})  # channels of a landing that a message may have caused


class Touches:
    def __init__(self, store: Store, txn: lmdb.Transaction) -> None:
        self._rows = Rows(TOUCH_DB, TOUCH, store, txn)
        self._index = Index(TOUCH_DB, store, txn)
        self._store = store
        self._txn = txn

    @property
    def unreadable(self) -> dict[tuple[str, bytes], bytes]:
        return self._rows.unreadable

    def get(self, key: bytes) -> TouchRow | None:
        return self._rows.get(key)

    def brought(self, digest: bytes) -> bool:
        """Whether there is one with this key."""
        return bool(self._index.since(keys.touches_by(digest), 1))

    def by(self, link: LinkKey, site: str) -> list[bytes]:
        """The rows of those that carry this key, the oldest first."""
        return [keys.read_touch_by(key, site) for key in self._index.since(keys.touches_by(link.digest))]

    def record(self, row: TouchRow, *, is_full: bool = False) -> tuple[bytes, TouchRow]:
        """Its key, and the row as it is kept: a click in a message and the landing it causes become one."""
        key, kept = self._together(row)
        self._put(key, kept)
        if is_full and row.visitor_id is not None:
            self._make_room(row.site, row.visitor_id)
        return key, kept

    def mark(self, key: bytes, at_ms: int) -> None:
        """Notes the first cart, checkout or lead after it."""
        row = self.get(key)
        if row is not None and not row.milestone_at_ms:
            self._rows.set(key, msgspec.structs.replace(row, milestone_at_ms=at_ms))

    def tell_again(self, key: bytes, rules: AttributionRules) -> None:
        """By these rules and by its link, as they are now."""
        row = self.get(key)
        again = told_again(row, self._link(row), rules) if row is not None else None
        if again is not None and again != row:
            self._rows.set(key, again)

    def puts(self) -> list[Put]:
        return [*self._rows.puts(), *self._index.puts()]

    def _link(self, row: TouchRow) -> Link | None:
        found = links.read_in(self._txn, self._store, row.site, row.link_id) if row.link_id else None
        return link_told(found) if found is not None else None

    def _together(self, row: TouchRow) -> tuple[bytes, TouchRow]:
        """With the other half of it, where that is there: a landing takes the place of its message's click."""
        key = keys.touch(row.site, row.at_ms, row.event_key)
        if row.kind == "landing" and not (row.channel in MESSAGES or row.link_id or "_kx" in row.clicks):
            return key, row
        for one in row.keys:
            for index_key in self._index.since(keys.touches_by(one, max(0, row.at_ms - TOGETHER_MS))):
                other_key = keys.read_touch_by(index_key, row.site)
                other = self.get(other_key)
                both = joined(other, row) if other is not None and other_key != key else None
                if other is not None and both is not None:
                    self._remove(other_key, other)
                    return (key if row.kind == "landing" else other_key), both
        return key, row

    def _put(self, key: bytes, row: TouchRow) -> None:
        self._rows.set(key, row)
        for one in row.keys:
            self._index.set(keys.touch_by(one, key), is_there=True)

    def _remove(self, key: bytes, row: TouchRow) -> None:
        self._rows.set(key, None)
        for one in row.keys:
            self._index.set(keys.touch_by(one, key), is_there=False)

    def _make_room(self, site: str, visitor_id: str) -> None:
        """The first and the latest stay: the second goes."""
        oldest = self._index.since(keys.touches_by(visitor_digest(site, visitor_id)), 2)
        if len(oldest) > 1:
            key = keys.read_touch_by(oldest[1], site)
            row = self.get(key)
            if row is not None:
                self._remove(key, row)


def link_told(row: LinkRow) -> Link:
    return Link(row.source, row.medium, row.campaign, row.term, row.content, row.channel)


def message_touch(processing: Processing, site: Site, event_key: bytes) -> TouchRow | None:
    """Of a click in a message; None of a robot's, or where it may not be recorded."""
    event, rules = processing.event, site.attribution
    is_robot = event.is_internal or bool(event.custom_data.properties.get("bot_click"))
    absent = absent_of(processing, site)
    if is_robot or not is_allowed(processing.consent, rules, absent):
        return None
    parameters = parameters_of(event, rules)
    return touch_of(
        event, message_origin(event, parameters, rules), "message", session_id=processing.session_id,
        parameters=parameters, event_key=event_key,
        keeps_clicks=may_keep_clicks(processing.consent, absent),
    )  # fmt: skip


def signal_touch(processing: Processing, site: Site, event_key: bytes) -> TouchRow | None:
    """Of a lead or an order that names its source and is of nobody's visit."""
    event = processing.event
    if event.user_data.anonymous_id is not None or is_browser(event):
        return None
    origin = signal_origin(event, site.attribution)
    if origin is None or not is_allowed(processing.consent, site.attribution, absent_of(processing, site)):
        return None
    row = touch_of(event, origin, "source_signal", event_key=event_key)
    return msgspec.structs.replace(row, keys=(*row.keys, own_digest(event_key)))


def absent_of(processing: Processing, site: Site) -> State:
    """What a purpose that nobody answered counts as."""
    return standing_of(processing.event, processing.consent, site.consent_default, site.consent).absent
