"""What a visitor has said about consent: per purpose the newest word, the changes of mind, and a version. Pure.

Of several messages the one that happened last counts, but never from the future: a clock that is ahead must not outdate
a later denial. A sale that a browser opted out of (Global Privacy Control) stays denied until somebody expressly allows
it; an objection denies everything until it is taken back (contracts/consent.md, sections 1 and 2.5).
"""

from typing import Any, Final

from msgspec import Struct

from actors.event import PURPOSES, Consent, ConsentNote, Event, Purpose, State, happened_at_ms

CHANGES_KEPT: Final = 8  # of mind, per purpose; what was before counts as denied
ALL_DENIED: Final = Consent(analytics="denied", marketing="denied", preferences="denied", sale_of_data="denied")
_NOTHING: Final = Consent()
_NO_NOTE: Final = ConsentNote()

Change = tuple[int, State]  # since when, and what


class ConsentState(Struct, kw_only=True, omit_defaults=True):
    """`consent`: the newest word. `consent_at_ms`: when it was last said. `consent_past`: only of purposes on which the
    visitor has changed their mind: all changes, the newest too, the oldest first."""

    consent: Consent = Consent()
    consent_at_ms: dict[str, int] = {}
    consent_past: dict[str, list[Change]] = {}
    consent_version: int = 0  # counted up with each change
    is_sale_refused: bool = False  # by a browser that opts out of every sale
    is_objected: bool = False

    def learn(self, event: Event) -> bool:
        """Takes in what the event says; True where anything has changed."""
        note = event.consent_note
        if note is None and event.consent == _NOTHING:
            return False
        at_ms = happened_at_ms(event)
        has_changed = self._object(note or _NO_NOTE, at_ms) | self._opt_out(note or _NO_NOTE)
        for purpose in PURPOSES:
            choice = getattr(event.consent, purpose)
            if choice is not None and self._counts(purpose, choice, note or _NO_NOTE, at_ms):
                has_changed |= self._note(purpose, choice, at_ms)
        self.consent_version += has_changed
        return has_changed

    def at(self, at_ms: int) -> Consent:
        """What was in force then: before the first word the first one, and nothing that is denied now."""
        if not self.consent_past:
            return self.consent
        return Consent(**{purpose: self._then(purpose, at_ms) for purpose in PURPOSES})

    def of(self, event: Event) -> tuple[Consent, str]:
        """The consent of this visitor's event, and where it is from: per purpose its own word, else the visitor's."""
        own = event.consent
        if self.is_objected:
            return ALL_DENIED, "visitor"
        if self.consent in (own, _NOTHING) and not self.consent_past and not self.is_sale_refused:  # most events
            return own, "event" if own != _NOTHING else ""
        stated = self.at(happened_at_ms(event)) if self.consent_past else self.consent
        filled = Consent(**{purpose: getattr(own, purpose) or getattr(stated, purpose) for purpose in PURPOSES})
        if self.is_sale_refused and filled.sale_of_data != "denied":
            filled = Consent(
                analytics=filled.analytics, marketing=filled.marketing, preferences=filled.preferences,
                sale_of_data="denied",
            )  # fmt: skip
        if filled == own:
            return own, "event" if own != _NOTHING else ""
        return filled, "visitor"

    def _object(self, note: ConsentNote, at_ms: int) -> bool:
        if note.objects is None or note.objects == self.is_objected:
            return False
        self.is_objected = note.objects
        if note.objects:
            for purpose in PURPOSES:
                self._note(purpose, "denied", max(at_ms, self.consent_at_ms.get(purpose, 0)))
        return True

    def _opt_out(self, note: ConsentNote) -> bool:
        if not note.is_gpc or self.is_sale_refused:
            return False
        self.is_sale_refused = True
        return True

    def _counts(self, purpose: Purpose, choice: State, note: ConsentNote, at_ms: int) -> bool:
        """Whether a word may change the state: a denial always, a grant unless something stronger denies."""
        if choice == "denied":
            return True
        if self.is_objected:
            return False
        if purpose != "sale_of_data" or not self.is_sale_refused:
            return True
        if note.is_gpc or note.basis != "chosen" or at_ms < self.consent_at_ms.get(purpose, 0):
            return False
        self.is_sale_refused = False
        return True

    def _note(self, purpose: Purpose, choice: State, at_ms: int) -> bool:
        last_ms, now = self.consent_at_ms.get(purpose), getattr(self.consent, purpose)
        if last_ms is None or at_ms >= last_ms:
            self.consent_at_ms[purpose] = at_ms
            if choice == now:
                return False
            if now is not None:
                self._remember(purpose, [(at_ms, choice)], now)
            self.consent = _with(self.consent, purpose, choice)
            return True
        if choice == self._then(purpose, at_ms):
            return False
        self._remember(purpose, [(at_ms, choice), (last_ms, now)], now)
        return True

    def _remember(self, purpose: Purpose, changes: list[Change], now: State) -> None:
        """Adds changes to the past, which begins with what was said first."""
        past = sorted([*self.consent_past.get(purpose, [(0, now)]), *changes], key=lambda change: change[0])
        if len(past) > CHANGES_KEPT:
            past = [(0, "denied"), *past[-CHANGES_KEPT:]]
        self.consent_past[purpose] = past

    def _then(self, purpose: Purpose, at_ms: int) -> State | None:
        now: State | None = getattr(self.consent, purpose)
        before = [choice for since_ms, choice in self.consent_past.get(purpose, ()) if since_ms <= at_ms]
        return now if now == "denied" or not before else before[-1]


def _with(consent: Consent, purpose: Purpose, choice: State) -> Consent:
    choices: dict[str, Any] = {name: getattr(consent, name) for name in PURPOSES}
    choices[purpose] = choice
    return Consent(**choices)
