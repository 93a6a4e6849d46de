"""Touchpoints and conversions of a batch of turns, and what makes a conversion's next version.

A touchpoint is looked for by the digests it carries, a conversion by the digests it looks for: each is one seek in an
index. A touchpoint that comes late finds the conversions it belongs to that way, and they are computed anew; an event
that neither makes a touchpoint nor converts costs nothing here.

It knows no way back to its batch, as actors/sightings.py does not, and for the same reason.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final

import lmdb
import msgspec

from actors.actor import Processing
from actors.aftermath import Aftermath
from actors.attribution.conversions import (
    AFTERMATH,
    CANCELLATION,
    RENEWAL,
    computed,
    inherited,
    is_conversion,
    with_value,
)
from actors.attribution.paths import Matched, belongs, capped
from actors.attribution.settings import MODELS, AttributionRules
from actors.attribution.touchpoints import digest, keys_of, own_digest, visitor_digest
from actors.consent import is_refused
from actors.event import Consent, Event
from actors.indexed import Index, Put, Rows
from actors.snapshot import Site, Snapshot
from actors.touching import Touches, message_touch, signal_touch
from actors.visits import time_of
from store import keys
from store.env import Store
from store.journey_records import (
    CONVERSION,
    Cause,
    ConversionRow,
    GapFacts,
    Label,
    LinkKey,
    TouchRow,
    next_version,
    version_dropped,
    without,
)
from store.journeys import CONVERSION_DB

VISITORS_MOST: Final = 50  # of an identity, that a conversion looks for


class Journeys:
    def __init__(self, store: Store, txn: lmdb.Transaction, snapshot: Snapshot, *, now_ms: int) -> None:
        self._snapshot = snapshot
        self._now_ms = now_ms
        self._touches = Touches(store, txn)
        self._rows = Rows(CONVERSION_DB, CONVERSION, store, txn)
        self._index = Index(CONVERSION_DB, store, txn)
        self._aftermath = Aftermath(store, txn)
        self._earlier: list[Put] = []

    @property
    def unreadable(self) -> dict[tuple[str, bytes], bytes]:
        """Rows that cannot be read, by database and key."""
        return {**self._touches.unreadable, **self._rows.unreadable}

    def brought(self, touch_digest: bytes) -> bool:
        """Whether there is a touchpoint with this key."""
        return self._touches.brought(touch_digest)

    def record(self, row: TouchRow, *, is_full: bool = False) -> bytes:
        """The key of its row. Conversions that it is late for are computed anew."""
        key, kept = self._touches.record(row, is_full=is_full)
        for event_key in self._late_for(kept):
            self._recompute(event_key, "late_touchpoint")
        return key

    def mark(self, key: bytes, at_ms: int) -> None:
        self._touches.mark(key, at_ms)

    def after(self, processing: Processing, event_key: bytes, visitors: Sequence[str]) -> None:
        """What a message, a conversion or what came after one changes. `visitors`: of the event's identity."""
        event = processing.event
        site = self._snapshot.sites.get(event.site)
        if site is None or event.source == "test":
            return
        name, rules = event.event_name, site.attribution
        if name == "message_clicked":
            self._note(message_touch(processing, site, event_key))
        elif is_conversion(event, rules):
            self._convert(processing, event_key, site, visitors)
        elif name == "lead_submitted":
            self._note(signal_touch(processing, site, event_key))
        elif name in AFTERMATH:
            self._change_value(event, rules)
        elif name == RENEWAL and rules.renewals == "inherit":
            self._renew(processing, event_key, rules)

    def credited(self, event_key: bytes, site: Site) -> tuple[str, str] | None:
        """Of a conversion with a path: its last touchpoint's channel, and that of the default model's winner."""
        row = self._row(event_key)
        if row is None or not row.path or not row.results:
            return None
        result = row.results[MODELS.index(site.attribution.default_model)]
        return row.path[-1].channel, row.path[result.winner].channel

    def identity_changed(self, site: str, identities: Sequence[str], visitors: Sequence[str]) -> None:
        """These visitors are the ones of one identity now, which has these ids: its conversions are computed anew."""
        own = {visitor_digest(site, one) for one in visitors}
        changed: dict[bytes, None] = {}
        for one in [*sorted(own)[:VISITORS_MOST], *(digest(site, "identity", one) for one in identities)]:
            for key in self._index.since(keys.conversions_by(one)):
                changed[keys.read_conversion_by(key)] = None
        for event_key in sorted(changed):
            row = self._row(event_key)
            if row is not None and _is_of(row, own, identities):
                self._recompute(event_key, "identity", visitors)

    def reapply(self, event_key: bytes) -> None:
        """By the settings in force, and with what its touchpoints' links and channels are by now."""
        row = self._row(event_key)
        site = self._snapshot.sites.get(row.site) if row is not None else None
        if row is None or site is None or row.renewal_of or row.erased_at_ms:
            return
        for key in self._reached(row, site.attribution.window_ms(row.event_name))[0]:
            self._touches.tell_again(key, site.attribution)
        final_at_ms = row.occurred_at_ms + site.attribution.final_after_ms
        again = msgspec.structs.replace(self._computed(row, site.attribution, "settings"), final_at_ms=final_at_ms)
        if (again.path, again.results, again.gap, final_at_ms) != (row.path, row.results, row.gap, row.final_at_ms):
            self._save(event_key, again)

    def puts(self) -> list[Put]:
        """All that the batch wrote, encoded."""
        return [*self._touches.puts(), *self._rows.puts(), *self._earlier, *self._index.puts()]

    def _note(self, row: TouchRow | None) -> bool:
        if row is not None:
            self.record(row)
        return row is not None

    def _late_for(self, row: TouchRow) -> list[bytes]:
        """Keys of the conversions after it that may reach it."""
        found: dict[bytes, None] = {}
        for one in row.keys:
            for key in self._index.since(keys.conversions_by(one, row.at_ms)):
                found[keys.read_conversion_by(key)] = None
        return list(found)

    def _convert(self, processing: Processing, event_key: bytes, site: Site, visitors: Sequence[str]) -> None:
        row = _blank(processing, site.attribution, visitors, self._now_ms)
        if self._note(signal_touch(processing, site, event_key)):
            row = msgspec.structs.replace(row, keys=(*row.keys, LinkKey("session", own_digest(event_key))))
        self._save(event_key, self._computed(row, site.attribution, "conversion"))
        if row.order_id is not None and row.event_name == "purchase_placed":
            for event in self._aftermath.of_order(row.site, row.order_id):
                self._change_value(event, site.attribution)

    def _computed(self, row: ConversionRow, rules: AttributionRules, cause: Cause) -> ConversionRow:
        reached, has_older = self._reached(row, rules.window_ms(row.event_name))
        external = next((key.digest for key in row.keys if key.label == "external_id"), b"")
        found = []
        for key, label in capped(reached, keys.read_touch):
            touch = self._touches.get(key)
            one = Matched(key, touch, label) if touch is not None else None
            if one is not None and belongs(one, external):
                found.append(one)
        gone = {touch.id for touch in row.path if touch.id not in reached and self._touches.get(touch.id) is None}
        marked = without(row, gone)
        return computed(marked, found, rules, has_older=has_older, cause=cause, now_ms=self._now_ms)

    def _reached(self, row: ConversionRow, window_ms: int) -> tuple[dict[bytes, Label], bool]:
        """Touchpoints of the window, each under the first key that reaches it; whether there are older ones."""
        reached: dict[bytes, Label] = {}
        has_older = False
        for link in row.keys:
            for key in self._touches.by(link, row.site):
                at_ms = keys.read_touch(key)
                if at_ms <= row.occurred_at_ms - window_ms:
                    has_older = True
                elif at_ms <= row.occurred_at_ms:
                    reached.setdefault(key, link.label)
        return reached, has_older

    def _recompute(self, event_key: bytes, cause: Cause, visitors: Sequence[str] | None = None) -> None:
        row = self._row(event_key)
        site = self._snapshot.sites.get(row.site) if row is not None else None
        if row is None or site is None or row.renewal_of or row.erased_at_ms:
            return
        told = row
        if visitors is not None:
            facts = _known(row.facts) if visitors else row.facts
            told = msgspec.structs.replace(row, keys=_with_visitors(row, visitors), facts=facts)
        again = self._computed(told, site.attribution, cause)
        if (again.path, again.gap) != (row.path, row.gap):
            self._save(event_key, again)
        elif told != row:  # it is looked for by other keys, and nothing else is new
            self._put(event_key, told, row)

    def _change_value(self, event: Event, rules: AttributionRules) -> None:
        order_id = event.custom_data.order_id
        if order_id is None:
            return
        is_cancelled = event.event_name == CANCELLATION
        refund = None if is_cancelled else event.custom_data.value
        for event_key, row in self._of_order(event.site, order_id):
            is_other_money = event.custom_data.currency not in (None, row.currency)
            if (refund is None or is_other_money) and not is_cancelled:
                continue
            cause: Cause = "cancellation" if is_cancelled else "refund"
            self._save(event_key, with_value(row, rules, refund=refund, cause=cause, now_ms=self._now_ms))

    def _of_order(self, site: str, order_id: str) -> Iterator[tuple[bytes, ConversionRow]]:
        for key in self._index.since(keys.conversions_by(digest(site, "order", order_id))):
            event_key = keys.read_conversion_by(key)
            row = self._row(event_key)
            if row is not None and row.event_name == "purchase_placed" and not row.is_cancelled:
                yield event_key, row

    def _renew(self, processing: Processing, event_key: bytes, rules: AttributionRules) -> None:
        event = processing.event
        subscription_id = event.custom_data.subscription_id
        if subscription_id is None:
            return
        for key in self._index.since(keys.conversions_by(digest(event.site, "subscription", subscription_id))):
            first_key = keys.read_conversion_by(key)
            first = self._row(first_key)
            if first is not None and not first.renewal_of:
                blank = _renewal(_blank(processing, rules, [], self._now_ms), first, first_key, processing.consent)
                row = inherited(blank, first, first_key, rules)
                self._save(event_key, next_version(row, blank, cause="conversion", now_ms=self._now_ms))
                return

    def _follow(self, first_key: bytes, first: ConversionRow) -> None:
        """Renewals have the credit that their subscription's first order has now."""
        site = self._snapshot.sites.get(first.site)
        if site is None or first.renewal_of or site.attribution.renewals != "inherit":
            return
        for key in self._index.since(keys.conversions_by(_renewal_digest(first.site, first_key))):
            event_key = keys.read_conversion_by(key)
            row = self._row(event_key)
            if row is None or row.erased_at_ms:
                continue
            told = msgspec.structs.replace(row, keys=first.keys if row.keys else ())
            again = inherited(told, first, first_key, site.attribution)
            if (again.path, again.gap, again.results) != (row.path, row.gap, row.results):
                self._save(event_key, next_version(again, row, cause=first.cause, now_ms=self._now_ms))

    def _save(self, event_key: bytes, row: ConversionRow) -> None:
        before = self._row(event_key)
        if before is not None:
            self._keep_version(event_key, before)
        self._put(event_key, row, before)
        if before is not None:
            self._follow(event_key, row)

    def _put(self, event_key: bytes, row: ConversionRow, before: ConversionRow | None) -> None:
        self._rows.set(keys.conversion(event_key), row)
        self._index.set(keys.conversion_at(row.site, row.occurred_at_ms, event_key), is_there=True)
        now = _leading(row)
        for one in now:
            self._index.set(keys.conversion_by(one, row.occurred_at_ms, event_key), is_there=True)
        for one in _leading(before) - now if before is not None else ():
            self._index.set(keys.conversion_by(one, row.occurred_at_ms, event_key), is_there=False)

    def _keep_version(self, event_key: bytes, row: ConversionRow) -> None:
        """The first and the latest are kept."""
        self._earlier.append((CONVERSION_DB, keys.conversion_version(event_key, row.version), CONVERSION.encode(row)))
        if (oldest := version_dropped(row.version)) is not None:
            self._earlier.append((CONVERSION_DB, keys.conversion_version(event_key, oldest), None))

    def _row(self, event_key: bytes) -> ConversionRow | None:
        return self._rows.get(keys.conversion(event_key))


