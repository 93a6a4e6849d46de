"""What one person has said about consent at all of their visitors: the strictest word of each purpose. Pure.

    visitor ── Stated ─▶ identity ── OfPerson ─▶ the person's other visitors

It fills in what an event and its own visitor leave open (contracts/consent.md, section 1), and decides there what waits
for a choice. An identity keeps one word for each of its visitors, so that splitting it takes away what was another's.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from actors.actor import Message
from actors.consent_state import ALL_DENIED, ConsentState
from actors.event import PURPOSES, Consent, State

NOTHING: Final = Consent()


class Word(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`at_ms`: by purpose when it was last said. `since_ms`: of purposes on which somebody has changed their mind, when
    last; what was before counts as denied."""

    consent: Consent = NOTHING
    at_ms: dict[str, int] = {}
    since_ms: dict[str, int] = {}
    is_objected: bool = False
    version: int = 0  # counted up with each change of what it is made of

    def then(self, at_ms: int) -> Consent:
        """What it says of an event of that time."""
        late = {purpose for purpose, since_ms in self.since_ms.items() if at_ms < since_ms}
        return _consent({purpose: "denied" if purpose in late else now for purpose, now in self.known()})

    def denies_since(self, at_ms: int, known: Iterable[str]) -> Consent:
        """What was denied after an event of that time; earlier denials count where nothing else was `known`."""
        return _consent(
            {
                purpose: "denied"
                for purpose, now in self.known()
                if now == "denied" and (self.is_objected or purpose not in known or self.at_ms.get(purpose, 0) > at_ms)
            }
        )

    def known(self) -> list[tuple[str, State]]:
        return [(purpose, now) for purpose in PURPOSES if (now := getattr(self.consent, purpose)) is not None]


SILENT: Final = Word()


class Stated(Message, frozen=True, kw_only=True):
    """Tells an identity what one of its visitors states now."""

    visitor: str
    word: Word


class OfPerson(Message, frozen=True, kw_only=True):
    """Tells a visitor what its person states elsewhere."""

    word: Word


def word_of(state: ConsentState) -> Word:
    """What a visitor states now."""
    since_ms = {purpose: changes[-1][0] for purpose, changes in state.consent_past.items() if changes}
    return Word(
        consent=state.consent, at_ms=dict(state.consent_at_ms), since_ms=since_ms, is_objected=state.is_objected,
        version=state.consent_version,
    )  # fmt: skip


def together(words: Iterable[Word]) -> Word:
    """Per purpose denied where anybody denies it, else granted where anybody grants it."""
    choices: dict[str, State] = {}
    at_ms: dict[str, int] = {}
    since_ms: dict[str, int] = {}
    is_objected, version = False, 0
    for word in words:
        is_objected, version = is_objected or word.is_objected, version + word.version
        for purpose, since in word.since_ms.items():
            since_ms[purpose] = max(since, since_ms.get(purpose, 0))
        for purpose, choice in word.known():
            before = choices.get(purpose)
            if before == choice or before is None or choice == "denied":
                latest_ms = at_ms.get(purpose, 0) if before == choice else 0
                choices[purpose], at_ms[purpose] = choice, max(latest_ms, word.at_ms.get(purpose, 0))
    return Word(
        consent=_consent(choices), at_ms=at_ms, since_ms=since_ms, is_objected=is_objected, version=version
    )  # fmt: skip


def but(words: Mapping[str, Word], visitor: str) -> Word:
    """What a person's visitors state beside this one."""
    return together(word for other, word in words.items() if other != visitor)


def filled(consent: Consent, came: str, word: Word, at_ms: int) -> tuple[Consent, str]:
    """What an event or its visitor say, and what the person says of the rest; and where it is from."""
    if word.consent == NOTHING:
        return consent, came
    if word.is_objected:
        return ALL_DENIED, "identity"
    then = word.then(at_ms)
    choices = {purpose: getattr(consent, purpose) or getattr(then, purpose) for purpose in PURPOSES}
    whole = Consent(**choices)
    return (whole, "identity") if whole != consent else (consent, came)


def _consent(choices: Mapping[str, State]) -> Consent:
    return Consent(**{purpose: choices.get(purpose) for purpose in PURPOSES})
