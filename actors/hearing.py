"""What an identity hears about consent from its visitors, whom it tells, and what its events are decided on."""

import msgspec

from actors.actor import Processing, Ref, Turn
from actors.event import happened_at_ms
from actors.identity_state import IdentityState, visitors_of
from actors.person_consent import OfPerson, Stated, but, filled, together


def heard(state: IdentityState, message: Stated, site: str, turn: Turn) -> IdentityState:
    """With what a visitor states now; the others are told. One that was split off meanwhile is not heard."""
    visitor = message.visitor
    if visitor not in visitors_of(state) or state.said.get(visitor) == message.word:
        return state
    state = msgspec.structs.replace(state, said={**state.said, visitor: message.word})
    tell_visitors(state, site, turn, besides=visitor)
    return state


def tell_visitors(state: IdentityState, site: str, turn: Turn, besides: str = "") -> None:
    """Each what the others state. At most 50 of them, the limit of an identity."""
    version = together(state.said.values()).version
    for visitor in visitors_of(state):
        if visitor != besides:
            word = msgspec.structs.replace(but(state.said, visitor), version=version)
            turn.send(Ref("visitor", f"{site}\x1f{visitor}"), OfPerson(word=word))


def consented(processing: Processing, state: IdentityState) -> Processing:
    """With what the person states of what the event and its visitor leave open."""
    if not state.said:
        return processing
    word = together(state.said.values())
    consent, came = filled(processing.consent, processing.consent_from, word, happened_at_ms(processing.event))
    if consent == processing.consent:
        return processing
    return msgspec.structs.replace(processing, consent=consent, consent_from=came, consent_version=word.version)
