"""The consent record: what one visitor said about consent, when, and how it came (contracts/consent.md, section 1).

It is kept as evidence, since consent is to be demonstrable (GDPR art. 7(1)).

The visitor actor knows what is in force; this one is told each change, and answers nobody. It is written with a change
only, so that long strings of consent platforms do not burden every event of the visitor.
"""

from typing import Any, ClassVar, Final

from msgspec import Struct

from actors.actor import Actor, Message, Turn
from actors.consent import choices_of
from actors.event import Consent, ConsentNote, Event, Source, happened_at_ms

CHANGES_KEPT: Final = 50  # the newest
RAW_CHARS_KEPT: Final = 100_000  # of all of them: the raw strings of the oldest go first


class Change(Struct, kw_only=True, omit_defaults=True):
    """`consent`: all that was in force from then on. `basis`, `raw`, `policy`, `region`: as ConsentNote has them."""

    version: int
    at_ms: int
    received_at_ms: int
    consent: dict[str, str] = {}
    source: Source
    came: tuple[str, ...] = ()
    basis: str = "chosen"
    raw: str = ""
    policy: str = ""
    region: str = ""


class Changed(Message, frozen=True, kw_only=True):
    change: Change


class RecordState(Struct, kw_only=True, omit_defaults=True):
    changes: list[Change] = []


class ConsentRecord(Actor[RecordState]):
    kind: ClassVar[str] = "consent"
    number: ClassVar[int] = 7
    state_type: ClassVar[type[Any]] = RecordState

    def receive(self, message: Changed, turn: Turn) -> None:
        changes = self.state.changes
        changes.append(message.change)
        del changes[:-CHANGES_KEPT]
        kept = 0
        for change in reversed(changes):
            kept += len(change.raw)
            if kept > RAW_CHARS_KEPT:
                change.raw = ""


def change_of(event: Event, consent: Consent, version: int) -> Change:
    """What the record says of the event that made this change."""
    note = event.consent_note or ConsentNote()
    return Change(
        version=version, at_ms=happened_at_ms(event), received_at_ms=event.received_at_ms,
        consent=dict(choices_of(consent)), source=event.source, came=note.came, basis=note.basis, raw=note.raw,
        policy=note.policy, region=note.region or event.ip_country or "",
    )  # fmt: skip
