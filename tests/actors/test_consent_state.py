"""What a visitor said: the newest word counts, a denial is final for its time, and nothing loosens by itself."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.consent_state import ALL_DENIED, CHANGES_KEPT, ConsentState
from actors.event import PURPOSES, Consent, ConsentNote, Event
from tests.support.making import START_MS, event

CHOICE = st.sampled_from([None, None, "granted", "denied"])
NOTE = st.none() | st.builds(
    ConsentNote,
    basis=st.sampled_from(["chosen", "allowed"]),
    is_gpc=st.booleans(),
    objects=st.sampled_from([None, None, True, False]),
)


def said(at: int = 0, note: ConsentNote | None = None, **choices: Any) -> Event:
    at_ms = START_MS + at
    return event(consent=Consent(**choices), consent_note=note, occurred_at_ms=at_ms, received_at_ms=at_ms + 10_000)


def after(*events: Event) -> ConsentState:
    state = ConsentState()
    for one in events:
        state.learn(one)
    return state


WORDS = st.lists(
    st.builds(said, at=st.integers(0, 50), note=NOTE, **{name: CHOICE for name in PURPOSES}), max_size=12
)  # fmt: skip


@given(words=WORDS)
def test_nothing_is_loosened_but_by_a_word_that_grants_it(words: list[Event]) -> None:
    state = ConsentState()
    for one in words:
        before = state.consent
        state.learn(one)
        for purpose in PURPOSES:
            if getattr(before, purpose) == "denied" and getattr(state.consent, purpose) != "denied":
                assert getattr(one.consent, purpose) == "granted"


@given(words=WORDS, at=st.integers(-5, 60))
def test_what_is_denied_now_is_denied_for_every_event(words: list[Event], at: int) -> None:
    state = after(*words)
    then, now = state.of(said(at))[0], state.consent
    assert all(getattr(then, purpose) == "denied" for purpose in PURPOSES if getattr(now, purpose) == "denied")


@given(words=WORDS)
def test_each_change_has_a_version_of_its_own(words: list[Event]) -> None:
    state = ConsentState()
    for one in words:
        version, consent = state.consent_version, state.consent
        assert state.learn(one) == (state.consent_version == version + 1)
        assert state.consent == consent or state.consent_version == version + 1


@given(words=WORDS)
def test_a_state_is_read_back_as_it_was_written(words: list[Event]) -> None:
    state = after(*words)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=ConsentState) == state


def test_an_event_of_a_time_when_it_was_denied_stays_denied() -> None:
    state = after(said(0, marketing="granted"), said(10, marketing="denied"), said(20, marketing="granted"))
    found = [state.of(said(at))[0].marketing for at in (5, 15, 25)]
    assert found == ["granted", "denied", "granted"]


def test_a_denial_that_comes_late_counts_for_its_own_time() -> None:
    state = after(said(0, marketing="granted"), said(20, marketing="granted"), said(10, marketing="denied"))
    assert [state.of(said(at))[0].marketing for at in (5, 15, 25)] == ["granted", "denied", "granted"]


def test_a_clock_that_is_ahead_outdates_no_later_denial() -> None:
    ahead = msgspec.structs.replace(said(0, marketing="granted"), occurred_at_ms=START_MS + 10**12)
    assert after(ahead, said(60_000, marketing="denied")).consent.marketing == "denied"


def test_what_lies_before_the_changes_that_are_kept_counts_as_denied() -> None:
    words = [said(at, marketing="denied" if at % 2 else "granted") for at in range(2 * CHANGES_KEPT + 1)]
    state = after(*words)
    assert len(state.consent_past["marketing"]) == CHANGES_KEPT + 1
    assert state.of(said(0))[0].marketing == "denied"


@pytest.mark.parametrize(
    ("note", "wanted"),
    [(None, "granted"), (ConsentNote(basis="allowed"), "denied"), (ConsentNote(is_gpc=True), "denied")],
)
def test_an_opt_out_of_the_browser_stays_until_the_sale_is_expressly_allowed(
    note: ConsentNote | None, wanted: str
) -> None:
    state = after(
        said(0, ConsentNote(is_gpc=True), sale_of_data="denied"), said(5), said(10, note, sale_of_data="granted")
    )
    assert state.of(said(20))[0].sale_of_data == wanted


def test_an_objection_denies_all_until_it_is_taken_back() -> None:
    state = after(said(0, analytics="granted"), said(5, ConsentNote(objects=True)), said(10, marketing="granted"))
    assert state.of(said(20, marketing="granted"))[0] == ALL_DENIED
    state.learn(said(30, ConsentNote(objects=False), marketing="granted"))
    assert state.of(said(40))[0] == Consent(
        analytics="denied", marketing="granted", preferences="denied", sale_of_data="denied"
    )