def _blank(processing: Processing, rules: AttributionRules, visitors: Sequence[str], now_ms: int) -> ConversionRow:
    """A conversion before anything was computed: version 0."""
    event = processing.event
    data, site = event.custom_data, event.site
    own = keys_of(event, processing.session_id)
    links = [one for one in own if one.label == "journey"]
    links += [LinkKey("identity", visitor_digest(site, one)) for one in visitors[:VISITORS_MOST]]
    links += [one for one in own if one.label != "journey"]
    found_by = [
        ("order", data.order_id), ("subscription", data.subscription_id), ("identity", processing.identity or None),
    ]  # fmt: skip
    occurred_at_ms = time_of(event)
    blank = ConversionRow(
        site=site,
        event_id=event.event_id,
        event_name=event.event_name,
        occurred_at_ms=occurred_at_ms,
        received_at_ms=event.received_at_ms,
        version=0,
        cause="conversion",
        computed_at_ms=now_ms,
        final_at_ms=occurred_at_ms + rules.final_after_ms,
        value=data.value if data.value is not None else Decimal(0),
        currency=data.currency,
        order_id=data.order_id,
        identity=processing.identity or None,
        visitor_id=event.user_data.anonymous_id,
        keys=tuple(links),
        found_by=tuple(digest(site, kind, value) for kind, value in found_by if value is not None),
        facts=_facts(processing, is_known=bool(visitors)),
    )
    return _refused(blank) if is_refused(processing.consent) else blank


def _refused(row: ConversionRow) -> ConversionRow:
    """Of a person who allows neither measuring nor marketing: the order, and nobody."""
    facts = msgspec.structs.replace(row.facts, withheld_at_ms=row.occurred_at_ms)
    return msgspec.structs.replace(row, visitor_id=None, identity=None, keys=(), facts=facts)


def _renewal(blank: ConversionRow, first: ConversionRow, first_key: bytes, consent: Consent) -> ConversionRow:
    """Found from its first order, and by what leads to the touchpoints that it has from there: they may be erased."""
    own = () if is_refused(consent) else first.keys
    found_by = (*blank.found_by, _renewal_digest(first.site, first_key))
    return msgspec.structs.replace(blank, keys=own, found_by=found_by)


def _renewal_digest(site: str, first_key: bytes) -> bytes:
    return digest(site, "renewal", first_key.hex())


def _leading(row: ConversionRow) -> set[bytes]:
    """The digests that it is found by."""
    return {*(link.digest for link in row.keys), *row.found_by}


def _is_of(row: ConversionRow, visitors: set[bytes], identities: Sequence[str]) -> bool:
    """Whether a conversion is its own visitor's, or without a visitor its identity's, of those."""
    own = [link.digest for link in row.keys if link.label == "visitor"]
    return own[0] in visitors if own else row.identity in identities


def _with_visitors(row: ConversionRow, visitors: Sequence[str]) -> tuple[LinkKey, ...]:
    kept = [link for link in row.keys if link.label != "identity"]
    journey = [link for link in kept if link.label == "journey"]
    rest = [link for link in kept if link.label != "journey"]
    links = [LinkKey("identity", visitor_digest(row.site, one)) for one in visitors[:VISITORS_MOST]]
    return tuple([*journey, *links, *rest])


def _facts(processing: Processing, *, is_known: bool) -> GapFacts:
    facts = processing.facts or GapFacts()
    return _known(facts) if is_known else facts


def _known(facts: GapFacts) -> GapFacts:
    return msgspec.structs.replace(facts, is_known=True)
